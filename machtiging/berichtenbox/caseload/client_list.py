"""The list of clients of an employee: search, filter, order, counts and pages (keyset)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.berichtenbox.caseload.clients import CaseloadClient, load_clients
from machtiging.berichtenbox.caseload.signed_cursor import CursorBinding
from machtiging.berichtenbox.helping.unread_counts import count_unread
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.search_terms import fold_letters
from machtiging.identity.people import Profile
from machtiging.kernel.errors import InvalidInput

ENDS_SOON = timedelta(days=30)
# Alphabetical order opens every name, so it is offered up to this number of clients.
MAX_NAMES_OPENED = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
class ClientQuery:
    """A requested page of clients."""

    size: int
    search: str | None = None
    only: ClientFilter | None = None
    order: ClientOrder = ClientOrder.UNREAD
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ClientSummary:
    """One client in the list. `unread`: at most `MAX_COUNT`. `profile` is None if no login gave it.

    `born_on` tells two of one name apart; None if it is not known in full.
    """

    client: CaseloadClient
    profile: Profile | None
    case_reference: str | None
    unread: int
    ends_soon: bool

    @property
    def name(self) -> str | None:
        """The name of the client."""
        return None if self.profile is None else self.profile.name or None

    @property
    def born_on(self) -> date | None:
        """The birth date, if every part of it is known."""
        born = None if self.profile is None else self.profile.birth_date
        return born if isinstance(born, date) else None

    @property
    def machtiging_id(self) -> UUID:
        """The id of the machtiging that the employee holds."""
        return self.client.machtiging_id

    @property
    def ends_at(self) -> datetime:
        """The end of what the employee may read."""
        return self.client.authority.ends_at

    @property
    def assigned_at(self) -> datetime:
        """The moment since which the employee has this client."""
        return self.client.assigned.assigned_at


@dataclass(frozen=True, slots=True)
class ClientCounts:
    """The numbers of clients that the search finds: all, with unread letters, and ending soon."""

    total: int
    unread: int
    ends_soon: int


@dataclass(frozen=True, slots=True)
class CaseloadPage:
    """A page of clients, and the counts of the whole list. `next_cursor` is None on the last page."""

    summaries: list[ClientSummary]
    next_cursor: str | None
    counts: ClientCounts


async def list_clients(
    session: AsyncSession, keyring: KeyRing, policy: Policy, reader: Actor, query: ClientQuery, *, at: datetime
) -> CaseloadPage:
    """Load one page of the clients of this reader.

    Raises InvalidInput `cursor_ongeldig`, `te_veel_voor_alfabet`, or as `parse_search`.
    """
    clients = await load_clients(session, keyring, policy, reader, search=query.search, at=at)
    if query.order is ClientOrder.NAME and len(clients) > MAX_NAMES_OPENED:
        raise InvalidInput("te_veel_voor_alfabet", params={"limit": MAX_NAMES_OPENED})
    unread = await count_unread(session, policy, [one.actor for one in clients], at=at)
    rows = [_ClientRow(one, unread.get(one.machtiging_id, 0), _ends_soon(one, at)) for one in clients]
    counts = ClientCounts(len(rows), sum(row.unread > 0 for row in rows), sum(row.ends_soon for row in rows))
    rows = [row for row in rows if _is_chosen(row, query.only)]
    binding = CursorBinding(keyring, "clienten", reader, (query.search or "", query.only or "", query.order))
    page, more = _cut_page(rows, _SORT_KEYS[query.order](keyring), query, binding)
    return CaseloadPage([_open_row(row, keyring) for row in page], more, counts)


@dataclass(frozen=True, slots=True)
class _ClientRow:
    """A client before the name is opened."""

    client: CaseloadClient
    unread: int
    ends_soon: bool


SortKey = Callable[[_ClientRow], tuple[Any, ...]]


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _sort_by_reference(keyring: KeyRing) -> SortKey:
    def sort_key(row: _ClientRow) -> tuple[Any, ...]:
        reference = row.client.assigned.open_case_reference(keyring)
        return (reference is None, fold_letters(reference or ""))

    return sort_key


def _sort_by_name(keyring: KeyRing) -> SortKey:
    """Order by the last word of the name, and then by the whole name."""

    def sort_key(row: _ClientRow) -> tuple[Any, ...]:
        words = (row.client.assigned.open_name(keyring) or "").split() or [""]
        return (fold_letters(words[-1]), fold_letters(" ".join(words)))

    return sort_key


_SORT_KEYS: dict[ClientOrder, Callable[[KeyRing], SortKey]] = {
    ClientOrder.UNREAD: lambda _: lambda row: (-row.unread, _microseconds(row.client.authority.ends_at)),
    ClientOrder.ENDS: lambda _: lambda row: (_microseconds(row.client.authority.ends_at),),
    ClientOrder.ASSIGNED: lambda _: lambda row: (-_microseconds(row.client.assigned.assigned_at),),
    ClientOrder.REFERENCE: _sort_by_reference,
    ClientOrder.NAME: _sort_by_name,
}
# Sealed words never stand in a cursor: there the position is the client alone.
_SEALED_ORDERS = frozenset({ClientOrder.REFERENCE, ClientOrder.NAME})


def _cut_page(
    rows: Sequence[_ClientRow], sort_key: SortKey, query: ClientQuery, binding: CursorBinding
) -> tuple[list[_ClientRow], str | None]:
    """Return the rows after the cursor, and the cursor of the next page. Raises InvalidInput `cursor_ongeldig`."""
    keyed = sorted((((*sort_key(row), str(row.client.machtiging_id)), row) for row in rows), key=itemgetter(0))
    if query.cursor is not None:
        after = _find_position(binding.decode(query.cursor), keyed)
        keyed = [one for one in keyed if one[0] > after]
    page = keyed[: query.size]
    if len(keyed) <= query.size:
        return [row for _, row in page], None
    last = page[-1][0]
    position = [last[-1]] if query.order in _SEALED_ORDERS else list(last)
    return [row for _, row in page], binding.encode(position)


def _find_position(position: list[Any], keyed: Sequence[tuple[tuple[Any, ...], _ClientRow]]) -> tuple[Any, ...]:
    if len(position) > 1:
        return tuple(position)
    found = next((key for key, _ in keyed if key[-1] == position[0]), None)
    if found is None:  # this client is gone since
        raise InvalidInput("cursor_ongeldig")
    return found


def _ends_soon(client: CaseloadClient, at: datetime) -> bool:
    return client.authority.ends_at < at + ENDS_SOON


def _is_chosen(row: _ClientRow, only: ClientFilter | None) -> bool:
    if only is ClientFilter.UNREAD:
        return row.unread > 0
    return row.ends_soon or only is None


def _open_row(row: _ClientRow, keyring: KeyRing) -> ClientSummary:
    assigned = row.client.assigned
    profile, reference = assigned.open_profile(keyring), assigned.open_case_reference(keyring)
    return ClientSummary(row.client, profile, reference, row.unread, row.ends_soon)
