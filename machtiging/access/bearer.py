"""Authenticate access tokens and build the Actor (RFC 6750, RFC 9068, RFC 9449).

The token only identifies its row; rights are read from the database on every request. The machtiging is locked FOR
SHARE until the transaction ends, or the write statement checks it again (`access.optimistic_lock`, which names the one
race that is left). A revocation of the machtiging therefore waits for the request under way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends
from starlette.applications import Starlette
from starlette.requests import Request

from machtiging.access.actor import Actor
from machtiging.access.dependencies import AccessServices, access_services
from machtiging.access.issued_token import IssuedTokenFacts, TokenState, api_audience
from machtiging.access.sender_constraint.binding import BEARER, DPOP, is_sender_constrained, verify_token_binding
from machtiging.access.sender_constraint.dpop_nonce import DPOP_NONCE_HEADER, generate_dpop_nonce
from machtiging.access.sender_constraint.errors import NONCE_REQUIRED, MissingToken, ProofRefused
from machtiging.access.sender_constraint.presented_credentials import read_presented_credentials
from machtiging.access.sender_constraint.token_claims import claims_match_row
from machtiging.access.tokens import load_token_for_share
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.rules import MachtigingState, unusable_reason
from machtiging.dependencies import services_of
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, Refusal
from machtiging.kernel.ids import TokenId
from machtiging.storage.statement import Executor
from machtiging.storage.unit_of_work import Transaction
from machtiging.web import headers
from machtiging.web.doors import door
from machtiging.web.rate_limit.callers import note_person

DELIVERY_SCOPE = "aanleveringen:schrijven"
# Loads a token: `access.tokens.load_token_for_share`, or that together with other rows in one statement.
TokenLookup = Callable[[Executor, TokenId, datetime], Awaitable[TokenState | None]]
# Narrows a dependency to some tokens, such as those with a scope.
TokenPredicate = Callable[[IssuedTokenFacts], bool]
_AUTHORIZATION_HEADER = re.compile(r"(?i:bearer|(dpop)) +([A-Za-z0-9._~+/-]+=*)")
_SCHEMES = ("bearer", "dpop")


@dataclass(frozen=True, slots=True)
class AgencyActor:
    """The agency that delivers berichten, identified by the OIN of its client registration."""

    oin: str
    client_id: str
    oauth_scope: frozenset[str]


class AuthorizationCredentials(NamedTuple):
    """An access token and its scheme, `Bearer` or `DPoP`."""

    scheme: str
    token: str


def read_authorization_header(request: Request) -> AuthorizationCredentials:
    """Read the access token from the Authorization header.

    Sources: RFC 6750 section 2.1, RFC 9449 section 7.1. Raises NotAuthenticated `token_ontbreekt` or `token_ongeldig`.
    Raises InvalidInput `token_in_adres` for a token in the query as well: RFC 6750 section 2.3 is not supported.
    """
    header_values = request.headers.getlist("authorization")
    in_address = bool(request.scope["query_string"]) and "access_token" in request.query_params
    if in_address and header_values:
        raise InvalidInput("token_in_adres")
    if not header_values or not header_values[0].lower().startswith(_SCHEMES):
        raise MissingToken("token_ontbreekt")
    found = _AUTHORIZATION_HEADER.fullmatch(header_values[0])
    if found is None or len(header_values) > 1:
        raise _invalid_token_error("header Authorization is malformed or stands twice")
    return AuthorizationCredentials(DPOP if found[1] else BEARER, found[2])


def read_signed_jti(app: Starlette, token: str) -> str | None:
    """Return the jti of an unexpired token with our signature; None otherwise.

    Does not read the database, so the token may be revoked. Use it for rate limits only, never for access.
    """
    services = services_of(app, AccessServices)
    at = services.clock.now()
    try:
        claims = services.keyring.verify_own_jwt_any_audience(token, typ="at+jwt", issuer=services.issuer, at=at)
    except NotAuthenticated:
        return None
    jti = claims.get("jti")
    return jti if isinstance(jti, str) else None


async def enforce_sender_constraint(
    request: Request, executor: Executor, state: TokenState, credentials: AuthorizationCredentials, *, at: datetime
) -> None:
    """Enforce sender constraining (RFC 9449 section 7, RFC 8705 section 3).

    Verifies the DPoP proof or client certificate of a bound token, and adds a DPoP-Nonce header. A plain bearer token
    needs nothing. Raises ProofRefused, which is journalled.
    """
    keyring, bound = access_services(request).keyring, state.facts
    if credentials.scheme == DPOP:
        headers.add_header(request.scope, DPOP_NONCE_HEADER, generate_dpop_nonce(keyring, at))
    if not is_sender_constrained(bound) and credentials.scheme != DPOP:
        _attribute_request_to_person(request, bound)
        return
    try:
        await verify_token_binding(
            executor,
            bound,
            read_presented_credentials(request),
            keyring,
            at,
            token=credentials.token,
            scheme=credentials.scheme,
        )
    except ProofRefused as refused:
        if refused.code != NONCE_REQUIRED:  # the client retries with the nonce; this is no incident
            await journal_token_refusal(executor, state, refused, at=at)
        raise
    _attribute_request_to_person(request, bound)


def _attribute_request_to_person(request: Request, facts: IssuedTokenFacts) -> None:
    """Count this request in the rate limit of the token's person.

    Call it after the sender constraint, so that a stolen token cannot use up the quota of its person.
    """
    if facts.person_id is not None:
        note_person(request.scope, facts.person_id)


def _invalid_token_error(private: str) -> NotAuthenticated:
    return NotAuthenticated("token_ongeldig", private=private)


async def _authenticate_token(
    request: Request, executor: Executor, at: datetime, lookup: TokenLookup, *, is_retry: bool = False
) -> TokenState:
    services = access_services(request)
    shown = read_authorization_header(request)
    token = shown.token
    claims = services.keyring.verify_own_jwt(
        token, typ="at+jwt", issuer=services.issuer, audience=api_audience(services.issuer), at=at
    )
    try:
        jti = UUID(claims["jti"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _invalid_token_error("jti is missing or no UUID") from error
    state = await lookup(executor, TokenId(jti), at)
    if state is None or state.facts.client_id != claims.get("client_id") or state.facts.is_for_other_resource:
        raise _invalid_token_error("jti was not issued, or to another client, or for another resource")
    if (refusal := token_refusal(state, at)) is not None:
        raise await journal_token_refusal(executor, state, refusal, at=at)
    if not is_retry:  # the first try consumed the DPoP proof
        await enforce_sender_constraint(request, executor, state, shown, at=at)
    if not claims_match_row(claims, state.facts):
        raise await journal_token_refusal(
            executor, state, _invalid_token_error("the token says something else than its row"), at=at
        )
    return state


def token_refusal(state: TokenState, at: datetime) -> Refusal | None:
    """Return the refusal for an expired or revoked token; None for an open one."""
    if at >= state.facts.expires_at:
        return NotAuthenticated("token_verlopen")
    # Ending a machtiging revokes its tokens. The guard then refuses with the state of the machtiging as the reason.
    ended = state.machtiging is not None and state.machtiging.state is MachtigingState.ENDED
    if state.revoked_at is not None and not ended:
        return NotAuthenticated("token_ingetrokken")
    return None


def inactive_reason(state: TokenState, at: datetime) -> str:
    """Return the reason code of an inactive token, for the journal."""
    if (refusal := token_refusal(state, at)) is not None:
        return refusal.code
    if state.is_active_at(at):  # the token itself is open: its client is not active, or its grant has ended
        return "token_ongeldig"
    return unusable_reason(state.machtiging, state.facts.organisation_kvk, at)


async def journal_token_refusal(
    executor: Executor, state: TokenState, refusal: Refusal, *, at: datetime, reason: str | None = None
) -> Refusal:
    """Journal the refusal of a token issued by us, and return the refusal.

    `reason` is the exact reason code, for a caller that tells the client less.
    """
    facts, machtiging = state.facts, state.machtiging
    line = NewJournalLine(
        act=JournalAct.TOKEN_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=reason or refusal.code,
        actor_id=facts.person_id,
        capacity=machtiging.capacity if machtiging else None,
        client_id=facts.client_id,
        for_person_id=machtiging.vertegenwoordigde_id if machtiging else facts.person_id,
        machtiging_id=facts.machtiging_id,
        object_kind="token",
        object_id=str(facts.id),
    )
    await record(executor, line, at=at)
    return refusal


def wrong_audience_error() -> NotAllowed:
    """Return the refusal of a valid token that is not meant for this route."""
    return NotAllowed("token_voor_ander_gebruik")


@door("TokenUser")
async def _get_user_actor(request: Request, session: Transaction) -> Actor:
    """Authenticate a person's token and return the Actor.

    Raises NotAuthenticated `token_*` or NotAllowed.
    """
    return await authenticate_user_token(request, session)


def _accept_any_token(_facts: IssuedTokenFacts) -> bool:
    return True


async def authenticate_user_token(
    request: Request,
    executor: Executor,
    lookup: TokenLookup = load_token_for_share,
    is_accepted: TokenPredicate = _accept_any_token,
    *,
    is_retry: bool = False,
) -> Actor:
    """Authenticate a person's token outside the `TokenUser` dependency.

    For a route that opens its own transaction, and for a dependency that accepts fewer tokens (`is_accepted`).
    Either `lookup` locks, as `load_token_for_share` does, or the caller's write uses `access.optimistic_lock`. When
    that write finds a change, the caller tries again with `is_retry`.
    """
    at = access_services(request).clock.now()
    state = await _authenticate_token(request, executor, at, lookup, is_retry=is_retry)
    facts = state.facts
    if facts.person_id is None or facts.oin is not None or not is_accepted(facts):
        raise await journal_token_refusal(executor, state, wrong_audience_error(), at=at)
    return Actor(
        person_id=facts.person_id,
        machtiging=state.machtiging,
        assurance=facts.assurance,
        acts=facts.acts,
        client_id=facts.client_id,
        token_id=facts.id,
        oauth_scope=frozenset(facts.scope.split()),
        organisation_kvk=facts.organisation_kvk,
    )


@door("Agency")
async def _get_agency_actor(request: Request, session: Transaction) -> AgencyActor:
    """Authenticate an agency's token with the delivery scope.

    Raises NotAuthenticated `token_*` or NotAllowed.
    """
    at = access_services(request).clock.now()
    state = await _authenticate_token(request, session, at, load_token_for_share)
    facts = state.facts
    oauth_scope = frozenset(facts.scope.split())
    if facts.oin is None or facts.person_id is not None or DELIVERY_SCOPE not in oauth_scope:
        raise await journal_token_refusal(session, state, wrong_audience_error(), at=at)
    return AgencyActor(oin=facts.oin, client_id=facts.client_id, oauth_scope=oauth_scope)


TokenUser = Annotated[Actor, Depends(_get_user_actor)]
Agency = Annotated[AgencyActor, Depends(_get_agency_actor)]
