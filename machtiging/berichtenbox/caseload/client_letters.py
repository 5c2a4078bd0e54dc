"""Letters in the boxes of all clients of an employee, in pages (keyset).

SQL selects the letters that the lists of the clients have; the Permit of each box decides again before a subject is
opened. Each box of which a letter is shown has its own journal line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Integer,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_listing_permits
from machtiging.agencies.names import agency_name_table
from machtiging.agencies.rules import Theme
from machtiging.berichtenbox.bericht_list import decrypt_subject
from machtiging.berichtenbox.caseload.client_kinds import LISTED, ListedClients, load_listed_clients, open_clients
from machtiging.berichtenbox.caseload.clients import CaseloadClient
from machtiging.berichtenbox.caseload.signed_cursor import CursorBinding
from machtiging.berichtenbox.helping.listing_limits import listed_conditions
from machtiging.berichtenbox.queries import BERICHT, BIJLAGE, READER_MARK, Afzender, build_envelope
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.assigned_clients import select_assigned_clients
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, unwrap_data_key
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import BerichtId
from machtiging.storage.statement import ResultRow, Statement

_AGENCY, _PARTY = agency_name_table(), data_key_table()
_LETTER_COLUMNS = tuple(
    BERICHT.c[name]
    for name in (
        *("id", "ontvanger_id", "afzender_oin", "dienst_code", "theme", "sensitivity", "published_at"),
        "onderwerp_sealed",
    )
)
_AT = DateTime(timezone=True)
_PREFIX = "letter_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LetterOrder(StrEnum):
    """The orders of the list: the newest letter first, or the earliest end first."""

    NEWEST = "nieuwste"
    ENDS = "einddatum"


@dataclass(frozen=True, slots=True)
class ClientLettersQuery:
    """A requested page of letters, and its filter. `machtiging_id`: of one client only."""

    size: int
    order: LetterOrder = LetterOrder.NEWEST
    machtiging_id: UUID | None = None
    sender: str | None = None
    theme: Theme | None = None
    unread: bool = False
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ClientLetter:
    """One letter in the list. `read`: by this reader; the client's own mark is not told."""

    client: CaseloadClient
    client_name: str | None
    bericht_id: BerichtId
    afzender: Afzender
    theme: Theme
    onderwerp: str
    published_at: datetime
    bijlagen: int
    read: bool


@dataclass(frozen=True, slots=True)
class ClientLettersPage:
    """A page of letters. `senders`: every agency by OIN, to choose from. `next_cursor`: None on the last page."""

    letters: list[ClientLetter]
    has_clients: bool
    senders: dict[str, str]
    next_cursor: str | None


async def list_client_letters(
    session: AsyncSession, keyring: KeyRing, policy: Policy, reader: Actor, query: ClientLettersQuery, *, at: datetime
) -> ClientLettersPage:
    """Load one page of the letters of all clients of this reader.

    Raises NotFound `machtiging_onbekend` for a client that is not hers now, InvalidInput `cursor_ongeldig`.
    """
    listed = await load_listed_clients(session, keyring, policy, reader, machtiging_id=query.machtiging_id, at=at)
    if query.machtiging_id is not None and listed.is_empty:
        raise NotFound("machtiging_onbekend")
    return await list_letters_of(session, keyring, policy, reader, listed, query, at=at)


async def list_letters_of(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    reader: Actor,
    listed: ListedClients,
    query: ClientLettersQuery,
    *,
    at: datetime,
) -> ClientLettersPage:
    """Load one page of the letters of these clients. Raises InvalidInput `cursor_ongeldig`."""
    filter_values = (query.order, str(query.machtiging_id), query.sender or "", query.theme or "", str(query.unread))
    binding = CursorBinding(keyring, "brieven", reader, filter_values)
    position = None if query.cursor is None else binding.decode(query.cursor)
    rows = await _load_rows(session, listed, query, position)
    found = [row for row in rows if row["letter_id"] is not None]
    shown = found[: query.size]
    clients = await open_clients(session, policy, reader, shown, at=at)
    letters = await _open_letters(session, keyring, policy, clients, [_read_letter(row) for row in shown], at)
    more = binding.encode(_position_of(_read_letter(shown[-1]))) if len(found) > query.size else None
    return ClientLettersPage(letters, not listed.is_empty, rows[0]["senders"] or {}, more)


def _read_letter(row: ResultRow) -> ResultRow:
    """Return the columns of the letter in a row of the page."""
    return {name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)}


async def _load_rows(
    session: AsyncSession, listed: ListedClients, query: ClientLettersQuery, position: list[Any] | None
) -> list[ResultRow]:
    """Load the letters after this position, one more than the page. At least one row has the senders."""
    params = listed.params | {"number": query.size + 1}
    chosen = {"sender": query.sender, "theme": query.theme and query.theme.value, "unread": query.unread or None}
    params |= {name: value for name, value in chosen.items() if value is not None and name != "unread"}
    if position is not None:
        params |= _read_position(query.order, position)
    filters = frozenset(name for name, value in chosen.items() if value is not None)
    statement = _build_statement(query.order, filters, is_later=position is not None)
    return await statement.all(session, params)


@cache
def _build_statement(order: LetterOrder, filters: frozenset[str], *, is_later: bool) -> Statement:
    """Select the page, with names, marks and bijlagen of its letters only, beside all senders.

    Built once for each kind of page: compiling costs more than executing.
    """
    limits = LISTED.order_by(*(LISTED.selected_columns[name] for name in ("ends_at", "machtiging_id"))).cte("limits")
    where = [*listed_conditions(bindparam("at"), limits), *(_FILTERS[name] for name in sorted(filters))]
    if is_later:
        where.append(_after(order, limits))
    number = bindparam("number", type_=Integer())
    limits = (_limit_owners if order is LetterOrder.NEWEST else _limit_boxes)(limits, where, number)
    where = [*listed_conditions(bindparam("at"), limits), *(_FILTERS[name] for name in sorted(filters))]
    if is_later:
        where.append(_after(order, limits))
    of_client = select(*_LETTER_COLUMNS).where(*where)
    newest = of_client.order_by(BERICHT.c.published_at.desc(), BERICHT.c.id.desc()).limit(number)
    letter = newest.correlate(limits).lateral("letter")
    # A letter under two machtigingen of one client is listed once, under the lower id.
    turn = func.row_number().over(partition_by=letter.c.id, order_by=limits.c.machtiging_id).label("turn")
    limit_columns = (limits.c.machtiging_id.label("machtiging_id"), limits.c.ends_at.label("ends_at"))
    columns = (*letter.c, *limit_columns) if order is LetterOrder.ENDS else (*letter.c, *limit_columns, turn)
    listed = select(*columns).select_from(limits.join(letter, true())).subquery("listed")
    once = select(listed) if order is LetterOrder.ENDS else select(listed).where(listed.c.turn == 1)
    page = once.order_by(*_order_of(order, listed)).limit(number).cte("page")
    marked = select(READER_MARK.c.first_read_at).where(
        READER_MARK.c.bericht_id == page.c.id, READER_MARK.c.person_id == bindparam("reader")
    )
    bijlagen = select(func.count()).where(BIJLAGE.c.bericht_id == page.c.id)
    looked_up = {"marked_at": marked, "bijlagen": bijlagen}
    more = [each.correlate(page).scalar_subquery().label(_PREFIX + name) for name, each in looked_up.items()]
    joined = page.join(_AGENCY, _AGENCY.c.oin == page.c.afzender_oin).join(_PARTY, _PARTY.c.id == page.c.ontvanger_id)
    of_letter = (*page.c, _AGENCY.c.name.label("afzender_naam"), *DATA_KEY_COLUMNS)
    columns = (*(each.label(_PREFIX + each.key) for each in of_letter), *more)
    letters = select(*columns).select_from(joined).subquery("letters")
    clients = select_assigned_clients(select(page.c.machtiging_id)).subquery("clients_of_page")
    named = func.jsonb_object_agg(_AGENCY.c.oin, _AGENCY.c.name)
    senders = select(type_coerce(named, JSONB).label("senders")).select_from(_AGENCY).subquery("all_senders")
    beside = senders.outerjoin(letters, true()).outerjoin(clients, clients.c.m_id == letters.c.letter_machtiging_id)
    found = select(senders.c.senders, letters, clients).select_from(beside)
    return Statement(found.order_by(*_order_of(order, letters, _PREFIX)))


def _limit_boxes(limits: CTE, where: Sequence[ColumnElement[bool]], number: Any) -> CTE:
    """Build the limits of the boxes with a letter for the page, by end."""
    places = (limits.c.ends_at, limits.c.machtiging_id)
    # As a value and not EXISTS: PostgreSQL then looks box by box, in order, and stops when the page is full.
    letter = select(BERICHT.c.id).where(*where).limit(1).correlate(limits).scalar_subquery()
    return select(limits).where(letter.is_not(None)).order_by(*places).limit(number).cte("limits_of_page")


def _limit_owners(limits: CTE, where: Sequence[ColumnElement[bool]], number: Any) -> CTE:
    """Build the limits of the clients with the newest letters.

    The page has letters of no other client.
    """
    newest = select(BERICHT.c.published_at).where(*where).order_by(BERICHT.c.published_at.desc()).limit(1)
    moment = newest.correlate(limits).scalar_subquery()
    boxes = select(limits.c.owner_id, moment.label("newest_at")).select_from(limits).subquery("boxes")
    latest = func.max(boxes.c.newest_at)
    owners = select(boxes.c.owner_id).where(boxes.c.newest_at.is_not(None)).group_by(boxes.c.owner_id)
    # Clients whose newest letters have one moment are all taken, so that the id decides on the page.
    ranked = (
        owners.order_by(latest.desc())
        .with_only_columns(boxes.c.owner_id, func.rank().over(order_by=latest.desc()).label("place"))
        .subquery("ranked")
    )
    first = select(ranked.c.owner_id).where(ranked.c.place <= number).subquery("first_owners")
    return select(limits).join(first, first.c.owner_id == limits.c.owner_id).cte("limits_of_page")


_MARK = exists().where(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == bindparam("reader"))
_FILTERS: dict[str, ColumnElement[bool]] = {
    "sender": BERICHT.c.afzender_oin == bindparam("sender"),
    "theme": BERICHT.c.theme == bindparam("theme"),
    "unread": ~_MARK,
}


def _order_of(order: LetterOrder, table: Any, prefix: str = "") -> tuple[Any, ...]:
    newest = (table.c[prefix + "published_at"].desc(), table.c[prefix + "id"].desc())
    by_end = (table.c[prefix + "ends_at"], table.c[prefix + "machtiging_id"], *newest)
    return newest if order is LetterOrder.NEWEST else by_end


def _position_of(row: ResultRow) -> list[Any]:
    ends_at, published_at = ((row[name] - _EPOCH) // timedelta(microseconds=1) for name in ("ends_at", "published_at"))
    return [ends_at, str(row["machtiging_id"]), published_at, str(row["id"])]


def _read_position(order: LetterOrder, position: list[Any]) -> dict[str, Any]:
    ends_at, published_at = (_EPOCH + timedelta(microseconds=position[number]) for number in (0, 2))
    place = {"after_published": published_at, "after_letter": UUID(position[3])}
    return place if order is LetterOrder.NEWEST else place | {"after_end": ends_at, "after_box": UUID(position[1])}


def _after(order: LetterOrder, limits: CTE) -> ColumnElement[bool]:
    """Build the condition of a letter after the position in the parameters."""
    place = bindparam("after_published", type_=_AT), bindparam("after_letter", type_=Uuid())
    older = tuple_(BERICHT.c.published_at, BERICHT.c.id) < tuple_(*place)
    if order is LetterOrder.NEWEST:
        return older
    box, after_box = limits.c.machtiging_id, bindparam("after_box", type_=Uuid())
    after_end = bindparam("after_end", type_=_AT)
    same_end = limits.c.ends_at == after_end
    return or_(limits.c.ends_at > after_end, and_(same_end, or_(box > after_box, and_(box == after_box, older))))


async def _open_letters(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    clients: dict[UUID, CaseloadClient],
    rows: Sequence[ResultRow],
    at: datetime,
) -> list[ClientLetter]:
    """Journal the boxes on this page, and open the subjects that their Permits allow."""
    boxes = [box for box in dict.fromkeys(row["machtiging_id"] for row in rows) if box in clients]
    actors = [clients[box].actor for box in boxes]
    permits = {one.machtiging_id: one for one in await issue_listing_permits(session, policy, actors, at=at)}
    names = {box: clients[box].assigned.open_name(keyring) for box in boxes}
    letters = []
    for row in rows:
        permit, box = permits.get(row["machtiging_id"]), row["machtiging_id"]
        is_own_row = permit is not None and permit.vertegenwoordigde_id == row["ontvanger_id"]
        if permit is None or not is_own_row or not permit.includes_envelope(build_envelope(row)):
            continue
        key = unwrap_data_key(row, keyring, permit.vertegenwoordigde_id)
        letters.append(
            _build_letter(clients[box], names[box], row, decrypt_subject(key, row["id"], row["onderwerp_sealed"]))
        )
    return letters


def _build_letter(client: CaseloadClient, name: str | None, row: ResultRow, onderwerp: str) -> ClientLetter:
    return ClientLetter(
        client=client,
        client_name=name,
        bericht_id=BerichtId(row["id"]),
        afzender=Afzender(row["afzender_oin"], row["afzender_naam"]),
        theme=Theme(row["theme"]),
        onderwerp=onderwerp,
        published_at=row["published_at"],
        bijlagen=row["bijlagen"],
        read=row["marked_at"] is not None,
    )
