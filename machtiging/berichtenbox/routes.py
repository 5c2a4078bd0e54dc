"""REST API of the box under /api/v1."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from machtiging.access.bearer import DELIVER, Agency, Helper
from machtiging.access.dependencies import access_services
from machtiging.access.recheck import recheck
from machtiging.berichtenbox import read_route, rules
from machtiging.berichtenbox.browse import LARGEST_PAGE, Page, Wanted, browse
from machtiging.berichtenbox.deliver import Aanlevering, answered_for, deliver
from machtiging.berichtenbox.download import Download, contents, download
from machtiging.berichtenbox.keep import Change, delete, mark
from machtiging.berichtenbox.read_route import BerichtIdInPath
from machtiging.berichtenbox.receive import Received, receive
from machtiging.berichtenbox.schemas import (
    AanleveringIn,
    AanleveringOut,
    BerichtenOut,
    BerichtIn,
    Reference,
    StatusIn,
    StatusOut,
)
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import InvalidInput
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.http_methods.head import head_response, is_head
from machtiging.web.negotiation import gives, preferred, takes
from machtiging.web.openapi import SCHEMA_REF, needs_action, needs_scope
from machtiging.web.validation import Strict, parsed

API = "/api/v1"
AANLEVERINGEN = API + "/aanleveringen"
# For `web.body_limits`: the only path with a higher limit.
LARGER_BODIES = {AANLEVERINGEN: rules.AANLEVERING_BYTES}
MERGE_PATCH = "application/merge-patch+json"
_FIELDS = {"gelezen": "read", "map": "folder"}
router = APIRouter(prefix=API)
_JSON = [Depends(gives("application/json"))]
# Both types give the same bytes. The second is for clients without PDF support.
_DOWNLOADS = (rules.PDF, rules.BYTES)

BijlageIdInPath = Annotated[str, Path(alias="bijlageId", json_schema_extra={"format": "uuid"})]


def _body(model: type[Strict], media_type: str, **more: Any) -> dict[str, Any]:
    described = model.model_json_schema(ref_template=SCHEMA_REF)
    models = described.pop("$defs", {}) | {model.__name__: described}
    content = {media_type: {"schema": {"$ref": SCHEMA_REF.format(model=model.__name__), "$defs": models}, **more}}
    return {"requestBody": {"required": True, "content": content}}


# RFC 7578: each part has a type of its own.
_PARTS = {"bericht": {"contentType": "application/json"}, "bijlage": {"contentType": f"{rules.PDF}, {rules.BYTES}"}}


@router.post(
    "/aanleveringen",
    status_code=201,
    response_model=AanleveringOut,
    responses={200: {"model": AanleveringOut, "description": "Dit bericht was er al."}},
    summary="Een bericht aanleveren",
    operation_id="leverBerichtAan",
    tags=["Aanleveringen"],
    dependencies=[Depends(takes("multipart/form-data")), *_JSON],
    openapi_extra=_body(AanleveringIn, "multipart/form-data", encoding=_PARTS) | needs_scope(DELIVER),
)
async def post_aanlevering(
    request: Request,
    sender: Agency,
    session: Transaction,
    idempotency_key: Annotated[
        str | None, Header(description="Kenmerk van de afzender als het bericht er geen heeft.")
    ] = None,
) -> Response:
    """Lever één bericht met bijlagen aan. Hetzelfde bericht met hetzelfde kenmerk is één bericht."""
    services = access_services(request)
    opened_at = services.clock.now()
    # The upload may take minutes. Commit now, so that no database connection is held meanwhile.
    await session.commit()
    async with answered_for(session, sender, services.clock):
        received = await receive(request.headers["content-type"], request.stream())
        try:
            aanlevering = _aanlevering(received, idempotency_key)
            # A savepoint: a refusal at the end rolls back the letter and keeps the journal line.
            async with session.begin_nested():
                delivered = await deliver(session, services.keyring, sender, aanlevering, at=services.clock.now())
                await recheck(request, session, opened_at=opened_at)
        finally:
            received.close()
    place = {"Location": f"{services.issuer}{API}/berichten/{delivered.bericht_id}"}
    return JSONResponse({"berichtId": str(delivered.bericht_id)}, 201 if delivered.new else 200, place)


def _header_text(value: str) -> str:
    """Decode a header as UTF-8. The server gives it as ISO 8859-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _aanlevering(received: Received, idempotency_key: str | None) -> Aanlevering:
    bericht = parsed(BerichtIn, bytes(received.bericht or b""), "bericht_ongeldig")
    kenmerk = bericht.kenmerk
    if kenmerk is None and idempotency_key is not None:
        # The Idempotency-Key draft uses a quoted string; both forms are accepted.
        offered = json.dumps({"kenmerk": _header_text(idempotency_key).strip().strip('"')}).encode()
        kenmerk = parsed(Reference, offered, "kenmerk_ongeldig").kenmerk
    if kenmerk is None:
        sentence = "Geef een kenmerk mee, in het bericht of in de kop Idempotency-Key."
        raise InvalidInput("kenmerk_ontbreekt", sentence, fields={"kenmerk": sentence})
    return Aanlevering(bericht, kenmerk, received.bijlagen)


@router.get(
    "/berichten",
    response_model=BerichtenOut,
    response_model_exclude_none=True,
    summary="De lijst van berichten",
    operation_id="lijstBerichten",
    tags=["Berichten"],
    dependencies=_JSON,
    openapi_extra=needs_action(Act.LIST),
)
async def get_berichten(
    request: Request,
    actor: Helper,
    session: Transaction,
    cursor: Annotated[str | None, Query(max_length=200, description="Waar de lijst verder gaat, uit `_links`.")] = None,
    aantal: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Hoeveel berichten per keer.")] = 20,
) -> dict[str, Any]:
    """De berichten die u mag zien, de nieuwste eerst. De tekst zit er niet bij."""
    services = access_services(request)
    wanted = Wanted(cursor, aantal)
    page = await browse(session, services.keyring, services.policy, actor, wanted, at=services.clock.now())
    return _page_out(page, wanted, services.issuer + API + "/berichten")


def _page_out(page: Page, wanted: Wanted, here: str) -> dict[str, Any]:
    def link(cursor: str | None) -> dict[str, str]:
        return {"href": f"{here}?aantal={wanted.size}" + (f"&cursor={quote(cursor)}" if cursor else "")}

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
    links = {"self": link(wanted.cursor)} | ({"next": link(page.next_cursor)} if page.next_cursor else {})
    return {"berichten": summaries, "_links": links}


read_route.add_to(router)


@router.patch(
    "/berichten/{berichtId}",
    response_model=StatusOut,
    response_model_exclude_none=True,
    summary="Een bericht markeren",
    operation_id="markeerBericht",
    tags=["Berichten"],
    dependencies=[Depends(takes(MERGE_PATCH, "application/json")), *_JSON],
    openapi_extra=_body(StatusIn, MERGE_PATCH) | needs_action(Act.MARK),
)
async def patch_bericht(
    request: Request, actor: Helper, session: Transaction, bericht_id: BerichtIdInPath
) -> dict[str, Any]:
    """Markeer als (on)gelezen of leg in een map. Alleen voor uw eigen berichten, niet voor wie meeleest.

    Het toegangsbewijs moet de handeling `markeren` geven: vraag die in `authorization_details`, zonder machtiging.
    """
    services = access_services(request)
    status = parsed(StatusIn, await request.body())
    named = frozenset(_FIELDS[name] for name in status.model_fields_set)
    change = Change(named, status.gelezen, status.map)
    marks = await mark(session, services.policy, actor, rules.id_from(bericht_id), change, at=services.clock.now())
    return {"gelezen": marks.read, "map": marks.folder, "gewijzigdOp": marks.changed_at}


@router.delete(
    "/berichten/{berichtId}",
    status_code=204,
    summary="Een bericht verwijderen",
    operation_id="verwijderBericht",
    tags=["Berichten"],
    openapi_extra=needs_action(Act.DELETE),
)
async def delete_bericht(request: Request, actor: Helper, session: Transaction, bericht_id: BerichtIdInPath) -> None:
    """Verwijder een bericht uit uw berichtenbox. Alleen voor uw eigen berichten, niet voor wie meeleest.

    Het toegangsbewijs moet de handeling `verwijderen` geven: vraag die in `authorization_details`, zonder machtiging.
    """
    services = access_services(request)
    await delete(session, services.policy, actor, rules.id_from(bericht_id), at=services.clock.now())


@router.get(
    "/berichten/{berichtId}/bijlagen/{bijlageId}",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _DOWNLOADS}}},
    summary="Een bijlage downloaden",
    operation_id="downloadBijlage",
    tags=["Berichten"],
    dependencies=[Depends(gives(*_DOWNLOADS))],
    openapi_extra=needs_action(Act.DOWNLOAD),
)
async def get_bijlage(
    request: Request, actor: Helper, session: Transaction, bericht_id: BerichtIdInPath, bijlage_id: BijlageIdInPath
) -> Response:
    """De bijlage als download. Eindigt de machtiging onderweg, dan breekt de download af."""
    services = access_services(request)
    asked = rules.id_from(bericht_id), rules.id_from(bijlage_id)
    found = await download(session, services.keyring, services.policy, actor, asked, at=services.clock.now())
    media_type = preferred(request, *_DOWNLOADS)
    if is_head(request):
        return head_response(media_type, headers_of(found))
    body = contents(services.sessions, actor, found, services.clock)
    return StreamingResponse(body, media_type=media_type, headers=headers_of(found))


def headers_of(found: Download) -> dict[str, str]:
    """Build the headers of a download: saved as a file, never displayed (RFC 6266, RFC 8187)."""
    plain = "".join(
        letter if (letter.isascii() and letter.isalnum()) or letter in "._- " else "_" for letter in found.naam
    )
    name = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(found.naam, safe='')}"
    return {"Content-Disposition": name, "Content-Length": str(found.size)}
