"""Client credentials for grant management: a token for a client's own grants, without a person.

This is the only use of client credentials by a client of the code flow, and only with the management scopes that it
registered. Its one grant type stays the code (docs/divergences.md).
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from machtiging.oauth import issue
from machtiging.oauth.client import CLIENT_CREDENTIALS, CODE, PRIVATE_KEY_JWT, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.handout import for_client
from machtiging.oauth.protocol.server import Server
from machtiging.oauth.rules import MANAGEMENT


class ManagementGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """The client credentials grant with management scopes only."""

    GRANT_TYPE = CLIENT_CREDENTIALS
    TOKEN_ENDPOINT_AUTH_METHODS = (PRIVATE_KEY_JWT,)
    server: Server
    request: WireRequest

    @classmethod
    def check_token_endpoint(cls, request: WireRequest) -> bool:
        """Return whether all scopes are management scopes. Other client credentials are for agencies."""
        scope = set(request.form.get("scope", "").split())
        return bool(scope) and scope <= MANAGEMENT and request.form.get("grant_type") == cls.GRANT_TYPE

    def validate_token_request(self) -> None:
        """Authenticate the client and check grant type, scope and resource.

        Raises OAuthRefusal `invalid_client`, `unauthorized_client`, `invalid_scope`, `invalid_target`.
        """
        client: Client = self.authenticate_token_endpoint_client()
        if client.grant_type != CODE:
            raise OAuthRefusal(Wire.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
        if not set(self.request.form["scope"].split()) <= client.scope:
            raise OAuthRefusal(Wire.INVALID_SCOPE, "scope_ongeldig")
        place = self.server.exchange.issuer.grants
        if self.request.form.get("resource", place) != place:
            raise OAuthRefusal(Wire.INVALID_TARGET, "resource_niet_toegestemd")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Issue the management token and return the token response."""
        exchange, request = self.server.exchange, self.request
        scope, bound = request.form["scope"], request.binding
        made = issue.for_client(exchange.issuer, request.client, scope, at=exchange.at, binding=bound)
        wait(self.server.write_down(for_client(made)))
        return 200, made.response, self.TOKEN_RESPONSE_HEADER
