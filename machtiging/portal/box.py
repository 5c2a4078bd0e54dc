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
    state = request.app.state
    wanted = Wanted(vanaf, PAGE)
    found = await browse(session, state.keyring, state.policy, own_actor(visitor), wanted, at=state.clock.now())
    return page(request, "berichten.html", found=found, first=vanaf is None)


@router.get("/berichten/{bericht_id}")
async def letter(request: Request, bericht_id: UUID, visitor: Citizen, session: Transaction) -> Response:
    """Show one letter and mark it as read. Raises NotFound `bericht_onbekend`."""
    state = request.app.state
    if is_head(request):
        await check_readable(session, state.policy, own_actor(visitor), bericht_id, at=state.clock.now())
        return head_response("text/html")
    found = await read(session, state.keyring, state.policy, own_actor(visitor), bericht_id, at=state.clock.now())
    paragraphs = [part.splitlines() for part in found.inhoud.split("\n\n") if part.strip()]
    return page(request, "bericht.html", letter=found, paragraphs=paragraphs)


@router.get("/berichten/{bericht_id}/bijlagen/{bijlage_id}")
async def attachment(
    request: Request, bericht_id: UUID, bijlage_id: UUID, visitor: Citizen, session: Transaction
) -> Response:
    """Send an attachment as a download: a PDF must never run inside our pages."""
    state, actor = request.app.state, own_actor(visitor)
    asked = (bericht_id, bijlage_id)
    found = await download(session, state.keyring, state.policy, actor, asked, at=state.clock.now())
    if is_head(request):
        return head_response("application/pdf", headers_of(found))
    pieces = contents(state.sessions, actor, found, state.clock)
    return StreamingResponse(pieces, media_type="application/pdf", headers=headers_of(found))
