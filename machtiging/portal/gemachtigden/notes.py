"""The list of notes of one helper, for the citizen."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.helping.note_lists import HelperNote, NoteCursor, load_notes_under_machtigingen
from machtiging.delegation.authority.holders import load_descendant_ids
from machtiging.identity.session import Citizen
from machtiging.kernel.ids import MachtigingId
from machtiging.portal.gemachtigden.cards import build_helper_card, load_given_card
from machtiging.portal.gemachtigden.overview import PossibleInstant
from machtiging.portal.letters.helper_notes import describe_notes
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 20


@router.get("/helpers/{machtiging_id}/notities")
async def show_notes(
    request: Request,
    machtiging_id: UUID,
    visitor: Citizen,
    session: Transaction,
    voor: Annotated[PossibleInstant | None, Query()] = None,
    na: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """List what helpers wrote under this machtiging. Raises NotFound `machtiging_onbekend` if it is not the visitor's.

    `voor` and `na` are the pagination cursor.
    """
    keyring, at = access_services(request).keyring, access_services(request).clock.now()
    card = await load_given_card(request, session, visitor, MachtigingId(machtiging_id))
    ids = [card.id, *await load_descendant_ids(session, MachtigingId(card.id))]
    before = None if voor is None or na is None else NoteCursor(voor, na)
    found = await load_notes_under_machtigingen(
        session, keyring, visitor.person_id, ids, limit=PAGE_SIZE + 1, before=before
    )
    page = found[:PAGE_SIZE]
    return render_page(
        request,
        "helpers_notes.html",
        helper=build_helper_card(card, at),
        notes=await describe_notes(session, keyring, page),
        is_first=before is None,
        newest=_path(card.id) if before else "",
        older=_link_to_older(card.id, page[-1]) if len(found) > PAGE_SIZE else "",
    )


def _path(machtiging_id: UUID) -> str:
    return f"/helpers/{machtiging_id}/notities"


def _link_to_older(machtiging_id: UUID, last: HelperNote) -> str:
    cursor = {"voor": last.cursor.written_at.isoformat(), "na": last.cursor.note_id}
    return f"{_path(machtiging_id)}?{urlencode(cursor)}"
