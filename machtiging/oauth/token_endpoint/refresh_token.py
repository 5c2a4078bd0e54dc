"""The grant type refresh_token (RFC 6749 section 6): refresh token rotation with reuse detection. Pure.

A refusal consumes no refresh token, unless its row is forged. Otherwise the client's retry, after an excessive request
or a paused machtiging, would look like theft.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.kernel.errors import ROW_INVALID
from machtiging.kernel.ids import GrantId
from machtiging.oauth.client import REFRESH_TOKEN
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error
from machtiging.oauth.protocol.grants import build_token_spec, invalid_grant_error
from machtiging.oauth.protocol.token_response import IssuanceRequest
from machtiging.oauth.refresh.binding import matches_binding, wrong_binding_error
from machtiging.oauth.refresh.reuse_detection import REFRESH_TOKEN_REUSED
from machtiging.oauth.refresh.rules import narrow_scope
from machtiging.oauth.token_endpoint.context import CREDENTIAL
from machtiging.oauth.token_endpoint.token_request import (
    ForgedRow,
    TokenRequest,
    check_loaded_grant,
    resolve_loaded_target,
)

_MAX_TOKEN_LENGTH = 128


class RefreshTokenReuse(OAuthRefusal):
    """A used refresh token was presented again. Its family must end."""

    def __init__(self, grant_id: GrantId) -> None:
        super().__init__(OAuthErrorCode.INVALID_GRANT, REFRESH_TOKEN_REUSED)
        self.grant_id = grant_id


def decide_refresh_token(request: TokenRequest) -> IssuanceRequest:
    """Decide on a refresh token. The order of the lines is the order of the checks.

    The ID token repeats the original login time, and has no nonce (OpenID Connect Core 12.2). Raises OAuthRefusal.
    """
    if not request.client.check_grant_type(REFRESH_TOKEN):
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_ververst_niet")
    token = _require_usable_token(request)
    if request.loaded.is_forged(CREDENTIAL):
        request.consume_credential()
        raise ForgedRow(OAuthErrorCode.INVALID_GRANT, ROW_INVALID, CREDENTIAL)
    request.credential_proven = True
    if request.at >= token.expires_at:
        raise invalid_grant_error("verversing_verlopen")
    active_grant = check_loaded_grant(request)
    target = resolve_loaded_target(request)
    scope = narrow_scope(active_grant.grant.scope, request.form.get("scope"))
    spec = replace(build_token_spec(request.issuer, request.oauth_request, active_grant, target), scope=scope)
    request.consume_credential()
    return IssuanceRequest(active_grant, spec, token.resource, include_id_token="openid" in scope.split())


def _require_usable_token(request: TokenRequest) -> Any:
    """Return the row of an unused token for these credentials.

    Unknown, or of another client: nothing changes. Used: reuse detection, also with another binding.
    """
    if "refresh_token" not in request.form:
        raise invalid_request_error("verversing_ontbreekt")
    row, binding = request.loaded.credential, request.oauth_request.binding
    if row is None or len(request.form["refresh_token"]) > _MAX_TOKEN_LENGTH:
        raise invalid_grant_error("verversing_onbekend")
    if row.used_at is not None:
        raise RefreshTokenReuse(GrantId(row.grant_id))
    stored = TokenBinding(row.jkt, row.x5t)
    if not matches_binding(request.client, stored, binding):
        raise wrong_binding_error(request.client, stored, binding)
    return row
