"""The own record of an employee: journal lines of acts for clients.

A client whose letters may not be listed now has no name, and a letter that may not be listed now has no sender. A
refused act tells no more than the refusal did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.audit.acts import UNLISTED_ACTS, JournalOutcome
from machtiging.audit.queries import JournalCursor, JournalEntry, LineFilter, load_lines_of_employee
from machtiging.berichtenbox.caseload.clients import CaseloadClient, load_clients
from machtiging.berichtenbox.helping.listed_letters import ListedLetter, find_listed_letters, parse_letter_id
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.holders import load_employee_authority
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import PersonId


@dataclass(frozen=True, slots=True)
class OwnRecordQuery:
    """A requested page of the own record. `machtiging_id`: of this client only."""

    size: int
    machtiging_id: UUID | None = None
    period: tuple[datetime, datetime] | None = None
    before: JournalCursor | None = None


@dataclass(frozen=True, slots=True)
class OwnRecordEntry:
    """One act with its client and letter. `letter`: None if it may not be told."""

    line: JournalEntry
    client: CaseloadClient
    letter: ListedLetter | None


@dataclass(frozen=True, slots=True)
class OwnRecordPage:
    """One page of the own record. `last`: the last line of the page; None at the end."""

    entries: list[OwnRecordEntry]
    last: JournalEntry | None


async def list_own_acts(
    session: AsyncSession, keyring: KeyRing, policy: Policy, reader: Actor, query: OwnRecordQuery, *, at: datetime
) -> OwnRecordPage:
    """Load one page of the acts of the reader for clients listed now.

    A page has a fixed number of lines of the journal, and leaves out those about other people. So it can be shorter
    than its size. Raises NotFound `machtiging_onbekend` for a client that may not be listed now.
    """
    only = None
    if query.machtiging_id is not None:
        only = await load_listed_client(session, keyring, policy, reader, query.machtiging_id, at=at)
    found = await load_own_lines(
        session, reader, only, period=query.period, limit=query.size + 1, before=query.before, at=at
    )
    lines = found[: query.size]
    people = {PersonId(line.for_person_id) for line in lines if line.for_person_id is not None}
    clients = [only] if only is not None else []
    if only is None and people:
        clients = await load_clients(session, keyring, policy, reader, giver_ids=people, at=at)
    by_person = {one.authority.vertegenwoordigde_id: one for one in reversed(clients)}
    about = [(line, by_person.get(PersonId(line.for_person_id))) for line in lines if line.for_person_id is not None]
    ids = {letter_id for line, _ in about if (letter_id := _find_letter_id(line)) is not None}
    letters = await find_listed_letters(session, policy, [one.actor for one in clients], ids, at=at)
    entries = [
        OwnRecordEntry(line, client, letters.get(str(_find_letter_id(line)))) for line, client in about if client
    ]
    return OwnRecordPage(entries, lines[-1] if len(found) > query.size else None)


async def load_listed_client(
    session: AsyncSession, keyring: KeyRing, policy: Policy, reader: Actor, machtiging_id: UUID, *, at: datetime
) -> CaseloadClient:
    """Load a client whose letters may be listed now. Raises NotFound `machtiging_onbekend`."""
    found = await load_clients(session, keyring, policy, reader, machtiging_id=machtiging_id, at=at)
    if not found:
        raise NotFound("machtiging_onbekend")
    return found[0]


async def load_own_lines(
    session: AsyncSession,
    reader: Actor,
    only: CaseloadClient | None,
    *,
    period: tuple[datetime, datetime] | None,
    limit: int,
    before: JournalCursor | None,
    at: datetime,
) -> Sequence[JournalEntry]:
    """Load the lines of this login, newest first. A login without an organisation that employs it has none."""
    if reader.organisation_kvk is None:
        return []
    employed = await load_employee_authority(session, reader.person_id, reader.organisation_kvk, at=at)
    if employed is None:
        return []
    about_id = None if only is None else only.authority.vertegenwoordigde_id
    where = LineFilter(excluded_acts=UNLISTED_ACTS, period=period, about_id=about_id)
    return await load_lines_of_employee(
        session, reader.person_id, employed.organisation.id, limit=limit, before=before, where=where
    )


def position_of_line(line: JournalEntry) -> list[Any]:
    """Return the position of a line for a cursor."""
    return [line.occurred_at.isoformat(), str(line.id)]


def read_position(position: list[Any]) -> JournalCursor:
    """Read the position that `position_of_line` made."""
    return JournalCursor(datetime.fromisoformat(position[0]), UUID(position[1]))


def _find_letter_id(line: JournalEntry) -> UUID | None:
    """Return the letter or bijlage of a line; None for a refused act."""
    return None if line.outcome == JournalOutcome.REFUSED else parse_letter_id(line)
