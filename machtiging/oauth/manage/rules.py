"""Scopes and actions of grant management (FAPI Grant Management for OAuth 2.0), and what is told of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.oauth.errors import OAuthRefusal, Wire, malformed
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.rules import CONSENTS, MANAGEMENT

ACTION = "grant_management_action"
CREATE = "create"


def check_request(form: Mapping[str, str], *, machtiging_asked: bool) -> None:
    """`create` gives the client the id of the new grant. To change a grant that stands is not supported, aloud:
    ignoring `merge` or `replace` would leave the old consent standing beside the new one.

    And whoever wants to manage a person's consents asks it of herself, not of her helper. Raises OAuthRefusal.
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
    """What discovery says of it."""
    return {
        "grant_management_endpoint": issuer.grants,
        "grant_management_actions_supported": ["query", "revoke", CREATE],
        "grant_management_action_required": False,
    }
