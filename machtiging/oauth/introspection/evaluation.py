"""Evaluate an introspection request: load, decide, commit; again after a concurrent change."""

from __future__ import annotations

from typing import Any

from machtiging.kernel.errors import Fault
from machtiging.oauth import queries
from machtiging.oauth.clients.cache import CachedClient, ClientCache
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.introspection.commit import build_view, consume_and_read
from machtiging.oauth.introspection.decision import decide_introspection
from machtiging.oauth.protocol.claimed_client import ClaimedClient, read_claimed_client
from machtiging.oauth.protocol.client_assertion import refuse_client_auth
from machtiging.oauth.protocol.introspection_revocation import may_introspect
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import ReadContext
from machtiging.storage.statement import Executor

# A retry follows a concurrent change of the client. Even one is rare.
_MAX_ATTEMPTS = 5


async def evaluate_introspection(context: ReadContext, clients: ClientCache, request: OAuthRequest) -> dict[str, Any]:
    """Authenticate the client and return the introspection response (RFC 7662 2.2).

    Raises OAuthRefusal, JwksFetchRequired, and Fault `opslag_niet_bereikbaar` when the client changes again and again.
    """
    claimed = read_claimed_client(request, context.at)
    for _ in range(_MAX_ATTEMPTS):
        cached = None if claimed.client_id is None else clients.get(claimed.client_id)
        found = cached or await _load_client(context.executor, clients, claimed.client_id)
        answer = await _try_on_client(context, request, claimed, found, is_cached=cached is not None)
        if answer is not None:
            return answer
        if found is not None:
            clients.discard(found.client.client_id)
    raise Fault("opslag_niet_bereikbaar", private="the client changed again and again")


async def _try_on_client(
    context: ReadContext, request: OAuthRequest, claimed: ClaimedClient, found: CachedClient | None, *, is_cached: bool
) -> dict[str, Any] | None:
    """Decide and commit on this client. None when it must be read again: it changed, or a cached one was refused."""
    issuer, executor, at = context.issuer, context.executor, context.at
    request.client, request.credential_proven = None, False
    try:
        decision = decide_introspection(issuer, request, claimed, None if found is None else found.client, at)
    except OAuthRefusal:
        if is_cached:
            return None
        raise
    row = None if found is None else await consume_and_read(executor, issuer, decision, found.version)
    if row is None:
        return None
    if row["first_use"] is None:
        refuse_client_auth("bewijs_hergebruikt", authenticated=True)
    request.client, request.credential_proven = decision.client, True
    if decision.refusal is not None:
        raise decision.refusal
    token = await build_view(executor, issuer, decision, row, at)
    if token is None or token.is_revoked() or not may_introspect(decision.client, token, issuer):
        return {"active": False}
    return token.to_introspection_response()


async def _load_client(executor: Executor, clients: ClientCache, client_id: str | None) -> CachedClient | None:
    row = None if client_id is None else await queries.find_client_with_version(executor, client_id)
    if row is None:
        return None
    cached = CachedClient(*row)
    clients.put(cached)
    return cached
