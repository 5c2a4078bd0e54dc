"""The token that is exchanged: live, meant for who exchanges it, and not too far from the person who consented."""

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
    """A token that may be exchanged, with the consent that it hangs on as that stands now."""

    facts: tokens.IssuedTokenFacts
    details: list[dict[str, Any]]
    consented: Consented


async def subject_behind(exchange: Exchange, client: Client, text: str, binding: Binding) -> Subject:
    """The subject token, held until this transaction ends.

    Only the resource server that it is for may exchange it: not the client that it was issued to, which asks the person
    when it needs more, and nobody who found it. Raises OAuthRefusal `invalid_request`, one text for all.
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
        raise unusable("binding_zwakker")  # what needed a key does not become a token that anybody can use
    return await _held(exchange, token, GrantId(facts.grant_id))


async def _held(exchange: Exchange, token: Token, grant_id: GrantId) -> Subject:
    """Once more, now that nothing can change any longer: the grant first, as everywhere, then the token."""
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
