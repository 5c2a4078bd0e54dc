"""The doors of grant management: `Client` for a managing app, `Self` for a person.

A management token gives access to the client's own grants only. The person's app may list and revoke consents about
that person. Refusals are journalled only if the presented token was issued by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from machtiging.access_tokens.bearer import (
    AnyToken,
    authenticate_person_token,
    enforce_sender_constraint,
    inactive_reason,
    journal_token_refusal,
    read_authorization_header,
)
from machtiging.access_tokens.issued_token import IssuedTokenFacts
from machtiging.access_tokens.sender_constraint.token_claims import claims_match_row
from machtiging.kernel.errors import NotAllowed, NotAuthenticated
from machtiging.kernel.ids import PersonId, TokenId
from machtiging.oauth import queries
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from machtiging.oauth.token_issuance import ACCESS_TOKEN_TYP
from machtiging.storage.statement import Executor
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import door


@dataclass(frozen=True, slots=True)
class GrantManagementClient:
    """A client with its management scopes and the token it presented."""

    client_id: str
    scope: frozenset[str]
    token: AnyToken

    async def require_scope(self, executor: Executor, scope: str, *, at: datetime) -> None:
        """Require this scope. Raises NotAllowed `scope_ontbreekt`, which is journalled."""
        if scope not in self.scope:
            refusal = NotAllowed("scope_ontbreekt")
            raise await journal_token_refusal(executor, self.token, refusal, at=at)


@door("Client")
async def _authenticate_client(request: Request, session: Transaction) -> GrantManagementClient:
    """Authenticate a client by its management token.

    Raises NotAuthenticated `token_*`, with one text for a token that is unknown, revoked or for another audience.
    """
    services, at = oauth_services(request), oauth_services(request).clock.now()
    issuer, shown = build_issuer(services), read_authorization_header(request)
    claims = issuer.keyring.verify_own_jwt(
        shown.token, typ=ACCESS_TOKEN_TYP, issuer=issuer.url, audience=issuer.grant_management_audience, at=at
    )
    found = await queries.find_token_status(session, services.details_handler, TokenId(UUID(claims["jti"])), at)
    wrong = NotAuthenticated("token_ongeldig", message="token_ongeldig.inactive")
    if (
        found is None
        or found[0].facts.audience != issuer.grant_management_audience
        or not claims_match_row(claims, found[0].facts)
    ):
        raise wrong
    token, live = found
    if not live:
        raise await journal_token_refusal(session, token, wrong, at=at, reason=inactive_reason(token, at))
    await enforce_sender_constraint(request, session, token, shown, at=at)
    return GrantManagementClient(token.facts.client_id, frozenset(token.facts.scope.split()), token)


def _may_manage_consents(facts: IssuedTokenFacts) -> bool:
    is_own = facts.machtiging_id is None and facts.representation_set is None
    return is_own and CONSENT_MANAGEMENT_SCOPE in facts.scope.split()


@dataclass(frozen=True, slots=True)
class ConsentManager:
    """A person who manages consents, and the app that the person uses for it."""

    person_id: PersonId
    client_id: str


@door("Self")
async def _authenticate_person(request: Request, session: Transaction) -> ConsentManager:
    """Authenticate a person by her own token with the consents scope.

    Raises NotAuthenticated `token_*`, NotAllowed `token_voor_ander_gebruik`.
    """
    lookup = partial(queries.load_token, handler=oauth_services(request).details_handler)
    person_id, token = await authenticate_person_token(request, session, lookup, _may_manage_consents)
    return ConsentManager(person_id, token.facts.client_id)


ConsentActor = Annotated[ConsentManager, Depends(_authenticate_person)]
ManagingClient = Annotated[GrantManagementClient, Depends(_authenticate_client)]
