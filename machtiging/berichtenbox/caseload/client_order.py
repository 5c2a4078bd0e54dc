"""One page of the clients of an employee, ordered, filtered and counted in SQL (keyset).

A case reference is sealed, so its order opens the references, with one key of the organisation. No name is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Integer,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.caseload.client_kinds import LISTED, ListedClients
from machtiging.berichtenbox.helping.unread_counts import build_unread_count
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.assigned_clients import select_assigned_clients
from machtiging.delegation.caseload.case_references import (
    CASE_REFERENCE_SEALED,
    join_case_references,
    open_case_reference,
)
from machtiging.delegation.caseload.search_terms import fold_letters
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, unwrap_data_key
from machtiging.kernel.errors import InvalidInput
from machtiging.storage.statement import ResultRow, Statement

ENDS_SOON = timedelta(days=30)
# Up to this number the order by unread letters counts for every client. Who has more stands by what ends first.
MOST_UNREAD_IN_ORDER = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT = DateTime(timezone=True)
_PAGE_IDS: ColumnElement[Any] = bindparam("page_ids", type_=ARRAY(Uuid()))
_SOON: ColumnElement[Any] = bindparam("soon", type_=_AT)
_PARTY = data_key_table()


class ClientOrder(StrEnum):
    """The orders of the list."""

    UNREAD = "ongelezen"
    ENDS = "einddatum"
    ASSIGNED = "toegewezen"
    REFERENCE = "zaakkenmerk"
    NAME = "naam"


class ClientFilter(StrEnum):
    """The clients that a list is limited to."""

    UNREAD = "ongelezen"
    ENDS_SOON = "bijna-voorbij"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page: order, filter, one more than its size, and the last position before it."""

    order: ClientOrder
    only: ClientFilter | None
    number: int
    position: list[Any] | None


async def load_client_page(
    session: AsyncSession, keyring: KeyRing, listed: ListedClients, page: PageRequest, *, at: datetime
) -> list[ResultRow]:
    """Load the counts, and the clients of the page with their chains. At least one row has the counts.

    By case reference it takes one statement more. Raises InvalidInput `cursor_ongeldig`.
    """
    params = listed.params | {"number": page.number, "soon": at + ENDS_SOON}
    if page.order is ClientOrder.REFERENCE:
        params["page_ids"] = await _order_by_reference(session, keyring, page, params)
    elif page.position is not None:
        params |= _read_position(page.order, page.position)
    is_later = page.position is not None
    return await _build_statement(page.order, page.only, is_later=is_later).all(session, params)


def position_of(order: ClientOrder, row: ResultRow) -> list[Any]:
    """Return the position of a row for a cursor. A sealed word never stands in it."""
    place = str(row["page_id"])
    if order is ClientOrder.REFERENCE:
        return [place]
    values = {
        ClientOrder.UNREAD: [row["page_order_unread"], _microseconds(row["page_ends_at"])],
        ClientOrder.ENDS: [_microseconds(row["page_ends_at"])],
        ClientOrder.ASSIGNED: [_microseconds(row["page_assigned_at"])],
    }
    return [*values[order], place]


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _read_position(order: ClientOrder, position: list[Any]) -> dict[str, Any]:
    *values, place = position
    params: dict[str, Any] = {"after_id": UUID(place), "after_at": _EPOCH + timedelta(microseconds=values[-1])}
    return params | ({"after_unread": values[0]} if order is ClientOrder.UNREAD else {})


def _count_clients(limits: CTE, unread: ColumnElement[Any]) -> CTE:
    """Build the clients with the number of their unread letters."""
    named = (limits.c.machtiging_id, limits.c.organisation_id, limits.c.ends_at, limits.c.assigned_at)
    return select(*named, unread.label("unread")).select_from(limits).cte("counted")


def _filter_conditions(counted: CTE) -> dict[ClientFilter, ColumnElement[bool]]:
    return {
        ClientFilter.UNREAD: counted.c.unread > 0,
        ClientFilter.ENDS_SOON: counted.c.ends_at < _SOON,
    }


@cache
def _build_statement(order: ClientOrder, only: ClientFilter | None, *, is_later: bool) -> Statement:
    """Select the counts beside the page. Built once for each kind of page: compiling costs more than executing."""
    limits = LISTED.cte("limits")
    unread: ColumnElement[Any] = build_unread_count(limits, 1)
    if order is ClientOrder.UNREAD:
        # Only this order needs more of every client than whether there is one. The whole number is of the page alone.
        listed = limits.c.ends_at < _SOON if only is ClientFilter.ENDS_SOON else true()
        unread = case((listed, build_unread_count(limits, MOST_UNREAD_IN_ORDER)), else_=unread)
    counted = _count_clients(limits, unread)
    conditions = _filter_conditions(counted)
    numbers = {one: func.count().filter(condition) for one, condition in conditions.items()}
    counts = select(
        func.count().label("total"),
        numbers[ClientFilter.UNREAD].label("total_unread"),
        numbers[ClientFilter.ENDS_SOON].label("total_ends_soon"),
    )
    totals = counts.select_from(counted).subquery("totals")
    ordered = select(counted).order_by(*_order_of(order, counted)).limit(bindparam("number", type_=Integer()))
    if only is not None:
        ordered = ordered.where(conditions[only])
    if order is ClientOrder.REFERENCE:
        ordered = ordered.where(counted.c.machtiging_id == any_(_PAGE_IDS))
    elif is_later:
        ordered = ordered.where(_after(order, counted))
    page = ordered.cte("page")
    clients = select_assigned_clients(select(page.c.machtiging_id)).subquery("clients_of_page")
    named = {"id": "machtiging_id", "ends_at": "ends_at", "assigned_at": "assigned_at", "order_unread": "unread"}
    of_page = [page.c[column].label(f"page_{name}") for name, column in named.items()]
    beside = totals.outerjoin(page, true()).outerjoin(limits, limits.c.machtiging_id == page.c.machtiging_id)
    beside = beside.outerjoin(clients, clients.c.m_id == page.c.machtiging_id)
    found = select(totals, *of_page, build_unread_count(limits).label("page_unread"), clients).select_from(beside)
    return Statement(found.order_by(*_order_of(order, page)))


def _order_of(order: ClientOrder, table: Any) -> tuple[Any, ...]:
    if order is ClientOrder.REFERENCE:
        return (func.array_position(_PAGE_IDS, table.c.machtiging_id),)
    columns = {
        ClientOrder.UNREAD: (table.c.unread.desc(), table.c.ends_at),
        ClientOrder.ENDS: (table.c.ends_at,),
        ClientOrder.ASSIGNED: (table.c.assigned_at.desc(),),
    }
    return (*columns[order], table.c.machtiging_id)


def _after(order: ClientOrder, table: Any) -> ColumnElement[bool]:
    """Build the condition of a client after the position in the parameters."""
    place, moment = bindparam("after_id", type_=Uuid()), bindparam("after_at", type_=_AT)
    if order is ClientOrder.ASSIGNED:
        same = and_(table.c.assigned_at == moment, table.c.machtiging_id > place)
        return or_(table.c.assigned_at < moment, same)
    by_end = tuple_(table.c.ends_at, table.c.machtiging_id) > tuple_(moment, place)
    if order is ClientOrder.ENDS:
        return by_end
    unread = bindparam("after_unread", type_=Integer())
    return or_(table.c.unread < unread, and_(table.c.unread == unread, by_end))


async def _order_by_reference(
    session: AsyncSession, keyring: KeyRing, page: PageRequest, params: dict[str, Any]
) -> list[UUID]:
    """Return the ids of the page by case reference, those without one last."""
    rows = await _build_references_statement(page.only).all(session, params)
    keyed = sorted(_list_reference_keys(keyring, rows))
    if page.position is not None:
        after = next((key for key in keyed if str(key[-1]) == page.position[0]), None)
        if after is None:  # this client is gone since
            raise InvalidInput("cursor_ongeldig")
        keyed = keyed[keyed.index(after) + 1 :]
    return [machtiging_id for *_, machtiging_id in keyed[: page.number]]


@cache
def _build_references_statement(only: ClientFilter | None) -> Statement:
    """Select the sealed case reference of each client, with the key of its organisation."""
    limits = LISTED.cte("limits")
    counted = _count_clients(limits, build_unread_count(limits, 1)) if only is ClientFilter.UNREAD else limits
    joined = join_case_references(counted).join(_PARTY, _PARTY.c.id == counted.c.organisation_id)
    columns = (counted.c.machtiging_id, counted.c.organisation_id, CASE_REFERENCE_SEALED)
    found = select(*columns, *DATA_KEY_COLUMNS).select_from(joined)
    return Statement(found if only is None else found.where(_filter_conditions(counted)[only]))


def _list_reference_keys(keyring: KeyRing, rows: Sequence[ResultRow]) -> Iterator[tuple[bool, str, UUID]]:
    keys: dict[UUID, DataKey] = {}
    for row in rows:
        reference, organisation_id = None, row["organisation_id"]
        if row["case_reference_sealed"] is not None and row["data_key_wrapped"] is not None:
            if organisation_id not in keys:
                keys[organisation_id] = unwrap_data_key(row, keyring, organisation_id)
            reference = open_case_reference(keys[organisation_id], row["machtiging_id"], row["case_reference_sealed"])
        yield (reference is None, fold_letters(reference or ""), row["machtiging_id"])
