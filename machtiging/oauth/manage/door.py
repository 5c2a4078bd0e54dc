"""The doors of grant management: `Client` for a managing app, `Self` for a person.

A management token gives access to the client's own grants only. The person's app may list and revoke consents about
that person. Refusals are journalled only if the presented token was issued by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from machtiging.access.actor import Actor
from machtiging.access.bearer import credentials_in, helper, hold_bearer, turn_away, why_closed
from machtiging.access.proof.token_claims import claims_match_row
from machtiging.access.tokens import IssuedTokenFacts, TokenState
from machtiging.kernel.errors import NotAllowed, NotAuthenticated
from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.issue import ACCESS_TOKEN
from machtiging.oauth.rules import CONSENTS
from machtiging.storage.statement import Work
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import door


@dataclass(frozen=True, slots=True)
class Manager:
    """A client with its management scopes and the token it presented."""

    client_id: str
    scope: frozenset[str]
    token: TokenState

    async def must(self, work: Work, scope: str, *, at: datetime) -> None:
        """Require this scope. Raises NotAllowed `scope_ontbreekt`, which is journalled."""
        if scope not in self.scope:
            refusal = NotAllowed("scope_ontbreekt", "Dit toegangsbewijs is niet voor dit adres bedoeld.")
            raise await turn_away(work, self.token, refusal, at=at)


@door("Client")
async def _client(request: Request, session: Transaction) -> Manager:
    """Authenticate a client by its management token.

    Raises NotAuthenticated `token_*`, with one text for a token that is unknown, revoked or for another audience.
    """
    services, at = oauth_services(request), oauth_services(request).clock.now()
    issuer, shown = issuer_of(services), credentials_in(request)
    claims = issuer.keyring.verify_own_jwt(
        shown.token, typ=ACCESS_TOKEN, issuer=issuer.url, audience=issuer.grants, at=at
    )
    found = await queries.token_standing(session, TokenId(UUID(claims["jti"])), at)
    wrong = NotAuthenticated("token_ongeldig", "Dit toegangsbewijs klopt niet of geldt niet meer.")
    if found is None or found[0].facts.audience != issuer.grants or not claims_match_row(claims, found[0].facts):
        raise wrong
    token, live = found
    if not live:
        raise await turn_away(session, token, wrong, at=at, reason=why_closed(token, at))
    await hold_bearer(request, session, token, shown, at=at)
    return Manager(token.facts.client_id, frozenset(token.facts.scope.split()), token)


def _manages(facts: IssuedTokenFacts) -> bool:
    return facts.machtiging_id is None and CONSENTS in facts.scope.split()


@door("Self")
async def _self(request: Request, session: Transaction) -> Actor:
    """Authenticate a person by her own token with the consents scope.

    Raises NotAuthenticated `token_*`, NotAllowed `token_voor_ander_gebruik`.
    """
    return await helper(request, session, fits=_manages)


Myself = Annotated[Actor, Depends(_self)]
ManagingClient = Annotated[Manager, Depends(_client)]
