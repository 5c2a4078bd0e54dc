"""Authorization requests for an authorization code, checked by Authlib.

PKCE with S256 is required, and the redirect URI is compared exactly.
"""

from __future__ import annotations

from authlib.oauth2.rfc6749 import AuthorizationCodeGrant

from machtiging.oauth.client import Client
from machtiging.oauth.errors import invalid_request_error
from machtiging.oauth.protocol.requests import OAuthRequest
from machtiging.oauth.protocol.server import OAuthServer, RequestContext
from machtiging.oauth.rules import is_s256_challenge


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """The authorization request of the code flow (RFC 6749 4.1.1). `token_endpoint` redeems its codes."""

    server: OAuthServer
    request: OAuthRequest

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuthRequest, client: Client) -> str:
        """Require a registered redirect URI, compared exactly.

        Raises OAuthRefusal `invalid_request`, never redirects.
        """
        offered: str | None = request.payload.redirect_uri
        if offered is None or not client.check_redirect_uri(offered):
            raise invalid_request_error("redirect_uri_onbekend")
        return offered

    def validate_authorization_request(self) -> str:
        """Run Authlib's checks (client, redirect URI, response type, scope), then check PKCE and nonce."""
        redirect_uri: str = super().validate_authorization_request()
        form = self.request.form
        if not is_s256_challenge(form.get("code_challenge"), form.get("code_challenge_method")):
            raise invalid_request_error("pkce_ontbreekt")
        if "openid" in (self.request.scope or "").split() and not form.get("nonce"):
            raise invalid_request_error("nonce_ontbreekt")
        return redirect_uri


def build_authorization_server(context: RequestContext) -> OAuthServer:
    """Build a server that checks authorization requests."""
    server = OAuthServer(context)
    server.register_grant(CodeGrant)
    return server
