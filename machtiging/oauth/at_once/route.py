"""POST /token: on the fast path where possible, else in a transaction (docs/decisions/0007)."""

from __future__ import annotations

from copy import copy

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.access.proof.nonce import HEADER, nonce_at
from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.at_once.grants import GRANT_TYPES, ServerAtOnce
from machtiging.oauth.ciba.grant import BackchannelGrant
from machtiging.oauth.client_jwks.fetcher import with_keys
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.dependencies import OAuthServices, issuer_of, oauth_services
from machtiging.oauth.exchange.grant import ExchangeGrant
from machtiging.oauth.manage.grant import ManagementGrant
from machtiging.oauth.protocol.bridge import WireRequest, posted
from machtiging.oauth.protocol.grants import token_server
from machtiging.oauth.protocol.refresh_grant import RefreshGrant
from machtiging.oauth.protocol.refused import told, warn, write_down
from machtiging.oauth.protocol.sender import ProofSeen
from machtiging.oauth.protocol.server import Asking, Exchange, run
from machtiging.storage.straight import one_by_one
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.doors import Public
from machtiging.web.headers import say
from machtiging.web.short_way import answered_by

router = APIRouter(include_in_schema=False)
_PATH = "/token"
_MORE_GRANTS = (RefreshGrant, ManagementGrant, ExchangeGrant, BackchannelGrant)


async def _token(request: Request) -> Response:
    services = oauth_services(request)
    say(request.scope, HEADER, nonce_at(services.keyring, services.clock.now()))
    try:
        wire = await posted(request, issuer_of(services).endpoint(_PATH))
    except Refusal as refusal:
        warn(refusal)
        return told(refusal, practice=services.names_causes)
    answer = await _at_once(services, copy(wire)) if wire.form.get("grant_type") in GRANT_TYPES else None
    return answer or await _in_a_transaction(services, wire)


async def _at_once(services: OAuthServices, wire: WireRequest) -> Response | None:
    """Try the fast path.

    None when the transactional path must decide; then nothing was written.

    A refusal is answered here only for a caller that is not authenticated, or for a replayed DPoP proof.
    """
    async with one_by_one(services.sessions) as work:
        asking = Asking(work, issuer_of(services), services.clock.now())
        try:
            response: Response = await run(ServerAtOnce(asking, wire.form), lambda it: it.create_token_response(wire))
            return response
        except ProofSeen as refusal:
            # The assertion is consumed by now: on the transactional path it would be refused as a replay.
            await write_down(work, wire, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at)
            return told(refusal, practice=services.names_causes)
        except Refusal as refusal:
            if wire.client is not None or isinstance(refusal, KeysWanted):
                return None
            warn(refusal)  # an unauthenticated caller consumed nothing, and is not journalled
            return told(refusal, practice=services.names_causes)


async def _in_a_transaction(services: OAuthServices, wire: WireRequest) -> Response:
    """Handle the request in a transaction.

    A refusal is answered inside it, so that its journal line and effects commit.
    """
    async with unit_of_work(services.sessions) as session:
        exchange = Exchange(session, issuer_of(services), services.clock.now())

        async def work() -> Response:
            server = token_server(exchange, *_MORE_GRANTS)
            response: Response = await run(server, lambda it: it.create_token_response(wire))
            return response

        try:
            return await with_keys(services.published_keys, services.clock, session, work)
        except Refusal as refusal:
            await write_down(session, wire, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=exchange.at)
            return told(refusal, practice=services.names_causes)


async def token(_door: Public) -> None:
    """Issue tokens (RFC 6749 section 3.2)."""


router.add_api_route(_PATH, token, methods=["POST"], route_class_override=answered_by(_token))
