"""POST /introspect: asked for every request to every resource server, so it takes the short way (docs/decisions/0005).

At once where that will do (`at_once`). Else in three statements, each by itself: the client that asks, its assertion
used up, the token with all that it hangs on. Only the second changes anything, and it should stand whatever comes of
the rest.
"""

from __future__ import annotations

import json
from copy import copy
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.introspection.at_once import ServerAtOnce, fits
from machtiging.oauth.introspection.signed import is_wanted, signed
from machtiging.oauth.issuer import Issuer, issuer_of
from machtiging.oauth.protocol.bridge import WireRequest, posted
from machtiging.oauth.protocol.refused import told, warn, write_down
from machtiging.oauth.protocol.server import Asking, Server, run
from machtiging.oauth.protocol.token_endpoints import INTROSPECTION, endpoint_server
from machtiging.storage.straight import one_by_one
from machtiging.web.doors import Public
from machtiging.web.short_way import answered_by

router = APIRouter(include_in_schema=False)
_PATH = "/introspect"


async def _introspect(request: Request) -> Response:
    state = request.app.state
    issuer, at = issuer_of(state), state.clock.now()
    try:
        wire = await posted(request, issuer.endpoint(_PATH))
        answer = await _at_once(state, issuer, at, wire) if fits(wire) else None
        if answer is not None:
            return answer
        try:
            return await _asked(state, issuer, wire)
        except KeysWanted as wanted:  # by now no connection is held
            await state.published_keys.look(wanted, state.clock.now())
            return await _asked(state, issuer, wire)
    except Refusal as refusal:
        warn(refusal)
        return told(refusal)


async def _at_once(state: Any, issuer: Issuer, at: datetime, wire: WireRequest) -> Response | None:
    """A plain answer; None when it takes another look."""
    once = copy(wire)
    async with one_by_one(state.sessions) as work:
        server = ServerAtOnce(Asking(work, issuer, at), state.known_clients, once)
        try:
            return await _answer(server, issuer, once, at)
        except Refusal:
            server.forget()
            return None


async def _asked(state: Any, issuer: Issuer, wire: WireRequest) -> Response:
    async with one_by_one(state.sessions) as work:
        asking = Asking(work, issuer, state.clock.now())
        try:
            return await _answer(endpoint_server(asking), issuer, wire, asking.at)
        except KeysWanted:
            raise
        except Refusal as refusal:
            await write_down(work, wire, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at)
            return told(refusal)


async def _answer(server: Server, issuer: Issuer, wire: WireRequest, at: datetime) -> Response:
    response: JSONResponse = await run(server, lambda it: it.create_endpoint_response(INTROSPECTION, wire))
    if not is_wanted(wire.headers.get("accept", "")):
        return response
    return signed(issuer, wire.client, json.loads(bytes(response.body)), at=at)


async def introspect(_door: Public) -> None:
    """RFC 7662."""


router.add_api_route(_PATH, introspect, methods=["POST"], route_class_override=answered_by(_introspect))
