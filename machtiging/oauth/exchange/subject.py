"""The subject token of an exchange: active, for this resource server, below the chain limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from machtiging.access import tokens
from machtiging.access.issued.line import hold_to_exchange
from machtiging.access.proof.binding import Binding, is_bound
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.exchange.rules import unusable
from machtiging.oauth.issue import Consented
from machtiging.oauth.protocol.grants import consented
from machtiging.oauth.protocol.server import Exchange
from machtiging.oauth.protocol.token_endpoints import Token, guards, token_for_anybody
from machtiging.oauth.rules import LONGEST_CHAIN


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject token that may be exchanged, with its active grant."""

    facts: tokens.IssuedTokenFacts
    details: list[dict[str, Any]]
    consented: Consented


async def subject_behind(exchange: Exchange, client: Client, text: str, binding: Binding) -> Subject:
    """Load the subject token and lock it until this transaction ends.

    Only the resource server of its audience may exchange it. The client that it was issued to must ask the person when
    it needs more. Raises OAuthRefusal `invalid_request`, with one text for all causes.
    """
    token = await token_for_anybody(exchange, text)
    if token is None or not token.live:
        raise unusable("token_onbruikbaar")
    if not guards(client, token, exchange.issuer):
        raise unusable("token_voor_ander")
    facts = token.state.facts
    if facts.person_id is None or facts.grant_id is None:
        raise unusable("token_zonder_persoon")
    if is_bound(facts) and not is_bound(binding):
        raise unusable("binding_zwakker")  # against downgrade: a bound token must not become a bearer token
    return await _held(exchange, token, GrantId(facts.grant_id))


async def _held(exchange: Exchange, token: Token, grant_id: GrantId) -> Subject:
    """Check again under lock. Lock order, as everywhere: the grant, then the token."""
    grant = await queries.grant_held(exchange.session, grant_id)
    if grant is None or grant.ended_at is not None:
        raise unusable("grant_beeindigd")
    length = await hold_to_exchange(exchange.session, token.state.facts.id)
    if not 0 < length < LONGEST_CHAIN:
        raise unusable("keten_te_lang" if length else "token_onbruikbaar")
    try:
        held = await consented(exchange, grant)
    except OAuthRefusal as refusal:
        raise unusable(refusal.code) from refusal
    return Subject(token.state.facts, token.claims.get("authorization_details", []), held)
