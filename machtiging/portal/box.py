"""The citizen's own berichtenbox: list, letter, attachments. Same authorization checks as for helpers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from machtiging.access.actor import own_actor
from machtiging.berichtenbox.browse import Wanted, browse
from machtiging.berichtenbox.download import contents, download
from machtiging.berichtenbox.read import check_readable, read
from machtiging.berichtenbox.routes import headers_of
from machtiging.identity.session import Citizen
from machtiging.oauth.dependencies import oauth_services
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.http_methods.head import head_response, is_head
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
PAGE = 20
_LONGEST_CURSOR = 200


@router.get("/berichten")
async def letters(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    vanaf: Annotated[str | None, Query(max_length=_LONGEST_CURSOR)] = None,
) -> HTMLResponse:
    """List the letters, newest first."""
    services = oauth_services(request)
    wanted = Wanted(vanaf, PAGE)
    actor, at = own_actor(visitor), services.clock.now()
    found = await browse(session, services.keyring, services.policy, actor, wanted, at=at)
    return page(request, "berichten.html", found=found, first=vanaf is None)


@router.get("/berichten/{bericht_id}")
async def letter(request: Request, bericht_id: UUID, visitor: Citizen, session: Transaction) -> Response:
    """Show one letter and mark it as read. Raises NotFound `bericht_onbekend`."""
    services, actor = oauth_services(request), own_actor(visitor)
    if is_head(request):
        await check_readable(session, services.policy, actor, bericht_id, at=services.clock.now())
        return head_response("text/html")
    found = await read(session, services.keyring, services.policy, actor, bericht_id, at=services.clock.now())
    paragraphs = [part.splitlines() for part in found.inhoud.split("\n\n") if part.strip()]
    return page(request, "bericht.html", letter=found, paragraphs=paragraphs)


@router.get("/berichten/{bericht_id}/bijlagen/{bijlage_id}")
async def attachment(
    request: Request, bericht_id: UUID, bijlage_id: UUID, visitor: Citizen, session: Transaction
) -> Response:
    """Send an attachment as a download: a PDF must never run inside our pages."""
    services, actor = oauth_services(request), own_actor(visitor)
    asked = (bericht_id, bijlage_id)
    found = await download(session, services.keyring, services.policy, actor, asked, at=services.clock.now())
    if is_head(request):
        return head_response("application/pdf", headers_of(found))
    pieces = contents(services.sessions, actor, found, services.clock)
    return StreamingResponse(pieces, media_type="application/pdf", headers=headers_of(found))
