"""Pure rule for `authorization_details` in a token request (RFC 9396 section 6): never more than was granted."""

from __future__ import annotations

from typing import Any

from machtiging.oauth.rules import acts_in, cannot_grant, details_of, wanted_from


def narrowed_details(granted: list[dict[str, Any]], asked: str | None) -> list[dict[str, Any]]:
    """Narrow the granted details to the requested ones; without a request return all.

    They must have the same machtiging and no other acts. Raises OAuthRefusal `invalid_authorization_details`.
    """
    wanted = wanted_from(asked)
    if wanted is None:
        return granted
    if not granted:
        cannot_grant("details_niet_toegestemd")
    held = granted[0].get("machtiging")
    if (None if wanted.machtiging_id is None else str(wanted.machtiging_id)) != held:
        cannot_grant("details_andere_machtiging")
    acts = wanted.acts or acts_in(granted)
    if not acts <= acts_in(granted):
        cannot_grant("details_ruimer")
    return details_of(wanted.machtiging_id, acts)
