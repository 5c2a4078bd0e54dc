"""The clients of an organisation, first those without a reader, in one statement. Names and no letters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Boolean, Uuid

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import AUTHORITY_COLUMNS, AUTHORITY_FROM, authority_from_row
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import AgreementRow, HandoverItem, MachtigingRow
from machtiging.delegation.waiting_clients.rules import ItemState
from machtiging.identity.people import Profile, profile_from_row, select_profile
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import EmployeeRole, EmployeeState
from machtiging.organisations.tables import Employee, StandIn, TeamMembership
from machtiging.storage.columns import is_selected_id, table_of

MAX_CLIENTS_PER_PAGE = 50
_ROWS_AT_A_TIME = 100
_LEAF, _AGREEMENT = table_of(MachtigingRow), table_of(AgreementRow)
_ROOT, _ROOT_AGREEMENT = _LEAF.alias("client_root"), _AGREEMENT.alias("client_agreement")
_LINK, _LINK_AGREEMENT = _LEAF.alias("client_link"), _AGREEMENT.alias("client_link_agreement")
_BELOW, _BELOW_AGREEMENT = _LEAF.alias("client_below"), _AGREEMENT.alias("client_below_agreement")
_EMPLOYEE, _STAND_IN, _MEMBERSHIP = table_of(Employee), table_of(StandIn), table_of(TeamMembership)
_ABSENT, _OWN_TEAM = _EMPLOYEE.alias("absent_reader"), _MEMBERSHIP.alias("own_team")
_ITEM = table_of(HandoverItem)
_AT: ColumnElement[Any] = bindparam("at", type_=_AGREEMENT.c.starts_at.type)
_ORGANISATION: ColumnElement[Any] = bindparam("organisation_id", type_=_LEAF.c.id.type)
_OPEN_STATES = (MachtigingState.ACTIVE.value, MachtigingState.PAUSED.value)


class ClientCursor(NamedTuple):
    """The last client of the page before."""

    has_reader: bool
    id: UUID


@dataclass(frozen=True, slots=True)
class OrganisationClient:
    """A client of an organisation: the machtiging, the name, and the readers now.

    `profile` is None for a client who never logged in, and for a row whose MAC fails.
    """

    authority: Authority
    profile: Profile | None
    reader_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ClientPage:
    """A page of clients, and how many the organisation has with and without a reader."""

    clients: list[OrganisationClient]
    without_reader: int
    total: int


async def list_organisation_clients(
    session: AsyncSession,
    keyring: KeyRing,
    organisation_id: UUID,
    *,
    at: datetime,
    after: ClientCursor | None = None,
    limit: int = MAX_CLIENTS_PER_PAGE + 1,
) -> ClientPage:
    """List the clients of this organisation, those without a reader first (keyset). Not what is over."""
    clients = _select_presence().cte("clients")
    page = select(clients)
    if after is not None:
        last = tuple_(literal(after.has_reader, Boolean()), literal(after.id, Uuid()))
        page = page.where(tuple_(clients.c.has_reader, clients.c.id) > last)
    page_ids = page.order_by(clients.c.has_reader, clients.c.id).limit(limit).cte("page_ids")
    # The readers themselves only of the page: ten thousand lists of readers cost more than the rest.
    readers = _select_clients().where(is_selected_id(_ROOT.c.id, select(page_ids.c.id))).subquery("readers_of_page")
    joined = page_ids.join(readers, readers.c.id == page_ids.c.id)
    paged = select(page_ids, readers.c.reader_ids).select_from(joined).cte("client_page")
    counts = select(
        func.count().filter(~clients.c.has_reader).label("without_reader"),
        func.count().label("total"),
    ).subquery("counts")
    authorities = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM)
    authorities = authorities.where(is_selected_id(_LEAF.c.id, select(paged.c.id)))
    found = await _load_rows(session, authorities, paged, counts, organisation_id, at)
    shown = []
    for number, row in enumerate(found):
        if row["m_id"] is not None:
            shown.append(await _build_client(session, keyring, row, at))
        if number % _ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)  # other requests go on
    first = found[0] if found else {"without_reader": 0, "total": 0}
    return ClientPage(shown, first["without_reader"], first["total"])


async def load_organisation_clients(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, ids: Collection[UUID], *, at: datetime
) -> dict[UUID, OrganisationClient]:
    """Load these clients of the organisation, at most one page. Those of others are left out."""
    if not ids:
        return {}
    clients = _select_clients().cte("clients")
    named = sorted(ids)[:MAX_CLIENTS_PER_PAGE]
    page = select(clients.c.id, clients.c.reader_ids, true().label("has_reader"))
    paged = page.where(clients.c.id == any_(literal(named, ARRAY(Uuid())))).cte("client_page")
    authorities = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM)
    authorities = authorities.where(is_selected_id(_LEAF.c.id, select(paged.c.id)))
    counts = select(literal(0).label("without_reader"), literal(0).label("total")).subquery("counts")
    found = await _load_rows(session, authorities, paged, counts, organisation_id, at)
    clients_found = [await _build_client(session, keyring, row, at) for row in found if row["m_id"] is not None]
    return {one.authority.machtiging_id: one for one in clients_found}


async def list_ids_without_reader(
    session: AsyncSession, organisation_id: UUID, *, at: datetime, limit: int
) -> list[MachtigingId]:
    """List the machtigingen of this organisation without a reader now, also those in a hand-over. Oldest first."""
    clients = _select_clients().cte("clients")
    unread = select(clients.c.id).where(func.cardinality(clients.c.reader_ids) == 0).order_by(clients.c.id)
    found = await session.scalars(unread.limit(limit), {"organisation_id": organisation_id, "at": at})
    return [MachtigingId(one) for one in found]


async def list_clients_without_reader(
    session: AsyncSession, organisation_id: UUID, ids: Collection[UUID], *, at: datetime
) -> dict[UUID, PersonId]:
    """List those of these machtigingen without a reader now, with the client. Not what waits in a hand-over."""
    clients = _select_clients().cte("clients")
    waits = _ITEM.c.machtiging_id.is_not(None)
    waiting = (_ITEM.c.machtiging_id == clients.c.id) & (_ITEM.c.state == ItemState.WAITING.value)
    joined = clients.join(_LEAF, _LEAF.c.id == clients.c.id).outerjoin(_ITEM, waiting)
    query = select(clients.c.id, _LEAF.c.vertegenwoordigde_id).select_from(joined)
    named = clients.c.id == any_(literal(sorted(ids), ARRAY(Uuid())))
    unread = query.where(named, func.cardinality(clients.c.reader_ids) == 0, ~waits)
    rows = await session.execute(unread, {"organisation_id": organisation_id, "at": at})
    return {row.id: PersonId(row.vertegenwoordigde_id) for row in rows}


async def has_reader(session: AsyncSession, organisation_id: UUID, machtiging_id: UUID, *, at: datetime) -> bool:
    """Return True if an employee of the organisation reads under this machtiging now."""
    clients = _select_clients().cte("clients")
    mine = (clients.c.id == machtiging_id, func.cardinality(clients.c.reader_ids) > 0)
    found = await session.execute(select(clients.c.id).where(*mine), {"organisation_id": organisation_id, "at": at})
    return found.one_or_none() is not None


class EmployeeClients(NamedTuple):
    """The number of clients of an employee, and of those without another reader."""

    assigned: int
    only_reader: int


async def count_clients_of_employees(
    session: AsyncSession, organisation_id: UUID, *, at: datetime
) -> dict[UUID, EmployeeClients]:
    """Count the clients that each employee reads now, in one statement."""
    clients = _select_clients().cte("clients")
    readers = select(func.unnest(clients.c.reader_ids).label("reader_id"), clients.c.reader_ids).subquery("readers")
    alone = func.count().filter(func.cardinality(readers.c.reader_ids) == 1)
    query = select(readers.c.reader_id, func.count().label("assigned"), alone.label("only_reader"))
    rows = await session.execute(query.group_by(readers.c.reader_id), {"organisation_id": organisation_id, "at": at})
    return {row.reader_id: EmployeeClients(row.assigned, row.only_reader) for row in rows}


async def _load_rows(
    session: AsyncSession, authorities: Select[Any], paged: Any, counts: Any, organisation_id: UUID, at: datetime
) -> list[dict[str, Any]]:
    """Load the counts, with the clients of the page, their authority and their profile."""
    loaded = authorities.subquery("loaded")
    giver = select_profile(loaded.c.m_vertegenwoordigde_id).lateral("giver")
    joined = counts.outerjoin(paged, true()).outerjoin(loaded, loaded.c.m_id == paged.c.id).outerjoin(giver, true())
    query = select(counts, paged.c.reader_ids, loaded, giver).select_from(joined)
    ordered = query.order_by(paged.c.has_reader, paged.c.id)
    rows = await session.execute(ordered, {"organisation_id": organisation_id, "at": at})
    return [dict(row) for row in rows.mappings().all()]


async def _build_client(
    session: AsyncSession, keyring: KeyRing, row: dict[str, Any], at: datetime
) -> OrganisationClient:
    authority = await authority_from_row(session, row, at=at)
    profile = None
    if authority.is_authentic:
        profile = profile_from_row(row, keyring, authority.vertegenwoordigde_id)
    return OrganisationClient(authority, profile, tuple(row["reader_ids"] or ()))


def _select_clients() -> Select[Any]:
    """Build the select of the clients of the organisation with their readers."""
    ids = func.array(union(*_select_readers()).scalar_subquery(), type_=ARRAY(Uuid()))
    return _select_open_roots(ids.label("reader_ids"))


def _select_presence() -> Select[Any]:
    """Build the select of the clients of the organisation, and whether anybody reads under each."""
    direct, below = _select_readers()
    return _select_open_roots(or_(direct.exists(), below.exists()).label("has_reader"))


def _select_open_roots(column: ColumnElement[Any]) -> Select[Any]:
    open_roots = (
        _ROOT.c.gemachtigde_id == _ORGANISATION,
        _ROOT.c.parent_id.is_(None),
        _ROOT.c.state.in_(_OPEN_STATES),
        _ROOT_AGREEMENT.c.ends_at > _AT,
    )
    joined = _ROOT.join(_ROOT_AGREEMENT, _is_current(_ROOT, _ROOT_AGREEMENT))
    return select(_ROOT.c.id, column).select_from(joined).where(*open_roots)


def _select_readers() -> tuple[Select[Any], Select[Any]]:
    """Build the selects of the readers: by assignment, and as stand-in or in a team.

    As `Authority.stop_reason`, without the MACs.
    """
    direct = (
        select(_LINK.c.employee_id.label("employee_id"))
        .join(_LINK_AGREEMENT, _is_current(_LINK, _LINK_AGREEMENT))
        .join(_EMPLOYEE, _EMPLOYEE.c.id == _LINK.c.employee_id)
        .where(
            _LINK.c.parent_id == _ROOT.c.id,
            *_is_in_force(_LINK, _LINK_AGREEMENT),
            *_is_at_work(),
            *_is_agreed(_LINK, _LINK_AGREEMENT),
        )
    )
    below = (
        select(_BELOW.c.employee_id)
        .join(_LINK, _LINK.c.id == _BELOW.c.parent_id)
        .join(_LINK_AGREEMENT, _is_current(_LINK, _LINK_AGREEMENT))
        .join(_BELOW_AGREEMENT, _is_current(_BELOW, _BELOW_AGREEMENT))
        .join(_EMPLOYEE, _EMPLOYEE.c.id == _BELOW.c.employee_id)
        .outerjoin(_STAND_IN, _STAND_IN.c.id == _BELOW.c.stand_in_id)
        .outerjoin(_ABSENT, _ABSENT.c.id == _STAND_IN.c.absent_employee_id)
        .outerjoin(
            _MEMBERSHIP,
            and_(_MEMBERSHIP.c.team_id == _LINK.c.team_id, _MEMBERSHIP.c.employee_id == _BELOW.c.employee_id),
        )
        .where(
            _LINK.c.parent_id == _ROOT.c.id,
            *_is_in_force(_LINK, _LINK_AGREEMENT),
            *_is_in_force(_BELOW, _BELOW_AGREEMENT),
            *_is_at_work(),
            *_is_agreed(_LINK, _LINK_AGREEMENT),
            *_is_agreed(_BELOW, _BELOW_AGREEMENT),
            or_(*_is_below()),
        )
    )
    return direct.correlate(_ROOT, _ROOT_AGREEMENT), below.correlate(_ROOT, _ROOT_AGREEMENT)


def _is_below() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Build the conditions of a present stand-in and of a present team member."""
    standing = and_(
        _STAND_IN.c.ended_at.is_(None),
        _STAND_IN.c.starts_at <= _AT,
        _STAND_IN.c.ends_at > _AT,
        _ABSENT.c.state != EmployeeState.DEPARTED.value,
    )
    return standing, and_(_MEMBERSHIP.c.starts_at <= _AT, _MEMBERSHIP.c.ends_at.is_(None))


def _is_current(link: Any, agreement: Any) -> ColumnElement[bool]:
    return and_(agreement.c.machtiging_id == link.c.id, agreement.c.number == link.c.agreement_number)


def _is_in_force(link: Any, agreement: Any) -> tuple[ColumnElement[bool], ...]:
    confirmed = or_(agreement.c.needs_confirmation.is_(False), agreement.c.confirmed_by.is_not(None))
    active = link.c.state == MachtigingState.ACTIVE.value
    return (active, confirmed, agreement.c.starts_at <= _AT, agreement.c.ends_at > _AT)


def _is_agreed(link: Any, agreement: Any) -> tuple[ColumnElement[bool], ...]:
    """Build the conditions that this link and the root do not exclude the employee."""
    mine = (_OWN_TEAM.c.employee_id == _EMPLOYEE.c.id, _OWN_TEAM.c.ends_at.is_(None))
    conditions: list[ColumnElement[bool]] = []
    for agreed in (_ROOT_AGREEMENT, agreement):
        only = agreed.c.only_employee_id
        excluded = agreed.c.excluded_team_ids
        in_team = select(_OWN_TEAM.c.id).where(*mine, _OWN_TEAM.c.team_id == any_(excluded))
        conditions += [
            or_(only.is_(None), only == _EMPLOYEE.c.id),
            ~in_team.correlate(_EMPLOYEE, agreed).exists(),
            or_(link.c.team_id.is_(None), ~(link.c.team_id == any_(excluded))),
        ]
    return tuple(conditions)


def _is_at_work() -> tuple[ColumnElement[bool], ...]:
    return (
        _EMPLOYEE.c.state == EmployeeState.ACTIVE.value,
        _EMPLOYEE.c.starts_at <= _AT,
        or_(_EMPLOYEE.c.ends_at.is_(None), _EMPLOYEE.c.ends_at > _AT),
        literal(EmployeeRole.CARE_WORKER.value) == any_(_EMPLOYEE.c.roles),
    )
