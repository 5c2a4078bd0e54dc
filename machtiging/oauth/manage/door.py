"""Two doors. `Client`: an app that comes for itself, with a token to manage its grants and nothing else. `Self`: a
person with an app of her own that may see and end the consents about her."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from machtiging.access.actor import Actor
from machtiging.access.bearer import credentials_in, helper, hold_bearer
from machtiging.kernel.errors import NotAllowed, NotAuthenticated
from machtiging.kernel.ids import TokenId
from machtiging.oauth import queries
from machtiging.oauth.issue import ACCESS_TOKEN
from machtiging.oauth.issuer import issuer_of
from machtiging.oauth.rules import CONSENTS
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import door


@dataclass(frozen=True, slots=True)
class Manager:
    """A client with what it may do with its grants."""

    client_id: str
    scope: frozenset[str]

    def must(self, scope: str) -> None:
        """Raises NotAllowed `scope_ontbreekt`."""
        if scope not in self.scope:
            raise NotAllowed("scope_ontbreekt", "Dit toegangsbewijs is niet voor dit adres bedoeld.")


@door("Client")
async def _client(request: Request, session: Transaction) -> Manager:
    """Raises NotAuthenticated `token_*`. One answer for a token that is unknown, revoked or for another place."""
    state, at = request.app.state, request.app.state.clock.now()
    issuer, shown = issuer_of(state), credentials_in(request)
    claims = issuer.keyring.verify_own_jwt(
        shown.token, typ=ACCESS_TOKEN, issuer=issuer.url, audience=issuer.grants, at=at
    )
    found = await queries.token_standing(session, TokenId(UUID(claims["jti"])), at)
    if found is None or not found[1] or found[0].facts.audience != issuer.grants:
        raise NotAuthenticated("token_ongeldig", "Dit toegangsbewijs klopt niet of geldt niet meer.")
    facts = found[0].facts
    await hold_bearer(request, session, facts, shown, at=at)
    return Manager(facts.client_id, frozenset(facts.scope.split()))


@door("Self")
async def _self(request: Request, session: Transaction) -> Actor:
    """Her own token with this scope. Raises NotAuthenticated `token_*`, NotAllowed `token_voor_ander_gebruik`."""
    actor = await helper(request, session)
    if actor.machtiging is not None or CONSENTS not in actor.scope:
        raise NotAllowed("token_voor_ander_gebruik", "Dit toegangsbewijs is niet voor dit adres bedoeld.")
    return actor


Myself = Annotated[Actor, Depends(_self)]
ManagingClient = Annotated[Manager, Depends(_client)]
