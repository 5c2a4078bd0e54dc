"""POST /introspect: called on every request to a resource server, so without a session (docs/decisions/0005).

For a client in the cache it takes one statement. A refusal of an authenticated client takes one more: its journal line.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.client_jwks.key_selection import JwksFetchRequired
from machtiging.oauth.dependencies import OAuthServices, build_issuer, oauth_services
from machtiging.oauth.introspection.evaluation import evaluate_introspection
from machtiging.oauth.introspection.jwt_response import accepts_jwt_response, build_jwt_response
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.error_response import build_error_response, journal_oauth_refusal, log_oauth_refusal
from machtiging.oauth.protocol.requests import OAuthRequest, read_form_request
from machtiging.oauth.protocol.server import NO_STORE, ReadContext
from machtiging.storage.autocommit import autocommit_connection
from machtiging.web.direct_routes import direct_route
from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
_PATH = "/introspect"


async def _handle_introspection(request: Request) -> Response:
    services = oauth_services(request)
    issuer = build_issuer(services)
    try:
        oauth_request = await read_form_request(request, issuer.endpoint_url(_PATH))
        try:
            return await _introspect(services, issuer, oauth_request)
        except JwksFetchRequired as wanted:  # no database connection is open during the fetch
            await services.published_keys.refresh_jwks(wanted, services.clock.now())
            return await _introspect(services, issuer, oauth_request)
    except Refusal as refusal:
        log_oauth_refusal(refusal)
        return build_error_response(refusal, practice=services.names_causes)


async def _introspect(services: OAuthServices, issuer: Issuer, oauth_request: OAuthRequest) -> Response:
    async with autocommit_connection(services.sessions) as connection:
        context = ReadContext(connection, issuer, services.clock.now())
        try:
            claims = await evaluate_introspection(context, services.known_clients, oauth_request)
        except JwksFetchRequired:
            raise
        except Refusal as refusal:
            await journal_oauth_refusal(
                connection, oauth_request, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=context.at
            )
            return build_error_response(refusal, practice=services.names_causes)
    if accepts_jwt_response(oauth_request.headers.get("accept", "")):
        return build_jwt_response(issuer, oauth_request.client, claims, at=context.at)
    return JSONResponse(claims, headers=NO_STORE)


async def introspect_token(_door: Public) -> None:
    """Introspect a token (RFC 7662)."""


router.add_api_route(
    _PATH, introspect_token, methods=["POST"], route_class_override=direct_route(_handle_introspection)
)
