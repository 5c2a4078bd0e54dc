"""The grant type authorization_code (RFC 6749 4.1.3): redeem an authorization code once. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.crypto import secrets
from machtiging.kernel.errors import ROW_INVALID, Message
from machtiging.kernel.ids import GrantId
from machtiging.oauth.client import AUTHORIZATION_CODE
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.protocol.grants import build_token_spec, invalid_grant_error
from machtiging.oauth.protocol.token_response import IssuanceRequest
from machtiging.oauth.rules import AUTHORIZATION_CODE_LIFETIME
from machtiging.oauth.token_endpoint.context import CREDENTIAL
from machtiging.oauth.token_endpoint.token_request import (
    ForgedRow,
    TokenRequest,
    check_loaded_grant,
    resolve_loaded_target,
)

CODE_REUSED = "code_hergebruikt"
_CODE_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class CodeReplay(OAuthRefusal):
    """A code was used again (replay). The grant that it gave must end."""

    def __init__(self, grant_id: GrantId) -> None:
        super().__init__(OAuthErrorCode.INVALID_GRANT, CODE_REUSED)
        self.grant_id = grant_id


def decide_authorization_code(request: TokenRequest) -> IssuanceRequest:
    """Decide on a code. The order of the lines is the order of the checks.

    Raises OAuthRefusal. From the line that consumes the code, a refusal consumes it too.
    """
    if not request.client.check_grant_type(AUTHORIZATION_CODE):
        raise OAuthRefusal(OAuthErrorCode.UNAUTHORIZED_CLIENT, "client_niet_bevoegd")
    code = _require_unused_code(request)
    request.consume_credential()
    request.credential_proven = True
    if request.loaded.is_forged(CREDENTIAL):
        raise ForgedRow(OAuthErrorCode.INVALID_GRANT, ROW_INVALID, CREDENTIAL)
    check_authorization_code(code, request.form, request.oauth_request.binding, request.at)
    active_grant = check_loaded_grant(request)
    target = resolve_loaded_target(request)
    spec = build_token_spec(request.issuer, request.oauth_request, active_grant, target)
    says_who = "openid" in active_grant.grant.scope.split() and code.nonce is not None
    return IssuanceRequest(active_grant, spec, code.resource, says_who, code.nonce)


def _require_unused_code(request: TokenRequest) -> Any:
    if "code" not in request.form:
        text = "Missing 'code' in request."
        description = Message("oauth.authlib", {"text": text})
        raise OAuthRefusal(OAuthErrorCode.INVALID_REQUEST, "verzoek_vormfout", description=description)
    row = request.loaded.credential
    if row is None:
        raise invalid_grant_error("code_onbekend")
    if row.used_at is not None:
        raise CodeReplay(GrantId(row.grant_id))
    return row


def check_authorization_code(row: Any, form: Mapping[str, str], binding: TokenBinding, at: datetime) -> None:
    """Check that this request may redeem the code in this row. Raises OAuthRefusal `invalid_grant`."""
    if at >= min(
        row.expires_at, row.created_at + AUTHORIZATION_CODE_LIFETIME
    ):  # the MAC covers created_at, not expires_at
        raise invalid_grant_error("code_verlopen")
    if form.get("redirect_uri") != row.redirect_uri:
        raise invalid_grant_error("redirect_uri_wijkt_af")
    if not _verify_code_verifier(form.get("code_verifier", ""), row.code_challenge):
        raise invalid_grant_error("pkce_klopt_niet")
    if row.jkt is not None and row.jkt != binding.jkt:
        raise invalid_grant_error("code_voor_andere_sleutel")  # RFC 9449 section 10


def _verify_code_verifier(verifier: str, challenge: str) -> bool:
    """Verify the PKCE code verifier (RFC 7636 4.6), S256 only."""
    if _CODE_VERIFIER.fullmatch(verifier) is None:
        return False
    computed_challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return secrets.constant_time_equals(computed_challenge, challenge.encode())
