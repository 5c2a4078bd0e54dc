"""POST /token: each grant type has one way (docs/decisions/0015)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.access_tokens.sender_constraint.dpop_nonce import DPOP_NONCE_HEADER, generate_dpop_nonce
from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.client_jwks.fetcher import retry_after_jwks_fetch
from machtiging.oauth.client_jwks.key_selection import JwksFetchRequired
from machtiging.oauth.dependencies import OAuthServices, build_issuer, oauth_services
from machtiging.oauth.protocol.error_response import build_error_response, journal_oauth_refusal, log_oauth_refusal
from machtiging.oauth.protocol.requests import OAuthRequest, read_form_request
from machtiging.oauth.protocol.server import OAuthServer, RequestContext, run_authlib
from machtiging.oauth.token_endpoint.ciba import BackchannelGrant
from machtiging.oauth.token_endpoint.decision import GRANT_TYPES
from machtiging.oauth.token_endpoint.evaluation import TOKEN_PATH, evaluate_token_request
from machtiging.oauth.token_endpoint.token_exchange import TokenExchangeGrant
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.direct_routes import direct_route
from machtiging.web.doors import Public
from machtiging.web.headers import add_header

router = APIRouter(include_in_schema=False)


async def _handle_token_request(request: Request) -> Response:
    services = oauth_services(request)
    add_header(request.scope, DPOP_NONCE_HEADER, generate_dpop_nonce(services.keyring, services.clock.now()))
    try:
        oauth_request = await read_form_request(request, build_issuer(services).endpoint_url(TOKEN_PATH))
        if oauth_request.form.get("grant_type") not in GRANT_TYPES:
            return await _run_in_transaction(services, oauth_request)
        try:
            return await evaluate_token_request(services, oauth_request)
        except JwksFetchRequired as wanted:  # no database connection is open during the fetch
            await services.published_keys.refresh_jwks(wanted, services.clock.now())
            return await evaluate_token_request(services, oauth_request)
    except Refusal as refusal:
        log_oauth_refusal(refusal)
        return build_error_response(refusal, practice=services.names_causes)


async def _run_in_transaction(services: OAuthServices, oauth_request: OAuthRequest) -> Response:
    """Handle a token exchange or a CIBA poll in one transaction: their only way.

    A refusal is answered inside it, so that its journal line and effects commit.
    """
    async with unit_of_work(services.sessions) as session:
        exchange = RequestContext(session, build_issuer(services), services.clock.now())

        async def run_token_request() -> Response:
            server = OAuthServer(exchange)
            server.register_grant(TokenExchangeGrant)
            server.register_grant(BackchannelGrant)
            response: Response = await run_authlib(server, lambda it: it.create_token_response(oauth_request))
            return response

        try:
            return await retry_after_jwks_fetch(services.published_keys, services.clock, session, run_token_request)
        except Refusal as refusal:
            await journal_oauth_refusal(
                session, oauth_request, JournalAct.TOKEN_GEWEIGERD, refusal, path=TOKEN_PATH, at=exchange.at
            )
            return build_error_response(refusal, practice=services.names_causes)


async def issue_token(_door: Public) -> None:
    """Issue tokens (RFC 6749 section 3.2)."""


router.add_api_route(
    TOKEN_PATH, issue_token, methods=["POST"], route_class_override=direct_route(_handle_token_request)
)
