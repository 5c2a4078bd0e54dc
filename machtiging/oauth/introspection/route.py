"""POST /introspect: called on every request to a resource server, so without a session (docs/decisions/0005).

First the fast path (`fast_path`). Else three autocommit statements: load the client, consume its assertion, load the
token with its grant. Only the second writes, and it must stay committed whatever follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.clients.fetched import KeysWanted
from machtiging.oauth.dependencies import OAuthServices, issuer_of, oauth_services
from machtiging.oauth.introspection.at_once import Answer, at_once, fits
from machtiging.oauth.introspection.signed import is_wanted, signed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.bridge import WireRequest, form_in, wired
from machtiging.oauth.protocol.refused import told, warn, write_down
from machtiging.oauth.protocol.server import NO_STORE, Asking, run
from machtiging.oauth.protocol.token_endpoints import INTROSPECTION, endpoint_server
from machtiging.storage.straight import one_by_one
from machtiging.web.doors import Public
from machtiging.web.short_way import answered_by

router = APIRouter(include_in_schema=False)
_PATH = "/introspect"


async def _introspect(request: Request) -> Response:
    services = oauth_services(request)
    issuer = issuer_of(services)
    try:
        form = await form_in(request)
        answer = await _at_once(request, issuer, form) if fits(request.headers, form) else None
        if answer is not None:
            return answer
        wire = wired(request, issuer.endpoint(_PATH), form)
        try:
            return await _asked(services, issuer, wire)
        except KeysWanted as wanted:  # no database connection is open during the fetch
            await services.published_keys.look(wanted, services.clock.now())
            return await _asked(services, issuer, wire)
    except Refusal as refusal:
        warn(refusal)
        return told(refusal, practice=services.names_causes)


async def _at_once(request: Request, issuer: Issuer, form: Mapping[str, str]) -> Response | None:
    services = oauth_services(request)
    at = services.clock.now()
    try:
        async with one_by_one(services.sessions) as work:
            found = await at_once(work, services.known_clients, issuer, request.headers, form, at)
    except Refusal:
        return None
    return None if found is None else _answer(request, issuer, found, at)


async def _asked(services: OAuthServices, issuer: Issuer, wire: WireRequest) -> Response:
    async with one_by_one(services.sessions) as work:
        asking = Asking(work, issuer, services.clock.now())
        try:
            server = endpoint_server(asking)
            response = await run(server, lambda it: it.create_endpoint_response(INTROSPECTION, wire))
        except KeysWanted:
            raise
        except Refusal as refusal:
            await write_down(work, wire, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at)
            return told(refusal, practice=services.names_causes)
        return _answer(wire, issuer, Answer(wire.client, json.loads(bytes(response.body))), asking.at)


def _answer(request: Request | WireRequest, issuer: Issuer, answer: Answer, at: datetime) -> Response:
    if is_wanted(request.headers.get("accept", "")):
        return signed(issuer, answer.client, answer.told, at=at)
    return JSONResponse(answer.told, headers=NO_STORE)


async def introspect(_door: Public) -> None:
    """Introspect a token (RFC 7662)."""


router.add_api_route(_PATH, introspect, methods=["POST"], route_class_override=answered_by(_introspect))
