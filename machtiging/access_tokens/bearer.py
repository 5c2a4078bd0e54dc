"""Authenticate the access token of a request (RFC 6750, RFC 9068, RFC 9449).

The token only identifies its row; rights are read from the database on every request. The representation of a token is
loaded by the `TokenLookup` of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request

from machtiging.access_tokens.dependencies import TokenServices, token_services
from machtiging.access_tokens.issued_token import IssuedTokenFacts, TokenState, api_audience
from machtiging.access_tokens.representation import Representation, find_represented_person
from machtiging.access_tokens.sender_constraint.binding import (
    BEARER,
    DPOP,
    is_sender_constrained,
    verify_token_binding,
)
from machtiging.access_tokens.sender_constraint.dpop_nonce import DPOP_NONCE_HEADER, generate_dpop_nonce
from machtiging.access_tokens.sender_constraint.errors import NONCE_REQUIRED, MissingToken, ProofRefused
from machtiging.access_tokens.sender_constraint.presented_credentials import read_presented_credentials
from machtiging.access_tokens.sender_constraint.token_claims import claims_match_row
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.dependencies import services_of
from machtiging.kernel.errors import InvalidInput, NotAllowed, NotAuthenticated, Refusal
from machtiging.kernel.ids import PersonId, TokenId
from machtiging.storage.statement import Executor
from machtiging.web import headers
from machtiging.web.rate_limit.callers import note_person

_R = TypeVar("_R", bound=Representation)
AnyToken = TokenState[Representation]
# Loads a token with its representation, in one statement.
TokenLookup = Callable[[Executor, TokenId, datetime], Awaitable[TokenState[_R] | None]]
# Narrows a door to some tokens, such as those with a scope.
TokenPredicate = Callable[[IssuedTokenFacts], bool]
_AUTHORIZATION_HEADER = re.compile(r"(?i:bearer|(dpop)) +([A-Za-z0-9._~+/-]+=*)")
_SCHEMES = ("bearer", "dpop")


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
    services = services_of(app, TokenServices)
    at = services.clock.now()
    try:
        claims = services.keyring.verify_own_jwt_any_audience(token, typ="at+jwt", issuer=services.issuer, at=at)
    except NotAuthenticated:
        return None
    jti = claims.get("jti")
    return jti if isinstance(jti, str) else None


async def enforce_sender_constraint(
    request: Request, executor: Executor, state: AnyToken, credentials: AuthorizationCredentials, *, at: datetime
) -> None:
    """Enforce sender constraining (RFC 9449 section 7, RFC 8705 section 3).

    Verifies the DPoP proof or client certificate of a bound token, and adds a DPoP-Nonce header. A plain bearer token
    needs nothing. Raises ProofRefused, which is journalled.
    """
    keyring, bound = token_services(request).keyring, state.facts
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


async def authenticate_token(
    request: Request, executor: Executor, at: datetime, lookup: TokenLookup[_R], *, is_retry: bool = False
) -> TokenState[_R]:
    """Authenticate the token of this request for our own API, and verify its sender constraint.

    `is_retry`: the first try of this request did the latter. Raises NotAuthenticated `token_*`, journalled for a token
    of ours.
    """
    services = token_services(request)
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


def token_refusal(state: AnyToken, at: datetime) -> Refusal | None:
    """Return the refusal for an expired or revoked token; None for an open one."""
    if at >= state.facts.expires_at:
        return NotAuthenticated("token_verlopen")
    # Ending a machtiging revokes its tokens. Its end is then the reason of the refusal. Not of a token for several.
    own = state.representation if state.facts.representation_set is None else None
    ended = own is not None and own.has_ended
    if state.revoked_at is not None and not ended:
        return NotAuthenticated("token_ingetrokken")
    return None


def inactive_reason(state: AnyToken, at: datetime) -> str:
    """Return the reason code of an inactive token, for the journal."""
    if (refusal := token_refusal(state, at)) is not None:
        return refusal.code
    # Without one the token itself is open: its client is not active, or its grant has ended.
    return state.representation_refusal(at) or "token_ongeldig"


async def journal_token_refusal(
    executor: Executor, state: AnyToken, refusal: Refusal, *, at: datetime, reason: str | None = None
) -> Refusal:
    """Journal the refusal of a token issued by us, and return the refusal.

    `reason` is the exact reason code, for a caller that tells the client less.
    """
    facts, representation = state.facts, state.representation
    line = NewJournalLine(
        act=JournalAct.TOKEN_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=reason or refusal.code,
        actor_id=facts.person_id,
        capacity=representation.capacity if representation else None,
        client_id=facts.client_id,
        for_person_id=find_represented_person(
            facts.person_id, representation, is_several=facts.representation_set is not None
        ),
        machtiging_id=representation.machtiging_id if representation else facts.machtiging_id,
        on_behalf_of=representation.organisation_id if representation else None,
        object_kind="token",
        object_id=str(facts.id),
    )
    await record(executor, line, at=at)
    return refusal


def wrong_audience_error() -> NotAllowed:
    """Return the refusal of a valid token that is not meant for this route."""
    return NotAllowed("token_voor_ander_gebruik")


def accept_any_token(_facts: IssuedTokenFacts) -> bool:
    """Accept every token: the predicate of a door that narrows nothing."""
    return True


async def authenticate_person_token(
    request: Request,
    executor: Executor,
    lookup: TokenLookup[_R],
    is_accepted: TokenPredicate = accept_any_token,
    *,
    is_retry: bool = False,
) -> tuple[PersonId, TokenState[_R]]:
    """Authenticate a token of a person, and return the person and the token.

    Raises as `authenticate_token`, and NotAllowed `token_voor_ander_gebruik` for a token that is not a person's or that
    `is_accepted` rejects.
    """
    at = token_services(request).clock.now()
    state = await authenticate_token(request, executor, at, lookup, is_retry=is_retry)
    facts = state.facts
    if facts.person_id is None or facts.oin is not None or not is_accepted(facts):
        raise await journal_token_refusal(executor, state, wrong_audience_error(), at=at)
    return facts.person_id, state
