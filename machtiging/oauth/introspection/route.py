"""POST /introspect: called on every request to a resource server, so without a session (docs/decisions/0005).

First the fast path (`fast_path`). Else three autocommit statements: load the client, consume its assertion, load the
token with its grant. Only the second writes, and it must stay committed whatever follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.introspection.at_once import Answer, at_once, fits
from machtiging.oauth.introspection.signed import is_wanted, signed
from machtiging.oauth.issuer import Issuer, issuer_of
from machtiging.oauth.protocol.bridge import WireRequest, form_in, wired
from machtiging.oauth.protocol.refused import tells_causes, told, warn, write_down
from machtiging.oauth.protocol.server import NO_STORE, Asking, run
from machtiging.oauth.protocol.token_endpoints import INTROSPECTION, endpoint_server
from machtiging.storage.straight import one_by_one
from machtiging.web.doors import Public
from machtiging.web.short_way import answered_by

router = APIRouter(include_in_schema=False)
_PATH = "/introspect"


async def _introspect(request: Request) -> Response:
    state = request.app.state
    issuer = issuer_of(state)
    try:
        form = await form_in(request)
        answer = await _at_once(request, issuer, form) if fits(request.headers, form) else None
        if answer is not None:
            return answer
        wire = wired(request, issuer.endpoint(_PATH), form)
        try:
            return await _asked(state, issuer, wire)
        except KeysWanted as wanted:  # no database connection is open during the fetch
            await state.published_keys.look(wanted, state.clock.now())
            return await _asked(state, issuer, wire)
    except Refusal as refusal:
        warn(refusal)
        return told(refusal, practice=tells_causes(state))


async def _at_once(request: Request, issuer: Issuer, form: Mapping[str, str]) -> Response | None:
    state = request.app.state
    at = state.clock.now()
    try:
        async with one_by_one(state.sessions) as work:
            found = await at_once(work, state.known_clients, issuer, request.headers, form, at)
    except Refusal:
        return None
    return None if found is None else _answer(request, issuer, found, at)


async def _asked(state: Any, issuer: Issuer, wire: WireRequest) -> Response:
    async with one_by_one(state.sessions) as work:
        asking = Asking(work, issuer, state.clock.now())
        try:
            server = endpoint_server(asking)
            response = await run(server, lambda it: it.create_endpoint_response(INTROSPECTION, wire))
        except KeysWanted:
            raise
        except Refusal as refusal:
            await write_down(work, wire, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at)
            return told(refusal, practice=tells_causes(state))
        return _answer(wire, issuer, Answer(wire.client, json.loads(bytes(response.body))), asking.at)


def _answer(request: Request | WireRequest, issuer: Issuer, answer: Answer, at: datetime) -> Response:
    if is_wanted(request.headers.get("accept", "")):
        return signed(issuer, answer.client, answer.told, at=at)
    return JSONResponse(answer.told, headers=NO_STORE)


async def introspect(_door: Public) -> None:
    """Introspect a token (RFC 7662)."""


router.add_api_route(_PATH, introspect, methods=["POST"], route_class_override=answered_by(_introspect))
