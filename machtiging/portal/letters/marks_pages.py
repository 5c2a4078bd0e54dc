"""Mark a letter as new, and move it to a folder or the archive. The guard permits and journals each act."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.marks import BerichtMarks, MarksChange, update_marks
from machtiging.berichtenbox.own_box.folders import count_box
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER, MAX_MAP_LENGTH
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.message_catalogue import get_sentence
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.letters.marks_confirmation import ARCHIVE, NEW_FOLDER, NO_FOLDER, CompletedMark
from machtiging.portal.letters.own_letter import find_own_letter
from machtiging.portal.letters.urls import build_list_url
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
MAX_FOLDERS = 100
# A folder of the citizen in the form: this prefix and its name.
_EXISTING = "in:"


@router.post("/brieven/{bericht_id}/ongelezen")
async def submit_unread(
    request: Request, bericht_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Mark a letter as new. Raises NotFound `bericht_onbekend`."""
    await _change(request, session, visitor, bericht_id, MarksChange(frozenset({"read"}), read=False, folder=None))
    return _redirect_to_list(CompletedMark.UNREAD, bericht_id)


@router.post("/brieven/{bericht_id}/gelezen")
async def submit_read(
    request: Request, bericht_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Mark a letter as read without opening it. Raises NotFound `bericht_onbekend`."""
    await _change(request, session, visitor, bericht_id, MarksChange(frozenset({"read"}), read=True, folder=None))
    return _redirect_to_list(CompletedMark.READ, bericht_id)


@router.get("/brieven/{bericht_id}/map")
async def show_folder_form(request: Request, bericht_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show the form that moves a letter. Raises NotFound `bericht_onbekend`."""
    at = access_services(request).clock.now()
    letter = await find_own_letter(session, visitor, bericht_id, at=at)
    sent = make_blank_form(request, map=_to_choice(letter["folder"]), naam="")
    return await _render_folder_form(request, session, visitor, bericht_id, sent)


@router.post("/brieven/{bericht_id}/map")
async def submit_folder(
    request: Request, bericht_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Move a letter to a folder, to the archive or back. Raises NotFound `bericht_onbekend`."""
    at = access_services(request).clock.now()
    sent = await read_submitted_form(request)
    letter = await find_own_letter(session, visitor, bericht_id, at=at)
    names = [folder.name for folder in (await count_box(session, visitor.person_id, at=at)).folders]
    folder = _read_folder(sent, names)
    if sent.faults:
        return await _render_folder_form(request, session, visitor, bericht_id, sent, status=400)
    await _change(request, session, visitor, bericht_id, MarksChange(frozenset({"folder"}), read=False, folder=folder))
    return _redirect_to_list(CompletedMark.MOVED, bericht_id, letter["folder"])


def _read_folder(sent: SubmittedForm, names: list[str]) -> str | None:
    """Return the chosen folder; None for no folder, or with a fault in the form."""
    allowed = {NO_FOLDER, ARCHIVE, NEW_FOLDER, *(_EXISTING + name for name in names)}
    chosen = sent.read_choice("map", allowed, missing=get_sentence("letters.folder.fault_choice"))
    if chosen == ARCHIVE:
        return ARCHIVE_FOLDER
    if chosen.startswith(_EXISTING):
        return chosen.removeprefix(_EXISTING)
    if chosen != NEW_FOLDER:
        return None
    name = sent.read_text("naam", max_length=MAX_MAP_LENGTH, missing=get_sentence("letters.folder.fault_name"))
    # One folder with two spellings would look like two.
    existing_names = {one.casefold(): one for one in (*names, ARCHIVE_FOLDER)}
    if name.casefold() not in existing_names and len(names) >= MAX_FOLDERS:
        sent.add_fault("naam", get_sentence("letters.folder.fault_too_many", n=MAX_FOLDERS))
    return existing_names.get(name.casefold(), name)


def _to_choice(folder: str | None) -> str:
    if folder is None:
        return NO_FOLDER
    return ARCHIVE if folder == ARCHIVE_FOLDER else _EXISTING + folder


async def _render_folder_form(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    bericht_id: UUID,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> HTMLResponse:
    folders = (await count_box(session, visitor.person_id, at=access_services(request).clock.now())).folders
    options = [(NO_FOLDER, get_sentence("letters.folder.none")), (ARCHIVE, get_sentence("letters.folder.archive"))]
    options += [(_EXISTING + folder.name, folder.name) for folder in folders]
    options.append((NEW_FOLDER, get_sentence("letters.folder.new")))
    return render_page(request, "brief_map.html", status=status, sent=sent, options=options, bericht_id=bericht_id)


async def _change(
    request: Request, session: AsyncSession, visitor: Visitor, bericht_id: UUID, change: MarksChange
) -> BerichtMarks:
    services = access_services(request)
    actor = build_citizen_actor(visitor)
    return await update_marks(session, services.policy, actor, bericht_id, change, at=services.clock.now())


def _redirect_to_list(done: CompletedMark, bericht_id: UUID, former_folder: str | None = None) -> RedirectResponse:
    former = {} if former_folder is None else {"was": former_folder}
    return RedirectResponse(build_list_url(gedaan=done.value, brief=str(bericht_id), **former), 303)
