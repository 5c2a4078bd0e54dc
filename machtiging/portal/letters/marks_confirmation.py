"""The confirmation of a changed mark, with the form that undoes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AfterValidator
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.queries import find_bericht
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER, MAX_MAP_LENGTH
from machtiging.identity.session import Visitor
from machtiging.kernel.text import require_plain_line
from machtiging.message_catalogue import get_sentence
from machtiging.storage.statement import ResultRow

# Choices of the form that moves a letter.
NO_FOLDER, ARCHIVE, NEW_FOLDER = "geen", "archief", "nieuw"
FolderName = Annotated[str, Query(max_length=MAX_MAP_LENGTH), AfterValidator(require_plain_line)]


class CompletedMark(StrEnum):
    """The mark just changed, for the confirmation on the list. Values travel in the URL."""

    UNREAD = "ongelezen"
    READ = "gelezen"
    MOVED = "verplaatst"


@dataclass(frozen=True, slots=True)
class MarkConfirmation:
    """The sentence about a changed letter, and the form that undoes the change."""

    sentence: str
    undo_action: str
    undo_fields: Mapping[str, str] = field(default_factory=dict)


class CompletedChange(NamedTuple):
    """A completed change in the URL: the mark, the letter and its former folder."""

    mark: CompletedMark
    bericht_id: UUID
    former_folder: str | None


def read_completed_change(
    gedaan: CompletedMark | None = None, brief: UUID | None = None, was: FolderName | None = None
) -> CompletedChange | None:
    """Read the completed change from the query."""
    return None if gedaan is None or brief is None else CompletedChange(gedaan, brief, was)


CompletedInQuery = Annotated[CompletedChange | None, Depends(read_completed_change)]


async def find_confirmation(
    session: AsyncSession, visitor: Visitor, change: CompletedChange | None, *, at: datetime
) -> MarkConfirmation | None:
    """Return the confirmation, if it is still true and the letter is the visitor's own."""
    if change is None:
        return None
    letter = await find_bericht(session, change.bericht_id, visitor.person_id, at)
    if letter is None or letter["ontvanger_id"] != visitor.person_id:
        return None
    path = f"/brieven/{change.bericht_id}"
    if change.mark is CompletedMark.MOVED:
        return MarkConfirmation(_describe_move(letter), f"{path}/map", _build_undo_fields(change.former_folder))
    is_unread = letter["read_at"] is None
    if is_unread is not (change.mark is CompletedMark.UNREAD):
        return None
    sender = letter["afzender_naam"]
    if is_unread:
        return MarkConfirmation(get_sentence("letters.done.unread", sender=sender), f"{path}/gelezen")
    return MarkConfirmation(get_sentence("letters.done.read", sender=sender), f"{path}/ongelezen")


def _describe_move(letter: ResultRow) -> str:
    folder, sender = letter["folder"], letter["afzender_naam"]
    if folder is None:
        return get_sentence("letters.done.no_folder", sender=sender)
    if folder == ARCHIVE_FOLDER:
        return get_sentence("letters.done.archived", sender=sender)
    return get_sentence("letters.done.moved", sender=sender, folder=folder)


def _build_undo_fields(former_folder: str | None) -> dict[str, str]:
    if former_folder is None:
        return {"map": NO_FOLDER}
    if former_folder == ARCHIVE_FOLDER:
        return {"map": ARCHIVE}
    # The folder may be empty now, and so not among the existing ones.
    return {"map": NEW_FOLDER, "naam": former_folder}
