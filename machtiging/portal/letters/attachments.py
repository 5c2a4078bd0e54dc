"""Attachments of the citizen's letters, saved or opened in the browser.

A sender made the PDF, so it may be hostile. Opened, it stands in a tab of its own with nothing allowed and no frame
around it (docs/decisions/0020). Both ways have the same guard and journal line.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.download import authorize_download, stream_bijlage
from machtiging.berichtenbox.routes import build_download_headers
from machtiging.berichtenbox.rules import PDF_MEDIA_TYPE
from machtiging.identity.session import Citizen
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.http_methods.head import build_head_response, is_head

router = APIRouter(include_in_schema=False)
# No `sandbox`: Chromium then refuses to show a PDF. `nosniff` and `X-Frame-Options` are on every response.
INLINE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class AttachmentDisplay(StrEnum):
    """The display of an attachment in the browser. Values travel in the URL."""

    INLINE = "inline"


@router.get("/brieven/{bericht_id}/bijlagen/{bijlage_id}")
async def serve_attachment(
    request: Request,
    bericht_id: UUID,
    bijlage_id: UUID,
    visitor: Citizen,
    session: Transaction,
    weergave: AttachmentDisplay | None = None,
) -> Response:
    """Send an attachment, to save or to open. Raises NotFound `bericht_onbekend`."""
    services, actor = access_services(request), build_citizen_actor(visitor)
    ids = (bericht_id, bijlage_id)
    found = await authorize_download(session, services.keyring, services.policy, actor, ids, at=services.clock.now())
    if weergave is AttachmentDisplay.INLINE:
        headers = build_download_headers(found, disposition="inline") | INLINE_HEADERS
    else:
        headers = build_download_headers(found)
    if is_head(request):
        return build_head_response(PDF_MEDIA_TYPE, headers)
    pieces = stream_bijlage(services.sessions, actor, found, services.clock)
    return StreamingResponse(pieces, media_type=PDF_MEDIA_TYPE, headers=headers)
