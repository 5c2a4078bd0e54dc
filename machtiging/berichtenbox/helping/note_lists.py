"""Load and decrypt notes of helpers, for the owner of the letters or the author."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, FromClause, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.helping.notes import NOTE, note_context
from machtiging.berichtenbox.queries import BERICHT, select_sender_name
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, unwrap_data_key
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, PersonId
from machtiging.storage.statement import ResultRow

_PARTY = data_key_table()
_NOTE_AND_KEY = NOTE.join(_PARTY, _PARTY.c.id == NOTE.c.owner_id)
_log = structlog.get_logger("machtiging.berichtenbox")


@dataclass(frozen=True, slots=True)
class NoteCursor:
    """The cursor of keyset pagination: the next page has notes older than this one."""

    written_at: datetime
    note_id: UUID


@dataclass(frozen=True, slots=True)
class HelperNote:
    """One note. `text` is None if the row was tampered with.

    `sender`: of its letter; "" in a list of one letter. `is_letter_there`: it was not thrown away or withdrawn.
    """

    note_id: UUID
    letter_id: BerichtId
    author_id: PersonId
    machtiging_id: UUID
    written_at: datetime
    retracted_at: datetime | None
    text: str | None
    sender: str
    is_letter_there: bool

    @property
    def cursor(self) -> NoteCursor:
        """The cursor of the page after this note."""
        return NoteCursor(self.written_at, self.note_id)


async def load_notes_of_letter(
    session: AsyncSession,
    keyring: KeyRing,
    owner_id: PersonId,
    letter_id: UUID,
    *,
    author_id: PersonId | None = None,
) -> list[HelperNote]:
    """Load the notes with a letter in this person's box, the oldest first.

    With `author_id` only those of that author.
    """
    where: list[ColumnElement[bool]] = [NOTE.c.letter_id == letter_id]
    if author_id is not None:
        where.append(NOTE.c.author_id == author_id)
    chosen = _select_notes(owner_id, where, _NOTE_AND_KEY).order_by(NOTE.c.written_at, NOTE.c.id)
    return _open_notes((await session.execute(chosen)).mappings().all(), keyring, owner_id)


async def load_notes_under_machtigingen(
    session: AsyncSession,
    keyring: KeyRing,
    owner_id: PersonId,
    machtiging_ids: Collection[UUID],
    *,
    limit: int,
    before: NoteCursor | None = None,
) -> list[HelperNote]:
    """Load the notes that helpers wrote to this person under these machtigingen, the newest first."""
    where: list[ColumnElement[bool]] = [NOTE.c.machtiging_id.in_(machtiging_ids)]
    if before is not None:
        where.append(tuple_(NOTE.c.written_at, NOTE.c.id) < tuple_(before.written_at, before.note_id))
    joined = _NOTE_AND_KEY.join(BERICHT, BERICHT.c.id == NOTE.c.letter_id)
    columns = (BERICHT.c.deleted_at, select_sender_name().label("sender"))
    chosen = _select_notes(owner_id, where, joined, *columns).order_by(NOTE.c.written_at.desc(), NOTE.c.id.desc())
    chosen = chosen.limit(limit)
    return _open_notes((await session.execute(chosen)).mappings().all(), keyring, owner_id)


def _select_notes(
    owner_id: PersonId, where: Collection[ColumnElement[bool]], joined: FromClause, *more: Any
) -> Select[Any]:
    columns = (*NOTE.c, *more, *DATA_KEY_COLUMNS)
    return select(*columns).select_from(joined).where(NOTE.c.owner_id == owner_id, *where)


def _open_notes(rows: Collection[ResultRow], keyring: KeyRing, owner_id: PersonId) -> list[HelperNote]:
    key = None
    notes = []
    for row in rows:
        key = key or unwrap_data_key(row, keyring, owner_id)
        try:
            text = key.decrypt(row["text_sealed"], *note_context(row)).decode()
        except Fault as fault:
            # The row was tampered with. It is not left out: the citizen sees that something stood there.
            _log.error("helper_note_does_not_open", code=fault.code, detail=fault.private)
            text = None
        notes.append(
            HelperNote(
                note_id=row["id"],
                letter_id=BerichtId(row["letter_id"]),
                author_id=PersonId(row["author_id"]),
                machtiging_id=row["machtiging_id"],
                written_at=row["written_at"],
                retracted_at=row["retracted_at"],
                text=text,
                sender=row.get("sender", ""),
                is_letter_there=row.get("deleted_at") is None,
            )
        )
    return notes
