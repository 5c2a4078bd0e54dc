"""Pages on which a helper writes a note with a letter, or takes one back.

The guard that decides on reading the letter decides here too, on every request.
"""

from __future__ import annotations

import re
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from machtiging.access.actor import build_helper_actor
from machtiging.access.bearer import read_addressed_machtiging
from machtiging.access.dependencies import access_services
from machtiging.access.session_lookup import load_session_authority_for_share
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.helping.notes import MAX_NOTE_LENGTH, NewNote, take_back_note, write_note
from machtiging.berichtenbox.queries import EnvelopeLookup, find_bericht, find_session_and_bericht
from machtiging.berichtenbox.read_route import BerichtIdInPath
from machtiging.berichtenbox.reader import ReadResult, authorize_reading, retry_while_changed
from machtiging.crypto.secrets import generate_token
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.helping.box import MachtigingIdInPath, answer_or_say_not_now
from machtiging.portal.helping.paths import box_path
from machtiging.storage.statement import ResultRow
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_TEXT_FIELD = "tekst"
# Idempotency key of the form, so that two clicks make one note.
_KEY_FIELD = "sleutel"
_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


@router.get("/ik-help/{machtigingId}/brieven/{berichtId}/notitie")
@router.get("/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie")
async def show_note_form(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    bericht_id: BerichtIdInPath,
    visitor: Citizen,
    session: Transaction,
) -> Response:
    """Ask what was done with this letter. Raises NotFound `bericht_onbekend`."""
    sent = make_blank_form(request)

    async def open_page() -> Response:
        return await _render_form(request, session, visitor, machtiging_id, bericht_id, sent)

    return await answer_or_say_not_now(request, open_page)


@router.post("/ik-help/{machtigingId}/brieven/{berichtId}/notitie")
@router.post("/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie")
async def submit_note(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    bericht_id: BerichtIdInPath,
    visitor: Citizen,
    _: CsrfProtected,
    session: Transaction,
) -> Response:
    """Write a note, once, and return to the letter. Raises NotFound `bericht_onbekend`."""
    services, at = access_services(request), access_services(request).clock.now()
    sent = await read_submitted_form(request)
    line = sent.read_text(_TEXT_FIELD, max_length=MAX_NOTE_LENGTH, missing=get_sentence("helping.note.missing"))

    async def write() -> Response:
        if sent.faults:
            return await _render_form(request, session, visitor, machtiging_id, bericht_id, sent, status=400)
        authority = await load_session_authority_for_share(session, visitor, read_addressed_machtiging(request), at=at)
        actor = build_helper_actor(visitor, authority, machtiging_id)
        letter_id = rules.parse_id(bericht_id)
        lookup = EnvelopeLookup(letter_id, await find_bericht(session, letter_id, visitor.person_id, at))
        note = NewNote(line, _read_key(sent))
        try:
            await write_note(session, services.keyring, services.policy, actor, lookup, note, at=at)
        except Conflict as refusal:  # caught here, so that the journal line is committed
            sent.add_fault(_TEXT_FIELD, describe_refusal(refusal))
            return await _render_form(request, session, visitor, machtiging_id, bericht_id, sent, status=409)
        return RedirectResponse(f"{box_path(request, machtiging_id)}/brieven/{letter_id}?gedaan=genoteerd", 303)

    return await answer_or_say_not_now(request, write, typed=sent.first_value(_TEXT_FIELD))


@router.post("/ik-help/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken")
@router.post("/werk/clienten/{machtigingId}/brieven/{berichtId}/notitie/{note_id}/intrekken")
async def submit_take_back(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    bericht_id: BerichtIdInPath,
    note_id: UUID,
    visitor: Citizen,
    _: CsrfProtected,
    session: Transaction,
) -> Response:
    """Take back the visitor's own note. Raises NotFound `bericht_onbekend` or `notitie_onbekend`."""
    services, at = access_services(request), access_services(request).clock.now()

    async def take_back() -> Response:
        authority = await load_session_authority_for_share(session, visitor, read_addressed_machtiging(request), at=at)
        actor = build_helper_actor(visitor, authority, machtiging_id)
        letter_id = rules.parse_id(bericht_id)
        lookup = EnvelopeLookup(letter_id, await find_bericht(session, letter_id, visitor.person_id, at))
        await take_back_note(session, services.policy, actor, lookup, note_id, at=at)
        return RedirectResponse(f"{box_path(request, machtiging_id)}/brieven/{letter_id}?gedaan=ingetrokken", 303)

    return await answer_or_say_not_now(request, take_back)


def _read_key(sent: SubmittedForm) -> str:
    key = sent.first_value(_KEY_FIELD)
    return key if _KEY_PATTERN.fullmatch(key) else generate_token(128)


async def _render_form(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    machtiging_id: str,
    bericht_id: str,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> Response:
    """Render the form for a letter that the visitor may read now. It shows sender and date, not the letter."""
    letter = await _authorize(request, session, visitor, machtiging_id, bericht_id)
    name = await views.PersonNames(session, access_services(request).keyring).load_name(letter["ontvanger_id"])
    values = {"box": box_path(request, machtiging_id), "letter": letter, "sent": sent, "key": _read_key(sent)}
    return render_page(
        request, "helping_note.html", status=status, on_behalf_of=name, max_length=MAX_NOTE_LENGTH, **values
    )


async def _authorize(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: str, bericht_id: str
) -> ResultRow:
    """Authorize reading this letter, journal that, and return its envelope. Raises as `access.guard.issue_permit`."""
    services = access_services(request)
    letter_id, addressed = rules.parse_id(bericht_id), read_addressed_machtiging(request)
    lookup = EnvelopeLookup(letter_id, None)

    async def attempt(_number: int) -> ReadResult | None:
        nonlocal lookup
        at = services.clock.now()
        authority, lookup = await find_session_and_bericht(session, visitor, addressed, letter_id, at=at)
        actor = build_helper_actor(visitor, authority, machtiging_id)
        return await authorize_reading(session, services.policy, actor, lookup, at=at)

    await retry_while_changed(attempt)
    return lookup.envelope or {}
