"""Notes of helpers in words, for the owner of the letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.helping.note_lists import HelperNote
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_profiles
from machtiging.portal import views


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note of a helper in words. `text` is None if it cannot be shown; `letter_id` is None if the letter is gone."""

    who: str
    text: str | None
    written_at: datetime
    retracted_at: datetime | None
    machtiging_id: UUID
    letter_id: UUID | None
    sender: str


async def describe_notes(session: AsyncSession, keyring: KeyRing, notes: Sequence[HelperNote]) -> list[NoteView]:
    """Describe notes, in their order. One statement, none without notes."""
    if not notes:
        return []
    profiles = await load_profiles(session, keyring, {note.author_id for note in notes})
    return [
        NoteView(
            who=views.name_of_profile(profiles.get(note.author_id)),
            text=note.text,
            written_at=note.written_at,
            retracted_at=note.retracted_at,
            machtiging_id=note.machtiging_id,
            letter_id=note.letter_id if note.is_letter_there else None,
            sender=note.sender,
        )
        for note in notes
    ]
