"""`authorization_details` in a token request (RFC 9396 section 6): no more than was consented to. Pure."""

from __future__ import annotations

from typing import Any

from machtiging.oauth.rules import acts_in, cannot_grant, details_of, wanted_from


def narrowed_details(granted: list[dict[str, Any]], asked: str | None) -> list[dict[str, Any]]:
    """What one token gets out of what was granted; without a question all of it.

    The same machtiging, and no act that was not granted. Raises OAuthRefusal `invalid_authorization_details`.
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
