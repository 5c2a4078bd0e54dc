"""The subject token of an exchange: active, for this resource server, below the chain limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from machtiging.access_tokens import issued_token
from machtiging.access_tokens.exchange_chain import lock_and_count_exchanges
from machtiging.access_tokens.sender_constraint.binding import TokenBinding, is_sender_constrained
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.protocol.grants import load_active_grant
from machtiging.oauth.protocol.introspection_revocation import (
    AccessTokenView,
    is_audience_of,
    load_token_for_any_audience,
)
from machtiging.oauth.protocol.server import RequestContext
from machtiging.oauth.rules import MAX_EXCHANGE_CHAIN
from machtiging.oauth.token_exchange.rules import invalid_subject_token_error
from machtiging.oauth.token_issuance import ActiveGrant


@dataclass(frozen=True, slots=True)
class SubjectToken:
    """A subject token that may be exchanged, with its active grant."""

    facts: issued_token.IssuedTokenFacts
    authorization_details: list[dict[str, Any]]
    active_grant: ActiveGrant


async def load_subject_token(
    context: RequestContext, client: Client, subject_token: str, binding: TokenBinding
) -> SubjectToken:
    """Load the subject token and lock it until this transaction ends.

    Only the resource server of its audience may exchange it. The client that it was issued to must ask the person when
    it needs more. Raises OAuthRefusal `invalid_request`, with one text for all causes.
    """
    token = await load_token_for_any_audience(context, subject_token)
    if token is None or not token.active:
        raise invalid_subject_token_error("token_onbruikbaar")
    if not is_audience_of(client, token, context.issuer):
        raise invalid_subject_token_error("token_voor_ander")
    facts = token.state.facts
    if facts.person_id is None or facts.grant_id is None:
        raise invalid_subject_token_error("token_zonder_persoon")
    if facts.representation_set is not None:
        raise invalid_subject_token_error("token_voor_meer_machtigingen")  # another service cannot say which it means
    if is_sender_constrained(facts) and not is_sender_constrained(binding):
        raise invalid_subject_token_error(
            "binding_zwakker"
        )  # against downgrade: a bound token must not become a bearer token
    return await _lock_subject_token(context, token, GrantId(facts.grant_id))


async def _lock_subject_token(context: RequestContext, token: AccessTokenView, grant_id: GrantId) -> SubjectToken:
    """Check again under lock. Lock order, as everywhere: the grant, then the token."""
    grant = await queries.lock_grant(context.session, grant_id)
    if grant is None or grant.ended_at is not None:
        raise invalid_subject_token_error("grant_beeindigd")
    length = await lock_and_count_exchanges(context.session, token.state.facts.id)
    if not 0 < length < MAX_EXCHANGE_CHAIN:
        raise invalid_subject_token_error("keten_te_lang" if length else "token_onbruikbaar")
    try:
        active_grant = await load_active_grant(context, grant)
    except OAuthRefusal as refusal:
        raise invalid_subject_token_error(refusal.code) from refusal
    return SubjectToken(token.state.facts, token.claims.get("authorization_details", []), active_grant)
