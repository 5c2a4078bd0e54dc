"""`authorization_details` of type "berichtenbox" (RFC 9396), and other rules of the protocol. Pure."""

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
# Once the browser has brought the request_uri, the person needs time to log in and to read.
DECISION_TAKES = timedelta(minutes=15)
# The first token and two exchanges: each link is one more service, and the consent page names them all.
LONGEST_CHAIN = 3
CODE_LIVES = timedelta(seconds=60)
ID_TOKEN_LIVES = timedelta(minutes=5)
# To see the apps that have access to one's own box, and to stop them: asked of the person like everything else.
CONSENTS = "toestemmingen:beheren"
# For a client about the grants that it was given. No person is asked for these, and no box opens with them.
GRANT_QUERY, GRANT_REVOKE = "grant_management_query", "grant_management_revoke"
MANAGEMENT = frozenset({GRANT_QUERY, GRANT_REVOKE})
SCOPES_OF = {
    "authorization_code": ("openid", CONSENTS),
    "client_credentials": ("aanleveringen:schrijven",),
    # Whoever exchanges was not logged in to: what the person lets her app know of her is not for the next service.
    "urn:ietf:params:oauth:grant-type:token-exchange": (),
    "urn:openid:params:grant-type:ciba": ("openid",),
}
_LONGEST = 4096
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_ORDER = tuple(Act)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the client asks: the own box (no machtiging) or somebody's, and which acts (None: all there are)."""

    machtiging_id: MachtigingId | None
    acts: frozenset[Act] | None


def cannot_grant(code: str) -> NoReturn:
    """The one refusal for everything about authorization_details; only the journal learns which it was."""
    raise OAuthRefusal(Wire.INVALID_AUTHORIZATION_DETAILS, code)


def wanted_from(text: str | None) -> Wanted | None:
    """What `authorization_details` asks; None when it was not sent.

    Exactly one object of our type with no members but `machtiging` and `actions`. Raises OAuthRefusal
    `invalid_authorization_details` for anything else (RFC 9396 section 5).
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


# One validator per type (RFC 9396 section 2): each names its members, refuses all others, and says what is wanted.
DETAIL_TYPES: Mapping[str, Callable[[dict[str, Any]], Wanted]] = {TYPE: _berichtenbox}


def _uuid(value: object) -> MachtigingId:
    """Only the canonical form: one machtiging has one name."""
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
    """Tell if one of these acts changes the box (mark, delete): for the person's own app on her own box only."""
    return not ACTS_TO_GIVE.issuperset(acts)


def for_own_app_only(wanted: Wanted | None, code: str) -> None:
    """Refuse acts that change the box to anybody but her own app. Raises OAuthRefusal with this reason `code`."""
    if wanted is not None and changes_box(wanted.acts or ()):
        cannot_grant(code)


def reading_details(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same details without the acts that change the box, for a token that goes to another service.

    Raises OAuthRefusal `invalid_authorization_details` when nothing is left.
    """
    if not changes_box(acts_in(details)):
        return details
    kept = acts_in(details) & ACTS_TO_GIVE
    if not kept:
        cannot_grant("handeling_alleen_eigen_app")
    return details_of(None, kept)


def details_of(machtiging_id: UUID | None, acts: Collection[Act]) -> list[dict[str, Any]]:
    """What was granted, as clients, tokens and the grant's row carry it."""
    detail: dict[str, Any] = {"type": TYPE}
    if machtiging_id is not None:
        detail["machtiging"] = str(machtiging_id)
    return [detail | {"actions": [act.value for act in in_order(acts)]}]


def in_order(acts: Iterable[Act]) -> list[Act]:
    """The acts in the order of the glossary: list, read, download."""
    return sorted(acts, key=_ORDER.index)


def acts_in(details: list[dict[str, Any]]) -> frozenset[Act]:
    """The acts in what was granted."""
    return frozenset(Act(name) for detail in details for name in detail.get("actions", ()))


def is_s256(challenge: str | None, method: str | None) -> bool:
    """Whether PKCE is there, and S256: the method said aloud, the challenge a hash (RFC 7636 4.2, RFC 9700 2.1.1)."""
    return method == "S256" and challenge is not None and _CHALLENGE.fullmatch(challenge) is not None
