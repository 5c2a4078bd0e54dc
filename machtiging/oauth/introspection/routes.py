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
from machtiging.oauth.client_jwks.key_selection import JwksFetchRequired
from machtiging.oauth.dependencies import OAuthServices, build_issuer, oauth_services
from machtiging.oauth.introspection.fast_path import IntrospectionAnswer, introspect_fast, is_fast_path_request
from machtiging.oauth.introspection.jwt_response import accepts_jwt_response, build_jwt_response
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.error_response import build_error_response, journal_oauth_refusal, log_oauth_refusal
from machtiging.oauth.protocol.introspection_revocation import INTROSPECTION, build_endpoint_server
from machtiging.oauth.protocol.requests import OAuthRequest, read_form, to_oauth_request
from machtiging.oauth.protocol.server import NO_STORE, ReadContext, run_authlib
from machtiging.storage.autocommit import autocommit_connection
from machtiging.web.direct_routes import direct_route
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
_PATH = "/introspect"


async def _handle_introspection(request: Request) -> Response:
    services = oauth_services(request)
    issuer = build_issuer(services)
    try:
        form = await read_form(request)
        answer = await _try_fast_path(request, issuer, form) if is_fast_path_request(request.headers, form) else None
        if answer is not None:
            return answer
        wire = to_oauth_request(request, issuer.endpoint_url(_PATH), form)
        try:
            return await _run_introspection(services, issuer, wire)
        except JwksFetchRequired as wanted:  # no database connection is open during the fetch
            await services.published_keys.refresh_jwks(wanted, services.clock.now())
            return await _run_introspection(services, issuer, wire)
    except Refusal as refusal:
        log_oauth_refusal(refusal)
        return build_error_response(refusal, practice=services.names_causes)


async def _try_fast_path(request: Request, issuer: Issuer, form: Mapping[str, str]) -> Response | None:
    services = oauth_services(request)
    at = services.clock.now()
    try:
        async with autocommit_connection(services.sessions) as connection:
            found = await introspect_fast(connection, services.known_clients, issuer, request.headers, form, at)
    except Refusal:
        return None
    return None if found is None else _build_response(request, issuer, found, at)


async def _run_introspection(services: OAuthServices, issuer: Issuer, oauth_request: OAuthRequest) -> Response:
    async with autocommit_connection(services.sessions) as connection:
        asking = ReadContext(connection, issuer, services.clock.now())
        try:
            server = build_endpoint_server(asking)
            response = await run_authlib(server, lambda it: it.create_endpoint_response(INTROSPECTION, oauth_request))
        except JwksFetchRequired:
            raise
        except Refusal as refusal:
            await journal_oauth_refusal(
                connection, oauth_request, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at
            )
            return build_error_response(refusal, practice=services.names_causes)
        return _build_response(
            oauth_request,
            issuer,
            IntrospectionAnswer(oauth_request.client, json.loads(bytes(response.body))),
            asking.at,
        )


def _build_response(
    request: Request | OAuthRequest, issuer: Issuer, answer: IntrospectionAnswer, at: datetime
) -> Response:
    if accepts_jwt_response(request.headers.get("accept", "")):
        return build_jwt_response(issuer, answer.client, answer.claims, at=at)
    return JSONResponse(answer.claims, headers=NO_STORE)


async def introspect_token(_door: Public) -> None:
    """Introspect a token (RFC 7662)."""


router.add_api_route(
    _PATH, introspect_token, methods=["POST"], route_class_override=direct_route(_handle_introspection)
)
