"""POST /token: on the fast path where possible, else in a transaction (docs/decisions/0007)."""

from __future__ import annotations

from copy import copy

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.access_tokens.sender_constraint.dpop_nonce import DPOP_NONCE_HEADER, generate_dpop_nonce
from machtiging.audit.acts import JournalAct
from machtiging.kernel.errors import Refusal
from machtiging.oauth.ciba.grant import BackchannelGrant
from machtiging.oauth.client_jwks.fetcher import retry_after_jwks_fetch
from machtiging.oauth.client_jwks.key_selection import JwksFetchRequired
from machtiging.oauth.dependencies import OAuthServices, build_issuer, oauth_services
from machtiging.oauth.grant_management.client_credentials import ManagementGrant
from machtiging.oauth.protocol.error_response import build_error_response, journal_oauth_refusal, log_oauth_refusal
from machtiging.oauth.protocol.grants import build_token_server
from machtiging.oauth.protocol.refresh_grant import RefreshGrant
from machtiging.oauth.protocol.requests import OAuthRequest, read_form_request
from machtiging.oauth.protocol.server import ReadContext, RequestContext, run_authlib
from machtiging.oauth.protocol.token_binding import DpopReplay
from machtiging.oauth.token_endpoint.grants import SINGLE_STATEMENT_GRANT_TYPES, SingleStatementServer
from machtiging.oauth.token_exchange.grant import TokenExchangeGrant
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.direct_routes import direct_route
from machtiging.web.doors import Public
from machtiging.web.headers import add_header

router = APIRouter(include_in_schema=False)
_PATH = "/token"
_ADDITIONAL_GRANTS = (RefreshGrant, ManagementGrant, TokenExchangeGrant, BackchannelGrant)


async def _handle_token_request(request: Request) -> Response:
    services = oauth_services(request)
    add_header(request.scope, DPOP_NONCE_HEADER, generate_dpop_nonce(services.keyring, services.clock.now()))
    try:
        wire = await read_form_request(request, build_issuer(services).endpoint_url(_PATH))
    except Refusal as refusal:
        log_oauth_refusal(refusal)
        return build_error_response(refusal, practice=services.names_causes)
    answer = (
        await _try_single_statement(services, copy(wire))
        if wire.form.get("grant_type") in SINGLE_STATEMENT_GRANT_TYPES
        else None
    )
    return answer or await _run_in_transaction(services, wire)


async def _try_single_statement(services: OAuthServices, oauth_request: OAuthRequest) -> Response | None:
    """Try the fast path.

    None when the transactional path must decide; then nothing was written.

    A refusal is answered here only for a caller that is not authenticated, or for a replayed DPoP proof.
    """
    async with autocommit_connection(services.sessions) as connection:
        asking = ReadContext(connection, build_issuer(services), services.clock.now())
        try:
            response: Response = await run_authlib(
                SingleStatementServer(asking, oauth_request.form), lambda it: it.create_token_response(oauth_request)
            )
            return response
        except DpopReplay as refusal:
            # The assertion is consumed by now: on the transactional path it would be refused as a replay.
            await journal_oauth_refusal(
                connection, oauth_request, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=asking.at
            )
            return build_error_response(refusal, practice=services.names_causes)
        except Refusal as refusal:
            if oauth_request.client is not None or isinstance(refusal, JwksFetchRequired):
                return None
            log_oauth_refusal(refusal)  # an unauthenticated caller consumed nothing, and is not journalled
            return build_error_response(refusal, practice=services.names_causes)


async def _run_in_transaction(services: OAuthServices, oauth_request: OAuthRequest) -> Response:
    """Handle the request in a transaction.

    A refusal is answered inside it, so that its journal line and effects commit.
    """
    async with unit_of_work(services.sessions) as session:
        exchange = RequestContext(session, build_issuer(services), services.clock.now())

        async def run_token_request() -> Response:
            server = build_token_server(exchange, *_ADDITIONAL_GRANTS)
            response: Response = await run_authlib(server, lambda it: it.create_token_response(oauth_request))
            return response

        try:
            return await retry_after_jwks_fetch(services.published_keys, services.clock, session, run_token_request)
        except Refusal as refusal:
            await journal_oauth_refusal(
                session, oauth_request, JournalAct.TOKEN_GEWEIGERD, refusal, path=_PATH, at=exchange.at
            )
            return build_error_response(refusal, practice=services.names_causes)


async def issue_token(_door: Public) -> None:
    """Issue tokens (RFC 6749 section 3.2)."""


router.add_api_route(_PATH, issue_token, methods=["POST"], route_class_override=direct_route(_handle_token_request))
