"""Token exchange grant (RFC 8693 section 2): from a token for one service to one for the next."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import token_issuance
from machtiging.oauth.authorization_details.parsing import narrow_authorization_details
from machtiging.oauth.client import PRIVATE_KEY_JWT, TOKEN_EXCHANGE, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, find_target, invalid_target_error
from machtiging.oauth.token_exchange.rules import (
    TokenExchangeRequest,
    narrow_exchange_scope,
    parse_token_exchange_request,
)
from machtiging.oauth.token_exchange.subject_token import SubjectToken, load_subject_token
from machtiging.oauth.token_issuance import TokenSpec


class TokenExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Token exchange grant for resource servers with a client assertion. The new token is never wider."""

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: OAuthServer
    request: OAuthRequest

    def validate_token_request(self) -> None:
        """Authenticate the client. Raises OAuthRefusal `invalid_client`, `unauthorized_client`."""
        client: Client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE) or not client.is_resource_server:
            raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_wisselt_niet_in")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Build the token response (RFC 8693 2.2.1). Raises OAuthRefusal."""
        return 200, await_sync(_exchange_token(self.server.context, self.request)), self.TOKEN_RESPONSE_HEADER


async def _exchange_token(context: RequestContext, request: OAuthRequest) -> dict[str, Any]:
    client, exchange_request = request.client, parse_token_exchange_request(request.form)
    subject = await load_subject_token(context, client, exchange_request.subject_token, request.binding)
    handler = context.issuer.details_handler
    order = TokenSpec(
        target=await _resolve_exchange_target(context, client, exchange_request, subject),
        authorization_details=handler.strip_own_app_acts(
            narrow_authorization_details(handler, subject.authorization_details, exchange_request.authorization_details)
        ),
        scope=narrow_exchange_scope(subject.facts.scope, client.scope, exchange_request.scope),
        parent_token=subject.facts,
        binding=request.binding,
    )
    session, issuer, at = context.session, context.issuer, context.at
    access_token = await token_issuance.issue_user_token(
        session, issuer, client, subject.active_grant, at=at, spec=order
    )
    return access_token | {"issued_token_type": exchange_request.issued_token_type}


async def _resolve_exchange_target(
    context: RequestContext, client: Client, requested: TokenExchangeRequest, subject: SubjectToken
) -> ResourceTarget:
    """Resolve the target of the new token: another resource, registered for this client.

    Raises OAuthRefusal `invalid_target`.
    """
    if requested.resource not in client.exchange_targets:
        raise invalid_target_error("resource_niet_voor_client")
    target = await find_target(context.session, context.issuer, requested.resource)
    if target.stored_uri == subject.facts.audience:
        raise invalid_target_error("resource_dezelfde")
    return target
