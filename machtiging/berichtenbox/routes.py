"""REST API of the box under /api/v1."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from machtiging.access.bearer import DELIVERY_SCOPE, Agency, TokenUser
from machtiging.access.dependencies import access_services
from machtiging.access_tokens.revocation_check import assert_token_not_revoked
from machtiging.berichtenbox import read_route, rules
from machtiging.berichtenbox.aanlevering import Aanlevering, deliver_bericht, journal_refusals
from machtiging.berichtenbox.bericht_list import MAX_PAGE_SIZE, BerichtPage, BerichtPageRequest, list_berichten
from machtiging.berichtenbox.download import BijlageDownload, authorize_download, stream_bijlage
from machtiging.berichtenbox.marks import MarksChange, soft_delete_bericht, update_marks
from machtiging.berichtenbox.multipart import ReceivedAanlevering, receive_aanlevering
from machtiging.berichtenbox.read_route import BerichtIdInPath
from machtiging.berichtenbox.schemas import (
    AanleveringIn,
    AanleveringOut,
    BerichtenOut,
    BerichtIn,
    KenmerkHeader,
    StatusIn,
    StatusOut,
)
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import InvalidInput, Message
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import negotiate_media_type, require_acceptable, require_content_type
from machtiging.web.http_methods.head import build_head_response, is_head
from machtiging.web.openapi import declare_required_action, declare_required_scope, describe_request_body
from machtiging.web.validation import parse_body

API_PREFIX = "/api/v1"
MACHTIGINGEN_PATH = "/machtigingen"
AANLEVERINGEN_PATH = API_PREFIX + "/aanleveringen"
# For `web.body_limits`: the only path with a higher limit.
BODY_LIMITS = {AANLEVERINGEN_PATH: rules.MAX_AANLEVERING_BYTES}
MERGE_PATCH = "application/merge-patch+json"
_MARKS_BY_MEMBER = {"gelezen": "read", "map": "folder"}
router = APIRouter(prefix=API_PREFIX)
_JSON_ONLY = [Depends(require_acceptable("application/json"))]
# Both types give the same bytes. The second is for clients without PDF support.
_DOWNLOAD_TYPES = (rules.PDF_MEDIA_TYPE, rules.OCTET_STREAM)

BijlageIdInPath = Annotated[str, Path(alias="bijlageId", json_schema_extra={"format": "uuid"})]


# RFC 7578: each part has a type of its own.
_PART_ENCODINGS = {
    "bericht": {"contentType": "application/json"},
    "bijlage": {"contentType": f"{rules.PDF_MEDIA_TYPE}, {rules.OCTET_STREAM}"},
}


@router.post(
    "/aanleveringen",
    status_code=201,
    response_model=AanleveringOut,
    responses={200: {"model": AanleveringOut, "description": "Dit bericht was er al."}},
    summary="Een bericht aanleveren",
    operation_id="leverBerichtAan",
    tags=["Aanleveringen"],
    dependencies=[Depends(require_content_type("multipart/form-data")), *_JSON_ONLY],
    openapi_extra=describe_request_body(AanleveringIn, "multipart/form-data", encoding=_PART_ENCODINGS)
    | declare_required_scope(DELIVERY_SCOPE),
)
async def post_aanlevering(
    request: Request,
    sender: Agency,
    session: Transaction,
    idempotency_key: Annotated[
        str | None, Header(description="Kenmerk van de afzender als het bericht er geen heeft.")
    ] = None,
) -> Response:
    """Lever één bericht met bijlagen aan, voor een burger of een organisatie.

    Hetzelfde bericht met hetzelfde kenmerk is één bericht. U hoeft niet te weten of wij de ontvanger al kennen.
    """
    services = access_services(request)
    opened_at = services.clock.now()
    # The upload may take minutes. Commit now, so that no database connection is held meanwhile.
    await session.commit()
    async with journal_refusals(session, sender, services.clock):
        received = await receive_aanlevering(request.headers["content-type"], request.stream())
        try:
            aanlevering = _build_aanlevering(received, idempotency_key)
            # A savepoint: a refusal at the end rolls back the letter and keeps the journal line.
            async with session.begin_nested():
                delivered = await deliver_bericht(
                    session, services.keyring, sender, aanlevering, at=services.clock.now()
                )
                await assert_token_not_revoked(request, session, opened_at=opened_at)
        finally:
            received.close()
    place = {"Location": f"{services.issuer}{API_PREFIX}/berichten/{delivered.bericht_id}"}
    return JSONResponse({"berichtId": str(delivered.bericht_id)}, 201 if delivered.created else 200, place)


def _decode_header(value: str) -> str:
    """Decode a header as UTF-8. The server gives it as ISO 8859-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _build_aanlevering(received: ReceivedAanlevering, idempotency_key: str | None) -> Aanlevering:
    bericht = parse_body(BerichtIn, bytes(received.bericht or b""), "bericht_ongeldig")
    kenmerk = bericht.kenmerk
    if kenmerk is None and idempotency_key is not None:
        # The Idempotency-Key draft uses a quoted string; both forms are accepted.
        offered = json.dumps({"kenmerk": _decode_header(idempotency_key).strip().strip('"')}).encode()
        kenmerk = parse_body(KenmerkHeader, offered, "kenmerk_ongeldig").kenmerk
    if kenmerk is None:
        raise InvalidInput("kenmerk_ontbreekt", fields={"kenmerk": Message("kenmerk_ontbreekt")})
    return Aanlevering(bericht, kenmerk, received.bijlagen)


async def get_berichten(
    request: Request,
    actor: TokenUser,
    session: Transaction,
    cursor: Annotated[str | None, Query(max_length=200, description="Waar de lijst verder gaat, uit `_links`.")] = None,
    aantal: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Hoeveel berichten per keer.")] = 20,
) -> dict[str, Any]:
    """De berichten die u mag zien, de nieuwste eerst. De tekst zit er niet bij."""
    services = access_services(request)
    wanted = BerichtPageRequest(cursor, aantal)
    page = await list_berichten(session, services.keyring, services.policy, actor, wanted, at=services.clock.now())
    box = "" if actor.addressed_machtiging is None else f"{MACHTIGINGEN_PATH}/{actor.machtiging_id}"
    return _to_page_out(page, wanted, f"{services.issuer}{API_PREFIX}{box}/berichten")


def _to_page_out(page: BerichtPage, page_request: BerichtPageRequest, url: str) -> dict[str, Any]:
    def page_link(cursor: str | None) -> dict[str, str]:
        return {"href": f"{url}?aantal={page_request.size}" + (f"&cursor={quote(cursor)}" if cursor else "")}

    summaries = [
        {
            "berichtId": str(one.bericht_id),
            "afzender": asdict(one.afzender),
            "onderwerp": one.onderwerp,
            "publicatietijdstip": one.published_at,
            "bijlagen": one.bijlagen,
            "gelezen": one.read,
        }
        for one in page.summaries
    ]
    links = {"self": page_link(page_request.cursor)} | (
        {"next": page_link(page.next_cursor)} if page.next_cursor else {}
    )
    return {"berichten": summaries, "_links": links}


def add_list_route(target: APIRouter, operation_id: str) -> None:
    """Add the list of letters to a router, under its prefix."""
    target.add_api_route(
        "/berichten",
        get_berichten,
        response_model=BerichtenOut,
        response_model_exclude_none=True,
        summary="De lijst van berichten",
        operation_id=operation_id,
        tags=["Berichten"],
        dependencies=_JSON_ONLY,
        openapi_extra=declare_required_action(Act.LIST),
    )


add_list_route(router, "lijstBerichten")
read_route.add_read_route(router, "leesBericht")


@router.patch(
    "/berichten/{berichtId}",
    response_model=StatusOut,
    response_model_exclude_none=True,
    summary="Een bericht markeren",
    operation_id="markeerBericht",
    tags=["Berichten"],
    dependencies=[Depends(require_content_type(MERGE_PATCH, "application/json")), *_JSON_ONLY],
    openapi_extra=describe_request_body(StatusIn, MERGE_PATCH) | declare_required_action(Act.MARK),
)
async def patch_bericht(
    request: Request, actor: TokenUser, session: Transaction, bericht_id: BerichtIdInPath
) -> dict[str, Any]:
    """Markeer als (on)gelezen of leg in een map. Alleen voor uw eigen berichten, niet voor wie meeleest.

    Het toegangsbewijs moet de handeling `markeren` geven: vraag die in `authorization_details`, zonder machtiging.
    """
    services = access_services(request)
    status = parse_body(StatusIn, await request.body())
    named = frozenset(_MARKS_BY_MEMBER[name] for name in status.model_fields_set)
    change = MarksChange(named, status.gelezen, status.map)
    marks = await update_marks(
        session, services.policy, actor, rules.parse_id(bericht_id), change, at=services.clock.now()
    )
    return {"gelezen": marks.read, "map": marks.folder, "gewijzigdOp": marks.changed_at}


@router.delete(
    "/berichten/{berichtId}",
    status_code=204,
    summary="Een bericht verwijderen",
    operation_id="verwijderBericht",
    tags=["Berichten"],
    openapi_extra=declare_required_action(Act.DELETE),
)
async def delete_bericht(request: Request, actor: TokenUser, session: Transaction, bericht_id: BerichtIdInPath) -> None:
    """Verwijder een bericht uit uw berichtenbox. Alleen voor uw eigen berichten, niet voor wie meeleest.

    Het toegangsbewijs moet de handeling `verwijderen` geven: vraag die in `authorization_details`, zonder machtiging.
    """
    services = access_services(request)
    await soft_delete_bericht(session, services.policy, actor, rules.parse_id(bericht_id), at=services.clock.now())


async def get_bijlage(
    request: Request, actor: TokenUser, session: Transaction, bericht_id: BerichtIdInPath, bijlage_id: BijlageIdInPath
) -> Response:
    """De bijlage als download. Eindigt de machtiging onderweg, dan breekt de download af."""
    services = access_services(request)
    ids = rules.parse_id(bericht_id), rules.parse_id(bijlage_id)
    found = await authorize_download(session, services.keyring, services.policy, actor, ids, at=services.clock.now())
    media_type = negotiate_media_type(request, *_DOWNLOAD_TYPES)
    if is_head(request):
        return build_head_response(media_type, build_download_headers(found))
    body = stream_bijlage(services.sessions, actor, found, services.clock)
    return StreamingResponse(body, media_type=media_type, headers=build_download_headers(found))


def add_download_route(target: APIRouter, operation_id: str) -> None:
    """Add the download of a bijlage to a router, under its prefix."""
    contents = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _DOWNLOAD_TYPES}
    target.add_api_route(
        "/berichten/{berichtId}/bijlagen/{bijlageId}",
        get_bijlage,
        response_class=StreamingResponse,
        responses={200: {"content": contents}},
        summary="Een bijlage downloaden",
        operation_id=operation_id,
        tags=["Berichten"],
        dependencies=[Depends(require_acceptable(*_DOWNLOAD_TYPES))],
        openapi_extra=declare_required_action(Act.DOWNLOAD),
    )


add_download_route(router, "downloadBijlage")


def build_download_headers(bijlage: BijlageDownload, *, disposition: str = "attachment") -> dict[str, str]:
    """Build the headers of a download (RFC 6266, RFC 8187).

    An `attachment` is saved as a file and never displayed. `inline` needs a CSP of its own beside these.
    """
    plain = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "._- " else "_" for letter in bijlage.naam
    )
    name = f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{quote(bijlage.naam, safe='')}"
    return {"Content-Disposition": name, "Content-Length": str(bijlage.size)}
