"""Parameters and discovery members of FAPI Grant Management for OAuth 2.0. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal, invalid_request_error
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE, GRANT_MANAGEMENT_SCOPES

GRANT_MANAGEMENT_ACTION = "grant_management_action"
CREATE_ACTION = "create"


def validate_grant_management(form: Mapping[str, str], *, has_machtiging: bool) -> None:
    """Check the grant management parameters of an authorization request.

    `create` returns the id of the new grant. `merge` and `replace` are refused: to ignore them would leave the old
    consent beside the new one. The consents scope is for a person's own access, never under a machtiging. Raises
    OAuthRefusal.
    """
    if form.get(GRANT_MANAGEMENT_ACTION, CREATE_ACTION) != CREATE_ACTION:
        raise invalid_request_error(
            "grantactie_onbekend", grant_management_action=GRANT_MANAGEMENT_ACTION, create_action=CREATE_ACTION
        )
    if "grant_id" in form:
        raise invalid_request_error("grant_id_bij_nieuwe")
    scope = set(form.get("scope", "").split())
    if scope & GRANT_MANAGEMENT_SCOPES:
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "beheer_is_geen_toestemming")
    if CONSENT_MANAGEMENT_SCOPE in scope and has_machtiging:
        raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "toestemmingen_alleen_eigen")


def build_discovery_members(issuer: Issuer) -> dict[str, Any]:
    """Build the grant management members of the discovery documents."""
    return {
        "grant_management_endpoint": issuer.grant_management_audience,
        "grant_management_actions_supported": ["query", "revoke", CREATE_ACTION],
        "grant_management_action_required": False,
    }
