"""Parameters and discovery members of FAPI Grant Management for OAuth 2.0. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.rules import CONSENTS, MANAGEMENT

ACTION = "grant_management_action"
CREATE = "create"


def check_request(form: Mapping[str, str], *, machtiging_asked: bool) -> None:
    """Check the grant management parameters of an authorization request.

    `create` returns the id of the new grant. `merge` and `replace` are refused: to ignore them would leave the old
    consent beside the new one. The consents scope is for a person's own access, never under a machtiging. Raises
    OAuthRefusal.
    """
    if form.get(ACTION, CREATE) != CREATE:
        raise malformed("grantactie_onbekend", f"The only {ACTION} is {CREATE}.")
    if "grant_id" in form:
        raise malformed("grant_id_bij_nieuwe", "A new grant gets an id of ours: leave out grant_id.")
    scope = set(form.get("scope", "").split())
    if scope & MANAGEMENT:
        raise OAuthRefusal(Wire.INVALID_SCOPE, "beheer_is_geen_toestemming")
    if CONSENTS in scope and machtiging_asked:
        raise OAuthRefusal(Wire.INVALID_SCOPE, "toestemmingen_alleen_eigen")


def members(issuer: Issuer) -> dict[str, Any]:
    """Build the grant management members of the discovery documents."""
    return {
        "grant_management_endpoint": issuer.grants,
        "grant_management_actions_supported": ["query", "revoke", CREATE],
        "grant_management_action_required": False,
    }
