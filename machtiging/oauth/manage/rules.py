"""Scopes and actions of grant management (FAPI Grant Management for OAuth 2.0). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from machtiging.oauth.errors import malformed

QUERY, REVOKE = "grant_management_query", "grant_management_revoke"
SCOPES = frozenset({QUERY, REVOKE})
ACTION = "grant_management_action"
CREATE = "create"
ACTIONS = (CREATE,)


def check_action(form: Mapping[str, str]) -> None:
    """`create` gives the client the id of the new grant. To change a grant that stands is not supported, aloud.

    Ignoring `merge` or `replace` would leave the old consent standing beside the new one. Raises OAuthRefusal.
    """
    if form.get(ACTION, CREATE) not in ACTIONS:
        raise malformed("grantactie_onbekend", f"The only {ACTION} is {CREATE}.")
    if "grant_id" in form:
        raise malformed("grant_id_bij_nieuwe", "A new grant gets an id of ours: leave out grant_id.")
