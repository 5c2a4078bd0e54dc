"""Narrow the authorization details of a token request to the granted ones (RFC 9396 section 6). Pure."""

from __future__ import annotations

from typing import Any

from machtiging.oauth.rules import (
    build_authorization_details,
    extract_acts,
    parse_authorization_details,
    refuse_authorization_details,
)


def narrow_authorization_details(granted: list[dict[str, Any]], requested: str | None) -> list[dict[str, Any]]:
    """Narrow the granted details to the requested ones; without a request return all.

    They must have the same machtiging and no other acts. Raises OAuthRefusal `invalid_authorization_details`.
    """
    wanted = parse_authorization_details(requested)
    if wanted is None:
        return granted
    if not granted:
        refuse_authorization_details("details_niet_toegestemd")
    granted_machtiging = granted[0].get("machtiging")
    if (None if wanted.machtiging_id is None else str(wanted.machtiging_id)) != granted_machtiging:
        refuse_authorization_details("details_andere_machtiging")
    acts = wanted.acts or extract_acts(granted)
    if not acts <= extract_acts(granted):
        refuse_authorization_details("details_ruimer")
    return build_authorization_details(wanted.machtiging_id, acts)
