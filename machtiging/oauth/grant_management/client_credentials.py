"""Client credentials for grant management: a token for a client's own grants, without a person.

This is the only use of client credentials by a client of the code flow, and only with the management scopes that it
registered. Its one grant type stays the code (docs/divergences.md).
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import token_issuance
from machtiging.oauth.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol.requests import OAuthRequest, await_sync
from machtiging.oauth.protocol.server import OAuthServer
from machtiging.oauth.protocol.token_response import build_client_token_response
from machtiging.oauth.rules import GRANT_MANAGEMENT_SCOPES


class ManagementGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """The client credentials grant with management scopes only."""

    GRANT_TYPE = CLIENT_CREDENTIALS
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: OAuthServer
    request: OAuthRequest

    @classmethod
    def check_token_endpoint(cls, request: OAuthRequest) -> bool:
        """Return whether all scopes are management scopes. Other client credentials are for agencies."""
        scope = set(request.form.get("scope", "").split())
        return bool(scope) and scope <= GRANT_MANAGEMENT_SCOPES and request.form.get("grant_type") == cls.GRANT_TYPE

    def validate_token_request(self) -> None:
        """Authenticate the client and check grant type, scope and resource.

        Raises OAuthRefusal `invalid_client`, `unauthorized_client`, `invalid_scope`, `invalid_target`.
        """
        client: Client = self.authenticate_token_endpoint_client()
        if client.grant_type != AUTHORIZATION_CODE:
            raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
        if not set(self.request.form["scope"].split()) <= client.scope:
            raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "scope_ongeldig")
        place = self.server.context.issuer.grant_management_audience
        if self.request.form.get("resource", place) != place:
            raise OAuthRefusal(OAuthErrorCode.INVALID_TARGET, "resource_niet_toegestemd")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue the management token and return the token response."""
        exchange, request = self.server.context, self.request
        scope, bound = request.form["scope"], request.binding
        access_token = token_issuance.build_client_token(
            exchange.issuer, request.client, scope, at=exchange.at, binding=bound
        )
        await_sync(self.server.persist_issued_tokens(build_client_token_response(access_token)))
        return 200, access_token.response, self.TOKEN_RESPONSE_HEADER
