"""The page of one letter. The same authorization checks as for helpers."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.access.permit import Permit
from machtiging.berichtenbox.helping.note_lists import load_notes_of_letter
from machtiging.berichtenbox.own_box.neighbours import find_neighbours
from machtiging.berichtenbox.queries import EnvelopeLookup, find_bericht
from machtiging.berichtenbox.reader import ReadResult, authorize_reading, read_bericht, retry_while_changed
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER
from machtiging.identity.session import Citizen
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.letters.helper_notes import describe_notes
from machtiging.portal.letters.letter_readers import describe_readers
from machtiging.portal.letters.sharing import can_share
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.http_methods.head import build_head_response, is_head
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/brieven/{bericht_id}")
async def show_letter(request: Request, bericht_id: UUID, visitor: Citizen, session: Transaction) -> Response:
    """Show one letter and mark it as read. Raises NotFound `bericht_onbekend`."""
    services, actor = access_services(request), build_citizen_actor(visitor)

    async def attempt_reading(_number: int) -> ReadResult | None:
        at = services.clock.now()
        lookup = EnvelopeLookup(bericht_id, await find_bericht(session, bericht_id, actor.person_id, at))
        if is_head(request):
            return await authorize_reading(session, services.policy, actor, lookup, at=at)
        return await read_bericht(session, services.keyring, services.policy, actor, lookup, at=at)

    letter = await retry_while_changed(attempt_reading)
    if isinstance(letter, Permit):
        return build_head_response("text/html")
    at = services.clock.now()
    notes = await load_notes_of_letter(session, services.keyring, visitor.person_id, letter.bericht_id)
    place = (letter.published_at, letter.bericht_id)
    return render_page(
        request,
        "bericht.html",
        letter=letter,
        paragraphs=split_paragraphs(letter.inhoud),
        theme=THEME_LABELS[letter.theme],
        notes=await describe_notes(session, services.keyring, notes),
        seen_by=await describe_readers(session, services.keyring, visitor, letter),
        neighbours=await find_neighbours(session, visitor.person_id, place, folder=letter.folder, at=at),
        is_archived=letter.folder == ARCHIVE_FOLDER,
        is_shareable=can_share(letter.sensitivity),
    )


def split_paragraphs(inhoud: str) -> list[list[str]]:
    """Split the text of a letter into paragraphs of lines. An empty line separates two paragraphs."""
    return [part.splitlines() for part in inhoud.split("\n\n") if part.strip()]
