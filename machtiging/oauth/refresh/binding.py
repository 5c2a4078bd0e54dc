"""Sender constraint of refresh tokens (RFC 9449 section 5).

Public clients must use the same DPoP key. Confidential clients may change key or certificate, but may not drop the
binding (downgrade): otherwise a stolen client key would turn bound tokens into plain ones.
"""

from __future__ import annotations

from machtiging.access_tokens.sender_constraint.binding import BoundToken, TokenBinding
from machtiging.oauth.client import AUTH_METHOD_NONE, Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal


def matches_binding(client: Client, stored: TokenBinding, presented: TokenBinding) -> bool:
    """Check that these credentials may use a token with the stored binding."""
    if client.auth_method == AUTH_METHOD_NONE:
        return stored == presented
    return (stored.jkt is None or presented.jkt is not None) and (stored.x5t is None or presented.x5t is not None)


def wrong_binding_error(client: Client, stored: BoundToken, presented: TokenBinding) -> OAuthRefusal:
    """Build the refusal for a token with another binding."""
    if client.auth_method == AUTH_METHOD_NONE:
        return OAuthRefusal(OAuthErrorCode.INVALID_GRANT, "verversing_andere_sleutel")
    if stored.jkt is not None and presented.x5t is None:
        return OAuthRefusal(OAuthErrorCode.INVALID_DPOP_PROOF, "verversing_zonder_bewijs")
    return OAuthRefusal(OAuthErrorCode.INVALID_GRANT, "verversing_anders_gebonden")
