"""Authorization details of type `berichtenbox`: parse, build and narrow them (RFC 9396). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from machtiging.access_tokens.representation import SEVERAL_MEMBERS
from machtiging.delegation.authority.machtiging_set import ASSIGNED, MachtigingSet, read_machtiging_set
from machtiging.delegation.rules import GRANTABLE_ACTS, Act
from machtiging.kernel.ids import MachtigingId
from machtiging.oauth.authorization_details.handler import RequestedAuthorizationDetails, refuse_authorization_details
from machtiging.oauth.authorization_details.parsing import extract_representation_set, list_acts

BERICHTENBOX_DETAIL_TYPE = "berichtenbox"
_ACT_ORDER = tuple(Act)
# The members that say whose box it is: at most one of them. Without one it is the person's own box.
_WHOSE = frozenset(("machtiging", *SEVERAL_MEMBERS))
MAX_MACHTIGINGEN_NAMED = 50


def parse_berichtenbox_detail(detail: dict[str, Any]) -> RequestedAuthorizationDetails:
    """Parse one requested detail. Raises OAuthRefusal `invalid_authorization_details`."""
    if detail.keys() - {"type", "actions", *_WHOSE}:
        refuse_authorization_details("details_lid_onbekend")
    if len(detail.keys() & _WHOSE) > 1:
        refuse_authorization_details("details_meer_dan_een_keuze")
    machtiging = parse_machtiging_id(detail["machtiging"]) if "machtiging" in detail else None
    several = _parse_machtiging_set(detail)
    acts = _parse_acts(detail["actions"]) if "actions" in detail else None
    changes = contains_box_changes(acts or ())
    if changes and (machtiging is not None or several is not None):
        refuse_authorization_details("handeling_alleen_eigen_box")
    return RequestedAuthorizationDetails(machtiging, acts, changes, None if several is None else several.to_json())


def _parse_machtiging_set(detail: dict[str, Any]) -> MachtigingSet | None:
    """Parse several machtigingen: their ids, or all that the employee is assigned. None for one or none."""
    if "clienten" in detail:
        if {"clienten": detail["clienten"]} != ASSIGNED.to_json():
            refuse_authorization_details("details_clienten_onbekend")
        return ASSIGNED
    if "machtigingen" not in detail:
        return None
    values = detail["machtigingen"]
    if not isinstance(values, list) or not 0 < len(values) <= MAX_MACHTIGINGEN_NAMED:
        refuse_authorization_details("details_machtigingen_aantal")
    ids = frozenset(map(parse_machtiging_id, values))
    if len(ids) != len(values):
        refuse_authorization_details("details_machtiging_dubbel")
    return MachtigingSet(ids)


def parse_machtiging_id(value: object) -> MachtigingId:
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


def contains_box_changes(acts: Iterable[str]) -> bool:
    """Tell if one of these acts changes the box (mark, delete).

    Such acts are only for the person's own app on her own box.
    """
    return not GRANTABLE_ACTS.issuperset(acts)


def narrow_berichtenbox_details(
    granted: list[dict[str, Any]], requested: RequestedAuthorizationDetails
) -> list[dict[str, Any]]:
    """Narrow granted details to the requested ones: no other machtiging, and no other acts.

    A client that names no machtiging means the granted one. Raises OAuthRefusal `invalid_authorization_details`.
    """
    granted_machtiging, granted_acts = granted[0].get("machtiging"), frozenset(list_acts(granted))
    granted_set = extract_representation_set(granted)
    if requested.machtiging_id is not None and str(requested.machtiging_id) != granted_machtiging:
        refuse_authorization_details("details_andere_machtiging")
    if requested.representation_set is not None and requested.representation_set != granted_set:
        refuse_authorization_details("details_andere_machtiging")
    acts = requested.acts or granted_acts
    if not acts <= granted_acts:
        refuse_authorization_details("details_ruimer")
    machtiging_id = None if granted_machtiging is None else UUID(granted_machtiging)
    several = None if granted_set is None else read_machtiging_set(granted_set)
    return build_authorization_details(machtiging_id, acts, several)


def strip_box_changes(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove the acts that change the box, for a token to another resource server.

    Raises OAuthRefusal `invalid_authorization_details` when no act is left.
    """
    if not contains_box_changes(list_acts(details)):
        return details
    kept_acts = GRANTABLE_ACTS.intersection(list_acts(details))
    if not kept_acts:
        refuse_authorization_details("handeling_alleen_eigen_app")
    return build_authorization_details(None, kept_acts)


def build_authorization_details(
    machtiging_id: UUID | None, acts: Collection[str], several: MachtigingSet | None = None
) -> list[dict[str, Any]]:
    """Build `authorization_details` for the own box, one machtiging or several.

    For clients, tokens and the row of the grant.
    """
    detail: dict[str, Any] = {"type": BERICHTENBOX_DETAIL_TYPE}
    if machtiging_id is not None:
        detail["machtiging"] = str(machtiging_id)
    elif several is not None:
        detail |= several.to_json()
    return [detail | {"actions": [act.value for act in sort_acts(acts)]}]


def sort_acts(acts: Iterable[str]) -> list[Act]:
    """Sort the acts in the order of the glossary: list, read, download."""
    return sorted(map(Act, acts), key=_ACT_ORDER.index)
