"""Parse and narrow the parameter `authorization_details` (RFC 9396), whatever its type means. Pure."""

from __future__ import annotations

import json
from typing import Any

from machtiging.access_tokens.representation import read_representation_set
from machtiging.oauth.authorization_details.handler import (
    AuthorizationDetailsHandler,
    RequestedAuthorizationDetails,
    refuse_authorization_details,
)

_MAX_DETAILS_LENGTH = 4096


def parse_authorization_details(
    handler: AuthorizationDetailsHandler, text: str | None
) -> RequestedAuthorizationDetails | None:
    """Parse the parameter `authorization_details`; None when it was not sent.

    It must hold exactly one object of the type of the handler. Raises OAuthRefusal `invalid_authorization_details` (RFC
    9396 section 5).
    """
    if text is None:
        return None
    if len(text) > _MAX_DETAILS_LENGTH:
        refuse_authorization_details("details_te_lang")
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_reject_duplicate_members)
    except (ValueError, RecursionError):
        refuse_authorization_details("details_geen_json")
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        refuse_authorization_details("details_niet_precies_een")
    if value[0].get("type") != handler.detail_type:
        refuse_authorization_details("details_soort_onbekend")
    return handler.parse_detail(value[0])


def _reject_duplicate_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def narrow_authorization_details(
    handler: AuthorizationDetailsHandler, granted: list[dict[str, Any]], requested: str | None
) -> list[dict[str, Any]]:
    """Narrow the granted details to the requested ones; without a request return all.

    Raises OAuthRefusal `invalid_authorization_details`.
    """
    wanted = parse_authorization_details(handler, requested)
    if wanted is None:
        return granted
    if not granted:
        refuse_authorization_details("details_niet_toegestemd")
    return handler.narrow_details(granted, wanted)


def refuse_own_app_acts(requested: RequestedAuthorizationDetails | None, code: str) -> None:
    """Refuse acts that are only for the person's own app. Raises OAuthRefusal with this `code`."""
    if requested is not None and requested.own_app_only:
        refuse_authorization_details(code)


def refuse_several_representations(requested: RequestedAuthorizationDetails | None, code: str) -> None:
    """Refuse details that name several representations. Raises OAuthRefusal with this `code`."""
    if requested is not None and requested.representation_set is not None:
        refuse_authorization_details(code)


def extract_representation_set(details: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the members of granted details that name several representations.

    None for one, and for the own use.
    """
    found = (read_representation_set(detail) for detail in details)
    return next((one for one in found if one is not None), None)


def list_acts(details: list[dict[str, Any]]) -> list[str]:
    """List the acts of granted details, in their order there (the member `actions`, RFC 9396 section 2.2)."""
    return [name for detail in details for name in detail.get("actions", ())]
