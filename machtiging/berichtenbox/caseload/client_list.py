"""The list of clients of an employee: search, filter, order, counts and pages (keyset)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.berichtenbox.caseload.client_kinds import load_listed_clients, open_clients
from machtiging.berichtenbox.caseload.client_order import (
    ENDS_SOON,
    ClientFilter,
    ClientOrder,
    PageRequest,
    load_client_page,
    position_of,
)
from machtiging.berichtenbox.caseload.clients import CaseloadClient, load_clients
from machtiging.berichtenbox.caseload.signed_cursor import CursorBinding
from machtiging.berichtenbox.helping.unread_counts import count_unread
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.search_terms import fold_letters
from machtiging.identity.people import Profile
from machtiging.kernel.errors import InvalidInput

# Alphabetical order opens every name, so it is offered up to this number of clients.
MAX_NAMES_OPENED = 1_000


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
    binding = CursorBinding(keyring, "clienten", reader, (query.search or "", query.only or "", query.order))
    position = None if query.cursor is None else binding.decode(query.cursor)
    if query.order is ClientOrder.NAME:
        return await _list_by_name(session, keyring, policy, reader, query, binding, position, at=at)
    listed = await load_listed_clients(session, keyring, policy, reader, search=query.search, at=at)
    if listed.is_empty:
        return CaseloadPage([], None, ClientCounts(0, 0, 0))
    page = PageRequest(query.order, query.only, query.size + 1, position)
    rows = await load_client_page(session, keyring, listed, page, at=at)
    found = [row for row in rows if row["page_id"] is not None]
    shown = found[: query.size]
    clients = await open_clients(session, policy, reader, shown, at=at)
    summaries = [
        _open_summary(clients[row["page_id"]], keyring, row["page_unread"], at)
        for row in shown
        if row["page_id"] in clients
    ]
    more = binding.encode(position_of(query.order, shown[-1])) if len(found) > query.size else None
    counts = ClientCounts(rows[0]["total"], rows[0]["total_unread"], rows[0]["total_ends_soon"])
    return CaseloadPage(summaries, more, counts)


async def _list_by_name(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    reader: Actor,
    query: ClientQuery,
    binding: CursorBinding,
    position: list[Any] | None,
    *,
    at: datetime,
) -> CaseloadPage:
    """Load one page in alphabetical order: every client is decided on, and every name opened."""
    clients = await load_clients(session, keyring, policy, reader, search=query.search, at=at)
    if len(clients) > MAX_NAMES_OPENED:
        raise InvalidInput("te_veel_voor_alfabet", params={"limit": MAX_NAMES_OPENED})
    unread = await count_unread(session, policy, [one.actor for one in clients], at=at)
    summaries = [_open_summary(one, keyring, unread.get(one.machtiging_id, 0), at) for one in clients]
    numbers = (sum(one.unread > 0 for one in summaries), sum(one.ends_soon for one in summaries))
    chosen = sorted((one for one in summaries if _is_chosen(one, query.only)), key=_name_key)
    if position is not None:
        chosen = chosen[_find_position(position, chosen) + 1 :]
    page = chosen[: query.size]
    more = binding.encode([str(page[-1].machtiging_id)]) if len(chosen) > query.size else None
    return CaseloadPage(page, more, ClientCounts(len(summaries), *numbers))


def _name_key(summary: ClientSummary) -> tuple[str, str, str]:
    """Order by the last word of the name, and then by the whole name."""
    words = (summary.name or "").split() or [""]
    return (fold_letters(words[-1]), fold_letters(" ".join(words)), str(summary.machtiging_id))


def _find_position(position: list[Any], summaries: Sequence[ClientSummary]) -> int:
    """Return the place of the client in the cursor. A name never stands in it."""
    found = next((number for number, one in enumerate(summaries) if str(one.machtiging_id) == position[0]), None)
    if found is None:  # this client is gone since
        raise InvalidInput("cursor_ongeldig")
    return found


def _is_chosen(summary: ClientSummary, only: ClientFilter | None) -> bool:
    if only is ClientFilter.UNREAD:
        return summary.unread > 0
    return summary.ends_soon or only is None


def _open_summary(client: CaseloadClient, keyring: KeyRing, unread: int, at: datetime) -> ClientSummary:
    assigned, ends_soon = client.assigned, client.authority.ends_at < at + ENDS_SOON
    return ClientSummary(
        client, assigned.open_profile(keyring), assigned.open_case_reference(keyring), unread, ends_soon
    )
