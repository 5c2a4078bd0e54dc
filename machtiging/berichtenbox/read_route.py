"""GET of one letter, the most frequent request, as a direct route.

It has its OpenAPI description and its door like any route. Its dependencies are called directly, and its statements run
on an autocommit connection. One loads the token and the envelope. One journals and fetches the content with an
optimistic lock (docs/decisions/0005). At the first read of a letter a third one marks it. The rules are the same as on
every other route.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from machtiging.access.bearer import TokenUser, authenticate_user_token, read_addressed_machtiging
from machtiging.access.dependencies import access_services
from machtiging.access.permit import Permit
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.queries import EnvelopeLookup, TokenAndEnvelopeQuery
from machtiging.berichtenbox.reader import (
    BerichtView,
    ReadResult,
    authorize_reading,
    read_bericht,
    retry_while_changed,
)
from machtiging.berichtenbox.schemas import BerichtOut
from machtiging.delegation.rules import Act
from machtiging.storage.autocommit import autocommit_connection
from machtiging.web.content_negotiation import require_acceptable
from machtiging.web.direct_routes import direct_route
from machtiging.web.http_methods.head import build_head_response, is_head
from machtiging.web.openapi import declare_required_action

BerichtIdInPath = Annotated[str, Path(alias="berichtId", json_schema_extra={"format": "uuid"})]
_negotiate_json = require_acceptable("application/json")


async def _respond_with_bericht(request: Request) -> Response:
    services = access_services(request)
    await _negotiate_json(request)
    bericht_id, addressed = rules.parse_id(request.path_params["berichtId"]), read_addressed_machtiging(request)

    async def attempt_reading(number: int) -> ReadResult | None:
        query = TokenAndEnvelopeQuery(bericht_id, at := services.clock.now(), addressed=addressed)
        actor = await authenticate_user_token(request, connection, query, is_retry=number > 0)
        lookup = EnvelopeLookup(bericht_id, query.envelope)
        if is_head(request):
            return await authorize_reading(connection, services.policy, actor, lookup, at=at)
        return await read_bericht(connection, services.keyring, services.policy, actor, lookup, at=at)

    async with autocommit_connection(services.sessions) as connection:
        letter = await retry_while_changed(attempt_reading)
    if isinstance(letter, Permit):
        return build_head_response("application/json")
    body = BerichtOut.model_validate(_to_bericht_out(letter))
    return Response(body.model_dump_json(exclude_none=True), media_type="application/json")


def _to_bericht_out(bericht: BerichtView) -> dict[str, Any]:
    bijlagen = [
        {"bijlageId": str(one.bijlage_id), "naam": one.naam, "mimeType": one.mime_type, "grootte": one.size}
        for one in bericht.bijlagen
    ]
    return {
        "berichtId": str(bericht.bericht_id),
        "afzender": {"oin": bericht.afzender.oin, "naam": bericht.afzender.naam},
        "dienst": bericht.dienst,
        "onderwerp": bericht.onderwerp,
        "inhoud": bericht.inhoud,
        "publicatietijdstip": bericht.published_at,
        "tijdstipOntvangst": bericht.received_at,
        "bijlagen": bijlagen,
        "status": {"gelezen": True, "map": bericht.folder, "gewijzigdOp": bericht.changed_at},
    }


# FastAPI never calls this: it gives the route its door, parameters and description in the OpenAPI document.
async def get_bericht(actor: TokenUser, bericht_id: BerichtIdInPath) -> None:
    """Een heel bericht. Dat u het las wordt vastgelegd; de vertegenwoordigde kan dat zien."""


def add_read_route(router: APIRouter, operation_id: str) -> None:
    """Add the route to a router, before the routes that change a letter."""
    router.add_api_route(
        "/berichten/{berichtId}",
        get_bericht,
        response_model=BerichtOut,
        summary="Een bericht lezen",
        operation_id=operation_id,
        tags=["Berichten"],
        dependencies=[Depends(_negotiate_json)],
        openapi_extra=declare_required_action(Act.READ),
        route_class_override=direct_route(_respond_with_bericht),
    )
