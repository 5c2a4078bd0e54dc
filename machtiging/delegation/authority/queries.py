"""Load an Authority in one statement: every row that it hangs on, with its version.

`AUTHORITY_FROM` and `AUTHORITY_COLUMNS` let a larger statement join it; its leaf is the table `machtiging` itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Join,
    Label,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.authority.machtiging_set import MachtigingSet
from machtiging.delegation.authority.memberships import (
    authenticate_memberships,
    build_memberships,
    membership_from_mapping,
    read_team_ids,
    teams_decide,
    verify_memberships,
)
from machtiging.delegation.authority.rules import (
    Authority,
    build_authority,
)
from machtiging.delegation.authority.standings import (
    EmployeeStanding,
    OrganisationStanding,
    StandInStanding,
)
from machtiging.delegation.locks import lock_shared
from machtiging.delegation.queries import (
    is_current_agreement,
    join_agreement,
    label_machtiging_columns,
    machtiging_from_mapping,
)
from machtiging.delegation.rules import Capacity, MachtigingState
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING, AgreementRow, MachtigingRow
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import Ceiling, EmployeeRole, EmployeeState, RecognitionStatus
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    SEALED_STAND_IN,
    SEALED_TEAM_MEMBERSHIP,
    Employee,
    Organisation,
    Recognition,
    StandIn,
    TeamMembership,
)
from machtiging.storage.columns import is_selected_id, table_of
from machtiging.storage.row_mac import SealedTable, verify_row
from machtiging.storage.statement import Executor, ResultRow, Statement

_LEAF, _LEAF_AGREEMENT = table_of(MachtigingRow), table_of(AgreementRow)
_PARENT, _PARENT_AGREEMENT = _LEAF.alias("parent"), _LEAF_AGREEMENT.alias("parent_agreement")
_TOP, _TOP_AGREEMENT = _LEAF.alias("top"), _LEAF_AGREEMENT.alias("top_agreement")
_ORGANISATION, _RECOGNITION = table_of(Organisation), table_of(Recognition)
_EMPLOYEE, _ABSENT = table_of(Employee), table_of(Employee).alias("absent")
_MEMBERSHIP, _STAND_IN = table_of(TeamMembership), table_of(StandIn)
_HELD, _HIRED, _EMPLOYER = _LEAF.alias("held"), _EMPLOYEE.alias("hired"), _ORGANISATION.alias("employer")
# The links from the leaf up, by the suffix of their columns.
LINK_SUFFIXES = ("", "1", "2")


def label_columns(table: FromClause, prefix: str) -> list[Label[Any]]:
    """Label every column of a table as `<prefix>_<name>`."""
    return [each.label(f"{prefix}_{each.key}") for each in table.c]


def _join_authority() -> Join:
    # A director holds it as a person: the organisation that decides is the one that he represents.
    holder_organisation = case(
        (_LEAF.c.capacity == literal_column("'bestuurder'"), _LEAF.c.vertegenwoordigde_id),
        else_=func.coalesce(_TOP.c.gemachtigde_id, _PARENT.c.gemachtigde_id, _LEAF.c.gemachtigde_id),
    )
    current = (
        _RECOGNITION.c.organisation_id == _ORGANISATION.c.id,
        _RECOGNITION.c.number == _ORGANISATION.c.recognition_number,
    )
    member = (
        _MEMBERSHIP.c.team_id == _PARENT.c.team_id,
        _MEMBERSHIP.c.employee_id == _LEAF.c.employee_id,
        _MEMBERSHIP.c.ends_at.is_(None),
    )
    # PostgreSQL keeps the order of more than eight joins (`join_collapse_limit`): each of these is one index lookup
    # for the leaf. So a caller must bind the leaf by a value, not by a table that is joined last.
    return (
        join_agreement()
        .outerjoin(_PARENT, _PARENT.c.id == _LEAF.c.parent_id)
        .outerjoin(_PARENT_AGREEMENT, is_current_agreement(_PARENT, _PARENT_AGREEMENT))
        .outerjoin(_TOP, _TOP.c.id == _PARENT.c.parent_id)
        .outerjoin(_TOP_AGREEMENT, is_current_agreement(_TOP, _TOP_AGREEMENT))
        .outerjoin(_ORGANISATION, _ORGANISATION.c.id == holder_organisation)
        .outerjoin(_RECOGNITION, and_(*current))
        .outerjoin(_EMPLOYEE, _EMPLOYEE.c.id == _LEAF.c.employee_id)
        .outerjoin(_ABSENT, _ABSENT.c.id == _PARENT.c.employee_id)
        .outerjoin(_MEMBERSHIP, and_(*member))
        .outerjoin(_STAND_IN, _STAND_IN.c.id == _LEAF.c.stand_in_id)
    )


def _build_version() -> ColumnElement[Any]:
    """Build PostgreSQL's row versions of every row: each change of one of them changes it."""
    rows = (_LEAF, _PARENT, _TOP, _ORGANISATION, _RECOGNITION, _EMPLOYEE, _ABSENT, _MEMBERSHIP, _STAND_IN)
    # Literals and not bind parameters, because the values are constant.
    versions = [func.coalesce(cast(column("xmin", _selectable=row), Text), literal_column("''")) for row in rows]
    return func.concat_ws(literal_column("','"), *versions)


AUTHORITY_FROM: Join = _join_authority()
AUTHORITY_VERSION: ColumnElement[Any] = _build_version()
AUTHORITY_COLUMNS: tuple[Label[Any], ...] = (
    *label_machtiging_columns(_LEAF, _LEAF_AGREEMENT),
    *label_machtiging_columns(_PARENT, _PARENT_AGREEMENT, "1"),
    *label_machtiging_columns(_TOP, _TOP_AGREEMENT, "2"),
    *label_columns(_ORGANISATION, "org"),
    *label_columns(_RECOGNITION, "rec"),
    *label_columns(_EMPLOYEE, "emp"),
    *label_columns(_ABSENT, "absent"),
    *label_columns(_MEMBERSHIP, "member"),
    *label_columns(_STAND_IN, "standin"),
    build_memberships(),
    AUTHORITY_VERSION.label("m_version"),
)
_SELECT = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM)
_SEALED_PARTS: tuple[tuple[SealedTable, str, str], ...] = (
    *((SEALED_MACHTIGING, f"m{suffix}_", f"m{suffix}_id") for suffix in LINK_SUFFIXES),
    *((SEALED_AGREEMENT, f"a{suffix}_", f"m{suffix}_id") for suffix in LINK_SUFFIXES),
    (SEALED_ORGANISATION, "org_", "org_id"),
    (SEALED_RECOGNITION, "rec_", "rec_number"),
    (SEALED_EMPLOYEE, "emp_", "emp_id"),
    (SEALED_EMPLOYEE, "absent_", "absent_id"),
    (SEALED_TEAM_MEMBERSHIP, "member_", "member_id"),
    (SEALED_STAND_IN, "standin_", "standin_id"),
)


def select_authority(machtiging_id: Any, *, for_share: bool = False) -> Select[Any]:
    """Build the select of the authority with this id: a value, parameter or subquery.

    `for_share` locks the held machtiging FOR SHARE until the transaction ends. The advisory lock of `delegation.locks`
    is in the FROM, so that it is taken before the row lock: the other order could deadlock.
    """
    if not for_share:
        return _SELECT.where(_LEAF.c.id == machtiging_id)
    locked = AUTHORITY_FROM.join(lock_shared(machtiging_id), true())
    selected = select(*AUTHORITY_COLUMNS).select_from(locked).where(_LEAF.c.id == machtiging_id)
    return selected.with_for_update(read=True, of=_LEAF)


def select_authorities(ids: Select[Any]) -> Select[Any]:
    """Build the select of the authorities with these ids. `authority_from_row` reads a row of it."""
    return _SELECT.where(is_selected_id(_LEAF.c.id, ids))


_MACHTIGING_ID = bindparam("machtiging_id", type_=_LEAF.c.id.type)
_LOAD = Statement(select_authority(_MACHTIGING_ID))
_LOAD_FOR_SHARE = Statement(select_authority(_MACHTIGING_ID, for_share=True))


async def load_authority(
    executor: Executor, machtiging_id: MachtigingId, *, at: datetime | None = None
) -> Authority | None:
    """Load the authority over this machtiging; None if there is no such machtiging.

    `at` is the instant of the journal line about a row whose MAC fails; default now.
    """
    row = await _LOAD.one_or_none(executor, {"machtiging_id": machtiging_id})
    return None if row is None else await authority_from_row(executor, row, at=at)


async def load_authority_for_share(
    session: AsyncSession, machtiging_id: MachtigingId, *, at: datetime | None = None
) -> Authority | None:
    """Load as `load_authority`, and lock the held machtiging FOR SHARE until the transaction ends.

    For inserting a row under it: a concurrent revocation waits, and then ends that row too.
    """
    row = await _LOAD_FOR_SHARE.one_or_none(session, {"machtiging_id": machtiging_id})
    return None if row is None else await authority_from_row(session, row, at=at)


async def find_authority_of_holder(
    session: AsyncSession, machtiging_id: MachtigingId, person_id: PersonId, *, at: datetime | None = None
) -> Authority | None:
    """Find what this person holds: this machtiging, or the newest assignment under it. None if nothing."""
    mine = or_(
        and_(_LEAF.c.id == machtiging_id, _LEAF.c.gemachtigde_id == person_id),
        and_(_LEAF.c.parent_id == machtiging_id, _EMPLOYEE.c.person_id == person_id),
    )
    found = await load_authorities(session, mine, at=at, limit=1)
    return found[0] if found else None


async def list_authorities_of_person(session: AsyncSession, person_id: PersonId, *, at: datetime) -> list[Authority]:
    """List what this person gave and holds, newest first. Not the assignments under what was given."""
    by_employee = select(_HELD.c.id).join(_HIRED, _HIRED.c.id == _HELD.c.employee_id)
    hers = union(
        select(_HELD.c.id).where(_HELD.c.vertegenwoordigde_id == person_id, _HELD.c.parent_id.is_(None)),
        select(_HELD.c.id).where(_HELD.c.gemachtigde_id == person_id),
        by_employee.where(_HIRED.c.person_id == person_id),
    )
    return await load_authorities(session, is_selected_id(_LEAF.c.id, hers), at=at)


def _select_assigned_ids() -> Select[Any]:
    """Build the select of one page of the ids that an employee is assigned."""
    mine = (
        _HIRED.c.person_id == bindparam("person_id"),
        _EMPLOYER.c.kvk == bindparam("organisation_kvk"),
        _HELD.c.state != MachtigingState.ENDED.value,
        _HELD.c.id > bindparam("after_id", type_=_HELD.c.id.type),
    )
    joined = _HELD.join(_HIRED, _HIRED.c.id == _HELD.c.employee_id)
    joined = joined.join(_EMPLOYER, _EMPLOYER.c.id == _HIRED.c.organisation_id)
    limit = bindparam("page_size", type_=Integer())
    return select(_HELD.c.id).select_from(joined).where(*mine).order_by(_HELD.c.id).limit(limit)


_ASSIGNED_PAGE = Statement(_SELECT.where(is_selected_id(_LEAF.c.id, _select_assigned_ids())).order_by(_LEAF.c.id))
_NAMED_ONES = Statement(
    _SELECT.where(_LEAF.c.id == any_(bindparam("machtiging_ids", type_=ARRAY(Uuid())))).order_by(_LEAF.c.id)
)
_FIRST_ID = UUID(int=0)


async def load_authority_page(
    executor: Executor,
    machtigingen: MachtigingSet,
    person_id: PersonId,
    organisation_kvk: str | None,
    *,
    after: UUID | None = None,
    limit: int,
    at: datetime | None = None,
) -> list[Authority]:
    """Load those of this set that this login holds, in order of id (keyset).

    Some may not be in force. What ended is left out of the assigned ones. Named ones that another holds now are left
    out too.
    """
    after = after or _FIRST_ID
    if machtigingen.ids is None:
        login = {"person_id": person_id, "organisation_kvk": organisation_kvk}
        rows = await _ASSIGNED_PAGE.all(executor, login | {"after_id": after, "page_size": limit})
    else:
        ids = sorted(one for one in machtigingen.ids if one > after)
        rows = await _NAMED_ONES.all(executor, {"machtiging_ids": ids})
    found = [await authority_from_row(executor, row, at=at) for row in rows]
    return [one for one in found if machtigingen.covers(one, person_id, organisation_kvk)][:limit]


async def load_authorities(
    session: AsyncSession, condition: ColumnElement[bool], *, at: datetime | None = None, limit: int | None = None
) -> list[Authority]:
    """Load the authorities of the machtigingen that satisfy the condition, newest first."""
    ordered = _SELECT.where(condition).order_by(_LEAF.c.offered_at.desc(), _LEAF.c.id.desc()).limit(limit)
    rows = (await session.execute(ordered)).mappings().all()
    return [await authority_from_row(session, dict(row), at=at) for row in rows]


async def authenticate_parts(
    executor: Executor, row: ResultRow, parts: Sequence[tuple[SealedTable, str, str]], at: datetime | None
) -> bool:
    """Verify the MAC of every row that is there. Each failure is journalled."""
    present = [(sealed, prefix) for sealed, prefix, key in parts if row[key] is not None]
    authentic = [await authenticate_row(executor, sealed, row, prefix, at=at) for sealed, prefix in present]
    return all(authentic)


async def authority_from_row(executor: Executor, row: ResultRow, *, at: datetime | None = None) -> Authority:
    """Verify the MACs in a row with `AUTHORITY_COLUMNS`, and build the authority.

    A failure is journalled, and the authority is then in force for nobody.
    """
    is_authentic = await authenticate_parts(executor, row, _SEALED_PARTS, at)
    if teams_decide(row) and not await authenticate_memberships(executor, row, at):
        is_authentic = False
    return build_authority_from_row(row, is_authentic=is_authentic)


def verify_authority_row(executor: Executor, row: ResultRow) -> Authority:
    """Build as `authority_from_row`; a failure is logged as an error and not journalled."""
    present = [(sealed, prefix) for sealed, prefix, key in _SEALED_PARTS if row[key] is not None]
    authentic = all(verify_row(executor, sealed, row, prefix) for sealed, prefix in present)
    authentic = authentic and (not teams_decide(row) or verify_memberships(executor, row))
    return build_authority_from_row(row, is_authentic=authentic)


def build_unverified_authority(row: ResultRow) -> Authority:
    """Build as `authority_from_row` without a MAC, to decide on terms. It gives no access: that takes its own row."""
    return build_authority_from_row(row, is_authentic=True)


def build_authority_from_row(
    row: Mapping[Any, Any], *, is_authentic: bool, team_ids: frozenset[UUID] | None = None
) -> Authority:
    """Build the authority of a row with the labels of `AUTHORITY_COLUMNS`. The caller verified its MACs.

    `team_ids`: the teams of the employee; by default those in the row.
    """
    links = [machtiging_from_mapping(row, suffix) for suffix in LINK_SUFFIXES if row[f"m{suffix}_id"] is not None]
    represents_organisation = links[-1].capacity is Capacity.DIRECTOR
    organisation = organisation_from_mapping(row)
    return build_authority(
        tuple(reversed(links)),
        None if represents_organisation else organisation,
        employee_from_mapping(row, "emp", read_team_ids(row) if team_ids is None else team_ids),
        absent_employee=employee_from_mapping(row, "absent", frozenset()),
        membership=membership_from_mapping(row),
        stand_in=_stand_in_from_mapping(row),
        represented_organisation=organisation if represents_organisation else None,
        is_authentic=is_authentic,
        version=row["m_version"],
    )


def organisation_from_mapping(row: Mapping[Any, Any]) -> OrganisationStanding | None:
    """Build the organisation of a row; None if there is none."""
    if row["org_id"] is None:
        return None
    themes, afzenders = row["org_ceiling_themes"], row["org_ceiling_afzenders"]
    return OrganisationStanding(
        id=row["org_id"],
        kvk=row["org_kvk"],
        name=row["org_name"],
        recognition=None if row["rec_status"] is None else RecognitionStatus(row["rec_status"]),
        ceiling=Ceiling(
            themes=None if themes is None else frozenset(map(Theme, themes)),
            afzenders=None if afzenders is None else frozenset(afzenders),
            sensitivity=Sensitivity(row["org_ceiling_sensitivity"]),
            days=row["org_ceiling_days"],
            minimum_level=Assurance(row["org_minimum_level"]),
        ),
        epoch=row["org_epoch"],
    )


def employee_from_mapping(row: Mapping[Any, Any], prefix: str, team_ids: frozenset[UUID]) -> EmployeeStanding | None:
    """Build the employee of a row, under a prefix; None if there is none."""
    if row[f"{prefix}_id"] is None:
        return None
    return EmployeeStanding(
        id=row[f"{prefix}_id"],
        organisation_id=row[f"{prefix}_organisation_id"],
        person_id=row[f"{prefix}_person_id"],
        state=EmployeeState(row[f"{prefix}_state"]),
        roles=frozenset(map(EmployeeRole, row[f"{prefix}_roles"])),
        starts_at=row[f"{prefix}_starts_at"],
        ends_at=row[f"{prefix}_ends_at"],
        team_ids=team_ids,
    )


def _stand_in_from_mapping(row: Mapping[Any, Any]) -> StandInStanding | None:
    if row["standin_id"] is None:
        return None
    return StandInStanding(
        row["standin_absent_employee_id"],
        row["standin_replacement_id"],
        row["standin_starts_at"],
        row["standin_ends_at"],
        row["standin_ended_at"],
    )
