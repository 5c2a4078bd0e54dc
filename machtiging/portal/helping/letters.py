"""Letters of another person, read by a helper in a login session: list, letter, attachments.

The guard decides and journals as for a token. Nothing here decides.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response, StreamingResponse

from machtiging.access.actor import build_helper_actor
from machtiging.access.bearer import read_addressed_machtiging
from machtiging.access.dependencies import access_services
from machtiging.access.permit import Permit
from machtiging.access.session_lookup import load_session_authority_for_share
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.bericht_list import BerichtPageRequest, list_berichten
from machtiging.berichtenbox.download import authorize_download, stream_bijlage
from machtiging.berichtenbox.helping.note_lists import load_notes_of_letter
from machtiging.berichtenbox.queries import find_session_and_bericht
from machtiging.berichtenbox.read_route import BerichtIdInPath
from machtiging.berichtenbox.reader import BerichtView, ReadResult, authorize_reading, read_bericht, retry_while_changed
from machtiging.berichtenbox.routes import BijlageIdInPath, build_download_headers
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.session import Citizen, Visitor
from machtiging.portal import views
from machtiging.portal.helping.box import MachtigingIdInPath, answer_or_say_not_now, open_helped_box
from machtiging.portal.helping.paths import BUSINESS_ROOT, box_path, box_root
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.letters.letter_page import split_paragraphs
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.http_methods.head import build_head_response, is_head
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 20
_MAX_CURSOR_LENGTH = 200


async def _describe_agreement(session: AsyncSession, authority: Authority | None) -> views.AgreementView | None:
    return None if authority is None else views.describe_authority(authority, await views.load_agency_names(session))


@router.get("/ik-help/{machtigingId}/brieven")
@router.get("/werk/clienten/{machtigingId}/brieven")
@router.get("/bedrijf/{machtigingId}/brieven")
async def show_letters(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    visitor: Citizen,
    session: Transaction,
    vanaf: Annotated[str | None, Query(max_length=_MAX_CURSOR_LENGTH)] = None,
) -> Response:
    """List the letters that the helper may see, newest first. It tells nothing of other letters."""
    services = access_services(request)
    at = services.clock.now()
    box = await open_helped_box(request, session, services.keyring, visitor, at=at)
    page_request = BerichtPageRequest(vanaf, PAGE_SIZE)

    async def open_page() -> Response:
        found = await list_berichten(session, services.keyring, services.policy, box.actor, page_request, at=at)
        agreement = await _describe_agreement(session, box.actor.authority)
        values: dict[str, Any] = {
            "found": found,
            "first": vanaf is None,
            "agreement": agreement,
            "box": box_path(request, machtiging_id),
            "root": box_root(request),
        }
        return render_page(request, "helping_letters.html", on_behalf_of=box.owner_name, **values)

    return await answer_or_say_not_now(request, open_page)


@router.get("/ik-help/{machtigingId}/brieven/{berichtId}")
@router.get("/werk/clienten/{machtigingId}/brieven/{berichtId}")
@router.get("/bedrijf/{machtigingId}/brieven/{berichtId}")
async def show_letter(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    bericht_id: BerichtIdInPath,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
) -> Response:
    """Show one letter. The helper has a read mark of his own. Raises NotFound `bericht_onbekend`."""
    services = access_services(request)
    letter_id, addressed = rules.parse_id(bericht_id), read_addressed_machtiging(request)
    authority: Authority | None = None

    async def attempt_reading(_number: int) -> ReadResult | None:
        nonlocal authority
        at = services.clock.now()
        authority, lookup = await find_session_and_bericht(session, visitor, addressed, letter_id, at=at)
        actor = build_helper_actor(visitor, authority, machtiging_id)
        if is_head(request):
            return await authorize_reading(session, services.policy, actor, lookup, at=at)
        return await read_bericht(session, services.keyring, services.policy, actor, lookup, at=at)

    async def open_page() -> Response:
        letter = await retry_while_changed(attempt_reading)
        if isinstance(letter, Permit) or authority is None:
            return build_head_response("text/html")
        return await _render_letter(request, session, visitor, authority, letter, gedaan)

    return await answer_or_say_not_now(request, open_page)


async def _render_letter(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    authority: Authority,
    letter: BerichtView,
    gedaan: str | None,
) -> Response:
    keyring = access_services(request).keyring
    name = await views.PersonNames(session, keyring).load_name(letter.ontvanger_id)
    ids = (letter.ontvanger_id, letter.bericht_id)
    values: dict[str, Any] = {
        "letter": letter,
        "paragraphs": split_paragraphs(letter.inhoud),
        "box": box_path(request, authority.machtiging_id),
        "theme": THEME_LABELS[letter.theme],
        "purpose": authority.leaf.purpose,
        "ends_at": authority.ends_at,
        "notes": await load_notes_of_letter(session, keyring, *ids, author_id=visitor.person_id),
        "gedaan": gedaan,
        "is_business": box_root(request) == BUSINESS_ROOT,
    }
    return render_page(request, "helping_letter.html", on_behalf_of=name, under=authority.leaf.purpose, **values)


@router.get("/ik-help/{machtigingId}/brieven/{berichtId}/bijlagen/{bijlageId}")
@router.get("/werk/clienten/{machtigingId}/brieven/{berichtId}/bijlagen/{bijlageId}")
@router.get("/bedrijf/{machtigingId}/brieven/{berichtId}/bijlagen/{bijlageId}")
async def serve_attachment(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    bericht_id: BerichtIdInPath,
    bijlage_id: BijlageIdInPath,
    visitor: Citizen,
    session: Transaction,
) -> Response:
    """Send an attachment as a download. It breaks off when the machtiging or the session ends."""
    services = access_services(request)
    at = services.clock.now()
    authority = await load_session_authority_for_share(session, visitor, read_addressed_machtiging(request), at=at)
    actor = build_helper_actor(visitor, authority, machtiging_id)
    ids = rules.parse_id(bericht_id), rules.parse_id(bijlage_id)

    async def open_page() -> Response:
        found = await authorize_download(session, services.keyring, services.policy, actor, ids, at=at)
        headers = build_download_headers(found)
        if is_head(request):
            return build_head_response(rules.PDF_MEDIA_TYPE, headers)
        pieces = stream_bijlage(services.sessions, actor, found, services.clock)
        return StreamingResponse(pieces, media_type=rules.PDF_MEDIA_TYPE, headers=headers)

    return await answer_or_say_not_now(request, open_page)
