"""The clients that an employee can help now, selected in SQL.

The conditions are those of `Authority.stop_reason`, without the MACs. They order and count; what is shown is decided
again by its Authority. Clients of one kind have the same terms, but for their days: the policy decides once for each
kind. A test compares both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    DATE,
    TIMESTAMP,
    ColumnElement,
    DateTime,
    Subquery,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from machtiging.delegation.authority.memberships import build_team_ids
from machtiging.delegation.authority.queries import AUTHORITY_COLUMNS, AUTHORITY_FROM
from machtiging.delegation.caseload.assigned_clients import ASSIGNED_FILTERS, select_assigned_ids
from machtiging.delegation.rules import Act, Channel, MachtigingState
from machtiging.delegation.tables import AssignmentRow, MachtigingRow
from machtiging.organisations.rules import EmployeeRole, EmployeeState, RecognitionStatus
from machtiging.storage.columns import is_selected_id, table_of

_LEAF, _ASSIGNMENT = table_of(MachtigingRow), table_of(AssignmentRow)
AT: ColumnElement[Any] = bindparam("at", type_=DateTime(timezone=True))
_SUFFIXES = ("", "1", "2")
_TIME_ZONE = "Europe/Amsterdam"
# What the decision on a list and its limits depend on, of each link. Days are those of one client.
_KIND_OF_MACHTIGING = ("capacity", "accepted_assurance")
_KIND_OF_AGREEMENT = (
    *("afzenders", "diensten", "themes", "excluded_themes", "highest_sensitivity", "acts", "assurance", "channel"),
    *("letters", "represented_born_on"),
)


def select_standing_clients(*filters: str) -> Subquery:
    """Build the subquery of the clients that a login can help now. `filters`: keys of `ASSIGNED_FILTERS`.

    Columns: `machtiging_id`, `owner_id`, `kind`, `since`, `ends_at` and `assigned_at`.
    """
    ids = select_assigned_ids(*(ASSIGNED_FILTERS[name] for name in filters))
    joined = AUTHORITY_FROM.outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == _LEAF.c.id)
    columns = (*AUTHORITY_COLUMNS, build_team_ids(), _ASSIGNMENT.c.assigned_at.label("w_assigned_at"))
    chain = select(*columns).select_from(joined).where(is_selected_id(_LEAF.c.id, ids)).subquery("chain").c
    kinds = [chain[f"m{suffix}_{name}"] for suffix in _SUFFIXES for name in _KIND_OF_MACHTIGING]
    kinds += [chain[f"a{suffix}_{name}"] for suffix in _SUFFIXES for name in _KIND_OF_AGREEMENT]
    first_day = func.greatest(*(chain[f"a{suffix}_letters_from"] for suffix in _SUFFIXES), type_=DATE())
    return (
        select(
            chain.m_id.label("machtiging_id"),
            chain.m_vertegenwoordigde_id.label("owner_id"),
            cast(func.row(chain.org_id, *kinds), Text).label("kind"),
            func.timezone(_TIME_ZONE, cast(first_day, TIMESTAMP()), type_=DateTime(timezone=True)).label("since"),
            _build_end(chain).label("ends_at"),
            func.coalesce(chain.w_assigned_at, chain.m_accepted_at, chain.m_offered_at).label("assigned_at"),
        )
        .where(*_standing_conditions(chain))
        .subquery("standing")
    )


def _of_root(chain: Any, name: str) -> ColumnElement[Any]:
    """Build a column of the root: the second link from the leaf, or the third."""
    return case((chain.m2_id.is_not(None), chain[name.format("2")]), else_=chain[name.format("1")])


def _ceiling_end(chain: Any) -> ColumnElement[Any]:
    """Build the end of the organisation's longest period; NULL for what a register gave."""
    # In hours: a day of the session's time zone may have 23.
    longest = func.make_interval(0, 0, 0, 0, chain.org_ceiling_days * 24)
    is_given = _of_root(chain, "a{}_channel") != Channel.REGISTER.value
    return case((is_given, _of_root(chain, "a{}_starts_at") + longest))


def _build_end(chain: Any) -> ColumnElement[Any]:
    """Build `Authority.ends_at`."""
    ends = (chain[f"a{suffix}_ends_at"] for suffix in _SUFFIXES)
    return func.least(*ends, chain.standin_ends_at, _ceiling_end(chain), type_=DateTime(timezone=True))


def _standing_conditions(chain: Any) -> Iterator[ColumnElement[bool]]:
    has_top, root_owner = chain.m2_id.is_not(None), _of_root(chain, "m{}_gemachtigde_id")
    for suffix in _SUFFIXES:
        stands = and_(*_link_conditions(chain, suffix))
        yield stands if suffix != "2" else or_(~has_top, stands)
    yield _of_root(chain, "m{}_parent_id").is_(None)
    yield root_owner == chain.org_id
    yield chain.rec_status == RecognitionStatus.RECOGNISED.value
    yield or_(_ceiling_end(chain).is_(None), _ceiling_end(chain) > AT)
    yield from _present_conditions(chain, "emp")
    yield and_(chain.emp_state == EmployeeState.ACTIVE.value, chain.emp_starts_at <= AT)
    yield literal(EmployeeRole.CARE_WORKER.value) == any_(chain.emp_roles)
    yield or_(~has_top, _third_link_condition(chain))


def _link_conditions(chain: Any, suffix: str) -> Iterator[ColumnElement[bool]]:
    link, agreed = f"m{suffix}_", f"a{suffix}_"
    yield chain[link + "state"] == MachtigingState.ACTIVE.value
    yield chain[link + "stopped_at"].is_(None)
    yield and_(chain[agreed + "starts_at"] <= AT, chain[agreed + "ends_at"] > AT)
    yield or_(chain[agreed + "needs_confirmation"].is_(False), chain[agreed + "confirmed_by"].is_not(None))
    yield or_(chain[agreed + "cooling_off_until"].is_(None), chain[agreed + "cooling_off_until"] <= AT)
    yield chain[link + "vertegenwoordigde_id"] == chain.m_vertegenwoordigde_id
    yield chain[link + "capacity"] == chain.m_capacity
    yield literal(Act.LIST.value) == any_(chain[agreed + "acts"])
    only, excluded = chain[agreed + "only_employee_id"], chain[agreed + "excluded_team_ids"]
    yield or_(only.is_(None), only == chain.emp_id)
    in_team = excluded.op("&&")(func.coalesce(chain.emp_team_ids, cast([], ARRAY(Uuid()))))
    by_link = [chain[f"m{one}_team_id"] for one in _SUFFIXES]
    named = [and_(one.is_not(None), one == any_(excluded)) for one in by_link]
    yield or_(func.cardinality(excluded) == 0, ~or_(in_team, *named))


def _present_conditions(chain: Any, prefix: str) -> Iterator[ColumnElement[bool]]:
    """Build the conditions of `chain_employee_refusal`."""
    yield chain[f"{prefix}_organisation_id"] == _of_root(chain, "m{}_gemachtigde_id")
    yield chain[f"{prefix}_person_id"].is_distinct_from(chain.m_vertegenwoordigde_id)
    yield chain[f"{prefix}_state"] != EmployeeState.DEPARTED.value
    yield or_(chain[f"{prefix}_ends_at"].is_(None), chain[f"{prefix}_ends_at"] > AT)


def _third_link_condition(chain: Any) -> ColumnElement[bool]:
    """Build the condition of a team member, or of a stand-in, now."""
    in_team = and_(chain.m1_team_id.is_not(None), chain.member_starts_at <= AT)
    stands_in = and_(
        chain.m1_team_id.is_(None),
        chain.standin_absent_employee_id == chain.m1_employee_id,
        chain.standin_replacement_id == chain.m_employee_id,
        chain.standin_ended_at.is_(None),
        chain.standin_starts_at <= AT,
        chain.standin_ends_at > AT,
        *_present_conditions(chain, "absent"),
    )
    return or_(in_team, stands_in)
