"""POST /introspect: asked for every request to every resource server, so it takes the short way (docs/decisions/0005).

Three statements, each by itself: the client that asks, its assertion used up, the token with all that it hangs on. Only
the second changes anything, and it should stand whatever comes of the rest.
"""

from __future__ import annotations

import json
from typing import Any

import structlog
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import Refusal
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.errors import answer_of
from machtiging.oauth.introspection.signed import is_wanted, signed
from machtiging.oauth.issuer import issuer_of
from machtiging.oauth.protocol.bridge import WireRequest, posted
from machtiging.oauth.protocol.server import NO_STORE, Asking, run
from machtiging.oauth.protocol.token_endpoints import INTROSPECTION, endpoint_server
from machtiging.storage.straight import one_by_one
from machtiging.web.doors import Public
from machtiging.web.short_way import answered_by

router = APIRouter(include_in_schema=False)
_log = structlog.get_logger("machtiging.oauth")


async def _introspect(request: Request) -> Response:
    state = request.app.state
    try:
        wire = await posted(request, issuer_of(state).endpoint("/introspect"))
        try:
            return await _asked(state, wire)
        except KeysWanted as wanted:  # by now no connection is held
            await state.published_keys.look(wanted, state.clock.now())
            return await _asked(state, wire)
    except Refusal as refusal:
        _log.warning("oauth_refused", code=refusal.code)
        return _told(refusal)


async def _asked(state: Any, wire: WireRequest) -> Response:
    async with one_by_one(state.sessions) as work:
        asking = Asking(work, issuer_of(state), state.clock.now())
        try:
            return await _answer(asking, wire)
        except KeysWanted:
            raise
        except Refusal as refusal:
            return await _refused(asking, wire, refusal)


async def _answer(asking: Asking, wire: WireRequest) -> Response:
    plain = await run(endpoint_server(asking), lambda it: it.create_endpoint_response(INTROSPECTION, wire))
    response: JSONResponse = plain
    if not is_wanted(wire.headers.get("accept", "")):
        return response
    return signed(asking.issuer, wire.client, json.loads(bytes(response.body)), at=asking.at)


async def _refused(asking: Asking, wire: WireRequest, refusal: Refusal) -> Response:
    """The OAuth answer. A line is written only for a client that proved who it is: others could fill the journal."""
    if not wire.proven:
        _log.warning("oauth_refused", code=refusal.code)
    else:
        facts = {"fout": answer_of(refusal).error.value, "adres": "/introspect"}
        client_id = wire.client.client_id
        line = Line(JournalAct.TOKEN_GEWEIGERD, Outcome.REFUSED, refusal.code, client_id=client_id, facts=facts)
        await record(asking.work, line, at=asking.at)
    return _told(refusal)


def _told(refusal: Refusal) -> Response:
    answer = answer_of(refusal)
    body = {"error": answer.error.value, "error_description": answer.description}
    return JSONResponse(body, answer.status, headers=NO_STORE)


async def introspect(_door: Public) -> None:
    """RFC 7662."""


router.add_api_route("/introspect", introspect, methods=["POST"], route_class_override=answered_by(_introspect))
