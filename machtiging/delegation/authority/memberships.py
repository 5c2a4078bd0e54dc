"""The teams of an employee, with the MAC of every row that decides on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Label, Text, cast, func, literal_column, select

from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.authority.standings import MembershipStanding
from machtiging.organisations.tables import SEALED_TEAM_MEMBERSHIP, Employee, TeamMembership
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import verify_row
from machtiging.storage.statement import Executor

_EMPLOYEE = table_of(Employee)
_OTHER_MEMBERSHIP = table_of(TeamMembership).alias("other_membership")
_EXCLUDED = ("a_excluded_team_ids", "a1_excluded_team_ids", "a2_excluded_team_ids")


def build_team_ids() -> Label[Any]:
    """Build the column with the teams of the employee in the statement. Without the MACs, for conditions in SQL."""
    mine = (_OTHER_MEMBERSHIP.c.employee_id == _EMPLOYEE.c.id, _OTHER_MEMBERSHIP.c.ends_at.is_(None))
    teams = select(func.array_agg(_OTHER_MEMBERSHIP.c.team_id)).where(*mine).correlate(_EMPLOYEE)
    return teams.scalar_subquery().label("emp_team_ids")


def build_memberships() -> Label[Any]:
    """Build the column with every membership of the employee, as JSON. Ended ones too: a forged end shows."""
    row = _OTHER_MEMBERSHIP.c
    values = (row.id, row.organisation_id, row.team_id, row.employee_id, row.starts_at, row.ends_at)
    each = func.json_build_array(*values, func.encode(row.mac, literal_column("'hex'")))
    mine = select(cast(func.json_agg(each), Text)).where(row.employee_id == _EMPLOYEE.c.id).correlate(_EMPLOYEE)
    return mine.scalar_subquery().label("emp_memberships")


def read_memberships(row: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Read the rows of `build_memberships`. Their MACs are verified by `authenticate_memberships`."""
    if row["emp_memberships"] is None:
        return []
    return [_read_membership(*values) for values in json.loads(row["emp_memberships"])]


def _read_membership(
    row_id: str, organisation_id: str, team_id: str, employee_id: str, starts_at: str, ends_at: str | None, mac: str
) -> dict[str, Any]:
    return {
        "id": UUID(row_id),
        "organisation_id": UUID(organisation_id),
        "team_id": UUID(team_id),
        "employee_id": UUID(employee_id),
        "starts_at": datetime.fromisoformat(starts_at),
        "ends_at": None if ends_at is None else datetime.fromisoformat(ends_at),
        "mac": bytes.fromhex(mac),
    }


def read_team_ids(row: Mapping[Any, Any]) -> frozenset[UUID]:
    """Read the teams that the employee is in now."""
    return frozenset(one["team_id"] for one in read_memberships(row) if one["ends_at"] is None)


def teams_decide(row: Mapping[Any, Any]) -> bool:
    """Return True if the giver refused a team on a link of this chain."""
    return any(row[name] for name in _EXCLUDED)


async def authenticate_memberships(executor: Executor, row: Mapping[Any, Any], at: datetime | None) -> bool:
    """Verify the MAC of every membership. Each failure is journalled."""
    rows = read_memberships(row)
    return all([await authenticate_row(executor, SEALED_TEAM_MEMBERSHIP, one, at=at) for one in rows])


def verify_memberships(executor: Executor, row: Mapping[Any, Any]) -> bool:
    """Verify as `authenticate_memberships`; a failure is logged and not journalled."""
    return all(verify_row(executor, SEALED_TEAM_MEMBERSHIP, one) for one in read_memberships(row))


def membership_from_mapping(row: Mapping[Any, Any]) -> MembershipStanding | None:
    """Build the membership of the team above the held link; None if there is none."""
    if row["member_id"] is None:
        return None
    return MembershipStanding(
        row["member_team_id"], row["member_employee_id"], row["member_starts_at"], row["member_ends_at"]
    )
