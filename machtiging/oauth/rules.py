"""Pure protocol rules: `authorization_details` of type "berichtenbox" (RFC 9396), lifetimes, scopes and PKCE."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from machtiging.delegation.rules import GRANTABLE_ACTS, Act
from machtiging.kernel.ids import MachtigingId
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal

BERICHTENBOX_DETAIL_TYPE = "berichtenbox"
REQUEST_URI_LIFETIME = timedelta(seconds=60)
# After the browser presents the request_uri, the person needs time to log in and to read.
CONSENT_DECISION_TIMEOUT = timedelta(minutes=15)
# The first token and two exchanges. Each is one more service, and the consent page names them all.
MAX_EXCHANGE_CHAIN = 3
AUTHORIZATION_CODE_LIFETIME = timedelta(seconds=60)
ID_TOKEN_LIFETIME = timedelta(minutes=5)
# Scope to list and end the consents of one's own box. It needs the person's consent like any other.
CONSENT_MANAGEMENT_SCOPE = "toestemmingen:beheren"
# Grant Management: a client queries or revokes its own grants. No consent is needed, and no box is accessible with it.
GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE = "grant_management_query", "grant_management_revoke"
GRANT_MANAGEMENT_SCOPES = frozenset({GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE})
SCOPES_BY_GRANT_TYPE = {
    "authorization_code": ("openid", CONSENT_MANAGEMENT_SCOPE),
    "client_credentials": ("aanleveringen:schrijven",),
    # No openid scope in an exchange: the person did not log in there, and released her identity to the first app only.
    "urn:ietf:params:oauth:grant-type:token-exchange": (),
    "urn:openid:params:grant-type:ciba": ("openid",),
}
_MAX_DETAILS_LENGTH = 4096
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_ACT_ORDER = tuple(Act)


@dataclass(frozen=True, slots=True)
class RequestedAuthorizationDetails:
    """The requested machtiging and acts. None means the own box, and all acts that are allowed."""

    machtiging_id: MachtigingId | None
    acts: frozenset[Act] | None


def refuse_authorization_details(code: str) -> NoReturn:
    """Raise `invalid_authorization_details`, with one text for all causes. Only the journal gets the code."""
    raise OAuthRefusal(OAuthErrorCode.INVALID_AUTHORIZATION_DETAILS, code)


def parse_authorization_details(text: str | None) -> RequestedAuthorizationDetails | None:
    """Parse the parameter `authorization_details`; None when it was not sent.

    It must hold exactly one object of a known type, with no unknown members. Raises OAuthRefusal
    `invalid_authorization_details` (RFC 9396 section 5).
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
    return _parse_detail(value[0])


def _reject_duplicate_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _parse_detail(detail: dict[str, Any]) -> RequestedAuthorizationDetails:
    kind = detail.get("type")
    if not isinstance(kind, str) or kind not in AUTHORIZATION_DETAIL_TYPES:
        refuse_authorization_details("details_soort_onbekend")
    return AUTHORIZATION_DETAIL_TYPES[kind](detail)


def _parse_berichtenbox_detail(detail: dict[str, Any]) -> RequestedAuthorizationDetails:
    if detail.keys() - {"type", "machtiging", "actions"}:
        refuse_authorization_details("details_lid_onbekend")
    machtiging = _parse_machtiging_id(detail["machtiging"]) if "machtiging" in detail else None
    acts = _parse_acts(detail["actions"]) if "actions" in detail else None
    if machtiging is not None and contains_box_changes(acts or ()):
        refuse_authorization_details("handeling_alleen_eigen_box")
    return RequestedAuthorizationDetails(machtiging, acts)


# One validator per type (RFC 9396 section 2). Each refuses unknown members and returns the requested access.
AUTHORIZATION_DETAIL_TYPES: Mapping[str, Callable[[dict[str, Any]], RequestedAuthorizationDetails]] = {
    BERICHTENBOX_DETAIL_TYPE: _parse_berichtenbox_detail
}


def _parse_machtiging_id(value: object) -> MachtigingId:
    """Parse a machtiging id. Only the canonical form is accepted: one machtiging has one name."""
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:
        refuse_authorization_details("details_machtiging_vormfout")
    return MachtigingId(found)


def _parse_acts(value: object) -> frozenset[Act]:
    names = {act.value: act for act in Act}
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one in names for one in value):
        refuse_authorization_details("details_handeling_onbekend")
    if len(set(value)) != len(value):
        refuse_authorization_details("details_handeling_dubbel")
    return frozenset(names[one] for one in value)


def contains_box_changes(acts: Iterable[Act]) -> bool:
    """Tell if one of these acts changes the box (mark, delete).

    Such acts are only for the person's own app on her own box.
    """
    return not GRANTABLE_ACTS.issuperset(acts)


def refuse_box_changes(requested: RequestedAuthorizationDetails | None, code: str) -> None:
    """Refuse acts that change the box, for any other than her own app. Raises OAuthRefusal with this `code`."""
    if requested is not None and contains_box_changes(requested.acts or ()):
        refuse_authorization_details(code)


def strip_box_changes(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove the acts that change the box, for a token to another resource server.

    Raises OAuthRefusal `invalid_authorization_details` when no act is left.
    """
    if not contains_box_changes(extract_acts(details)):
        return details
    kept_acts = extract_acts(details) & GRANTABLE_ACTS
    if not kept_acts:
        refuse_authorization_details("handeling_alleen_eigen_app")
    return build_authorization_details(None, kept_acts)


def build_authorization_details(machtiging_id: UUID | None, acts: Collection[Act]) -> list[dict[str, Any]]:
    """Build `authorization_details` for clients, tokens and the grant's row."""
    detail: dict[str, Any] = {"type": BERICHTENBOX_DETAIL_TYPE}
    if machtiging_id is not None:
        detail["machtiging"] = str(machtiging_id)
    return [detail | {"actions": [act.value for act in sort_acts(acts)]}]


def sort_acts(acts: Iterable[Act]) -> list[Act]:
    """Sort the acts in the order of the glossary: list, read, download."""
    return sorted(acts, key=_ACT_ORDER.index)


def extract_acts(details: list[dict[str, Any]]) -> frozenset[Act]:
    """Collect the acts of granted `authorization_details`."""
    return frozenset(Act(name) for detail in details for name in detail.get("actions", ()))


def is_s256_challenge(challenge: str | None, method: str | None) -> bool:
    """Check that PKCE is used with S256 and a valid challenge (RFC 7636 4.2, RFC 9700 2.1.1).

    The method must be sent, because its default is `plain`.
    """
    return method == "S256" and challenge is not None and _S256_CHALLENGE.fullmatch(challenge) is not None
