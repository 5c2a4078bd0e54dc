"""Pure protocol rules: `authorization_details` of type "berichtenbox" (RFC 9396), lifetimes, scopes and PKCE."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from machtiging.delegation.rules import ACTS_TO_GIVE, Act
from machtiging.kernel.ids import MachtigingId
from machtiging.oauth.errors import OAuthRefusal, Wire

TYPE = "berichtenbox"
REQUEST_URI_LIVES = timedelta(seconds=60)
# After the browser presents the request_uri, the person needs time to log in and to read.
DECISION_TAKES = timedelta(minutes=15)
# The first token and two exchanges. Each is one more service, and the consent page names them all.
LONGEST_CHAIN = 3
CODE_LIVES = timedelta(seconds=60)
ID_TOKEN_LIVES = timedelta(minutes=5)
# Scope to list and end the consents of one's own box. It needs the person's consent like any other.
CONSENTS = "toestemmingen:beheren"
# Grant Management: a client queries or revokes its own grants. No consent is needed, and no box is accessible with it.
GRANT_QUERY, GRANT_REVOKE = "grant_management_query", "grant_management_revoke"
MANAGEMENT = frozenset({GRANT_QUERY, GRANT_REVOKE})
SCOPES_OF = {
    "authorization_code": ("openid", CONSENTS),
    "client_credentials": ("aanleveringen:schrijven",),
    # No openid scope in an exchange: the person did not log in there, and released her identity to the first app only.
    "urn:ietf:params:oauth:grant-type:token-exchange": (),
    "urn:openid:params:grant-type:ciba": ("openid",),
}
_LONGEST = 4096
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_ORDER = tuple(Act)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requested access: a machtiging (None: the own box) and acts (None: all that are allowed)."""

    machtiging_id: MachtigingId | None
    acts: frozenset[Act] | None


def cannot_grant(code: str) -> NoReturn:
    """Raise `invalid_authorization_details`, with one text for all causes. Only the journal gets the code."""
    raise OAuthRefusal(Wire.INVALID_AUTHORIZATION_DETAILS, code)


def wanted_from(text: str | None) -> Wanted | None:
    """Parse the parameter `authorization_details`; None when it was not sent.

    It must hold exactly one object of a known type, with no unknown members. Raises OAuthRefusal
    `invalid_authorization_details` (RFC 9396 section 5).
    """
    if text is None:
        return None
    if len(text) > _LONGEST:
        cannot_grant("details_te_lang")
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        cannot_grant("details_geen_json")
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        cannot_grant("details_niet_precies_een")
    return _one(value[0])


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _one(detail: dict[str, Any]) -> Wanted:
    kind = detail.get("type")
    if not isinstance(kind, str) or kind not in DETAIL_TYPES:
        cannot_grant("details_soort_onbekend")
    return DETAIL_TYPES[kind](detail)


def _berichtenbox(detail: dict[str, Any]) -> Wanted:
    if detail.keys() - {"type", "machtiging", "actions"}:
        cannot_grant("details_lid_onbekend")
    machtiging = _uuid(detail["machtiging"]) if "machtiging" in detail else None
    acts = _acts(detail["actions"]) if "actions" in detail else None
    if machtiging is not None and changes_box(acts or ()):
        cannot_grant("handeling_alleen_eigen_box")
    return Wanted(machtiging, acts)


# One validator per type (RFC 9396 section 2). Each refuses unknown members and returns the requested access.
DETAIL_TYPES: Mapping[str, Callable[[dict[str, Any]], Wanted]] = {TYPE: _berichtenbox}


def _uuid(value: object) -> MachtigingId:
    """Parse a machtiging id. Only the canonical form is accepted: one machtiging has one name."""
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:
        cannot_grant("details_machtiging_vormfout")
    return MachtigingId(found)


def _acts(value: object) -> frozenset[Act]:
    names = {act.value: act for act in Act}
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one in names for one in value):
        cannot_grant("details_handeling_onbekend")
    if len(set(value)) != len(value):
        cannot_grant("details_handeling_dubbel")
    return frozenset(names[one] for one in value)


def changes_box(acts: Iterable[Act]) -> bool:
    """Tell if one of these acts changes the box (mark, delete).

    Such acts are only for the person's own app on her own box.
    """
    return not ACTS_TO_GIVE.issuperset(acts)


def for_own_app_only(wanted: Wanted | None, code: str) -> None:
    """Refuse acts that change the box, for any other than her own app. Raises OAuthRefusal with this `code`."""
    if wanted is not None and changes_box(wanted.acts or ()):
        cannot_grant(code)


def reading_details(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove the acts that change the box, for a token to another resource server.

    Raises OAuthRefusal `invalid_authorization_details` when no act is left.
    """
    if not changes_box(acts_in(details)):
        return details
    kept = acts_in(details) & ACTS_TO_GIVE
    if not kept:
        cannot_grant("handeling_alleen_eigen_app")
    return details_of(None, kept)


def details_of(machtiging_id: UUID | None, acts: Collection[Act]) -> list[dict[str, Any]]:
    """Build `authorization_details` for clients, tokens and the grant's row."""
    detail: dict[str, Any] = {"type": TYPE}
    if machtiging_id is not None:
        detail["machtiging"] = str(machtiging_id)
    return [detail | {"actions": [act.value for act in in_order(acts)]}]


def in_order(acts: Iterable[Act]) -> list[Act]:
    """Sort the acts in the order of the glossary: list, read, download."""
    return sorted(acts, key=_ORDER.index)


def acts_in(details: list[dict[str, Any]]) -> frozenset[Act]:
    """Collect the acts of granted `authorization_details`."""
    return frozenset(Act(name) for detail in details for name in detail.get("actions", ()))


def is_s256(challenge: str | None, method: str | None) -> bool:
    """Check that PKCE is used with S256 and a valid challenge (RFC 7636 4.2, RFC 9700 2.1.1).

    The method must be sent, because its default is `plain`.
    """
    return method == "S256" and challenge is not None and _CHALLENGE.fullmatch(challenge) is not None
