"""GET of one letter, the most frequent request, as a direct route.

It has its OpenAPI description and its door like any route. Its dependencies are called directly, and its statements run
on an autocommit connection: one reads, one acts with an optimistic lock (docs/decisions/0005). The rules are the same
as on every other route.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from machtiging.access.bearer import Helper, helper
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox import rules
from machtiging.berichtenbox.queries import LookAlong
from machtiging.berichtenbox.read import Letter, check_readable_while_open, read_while_open
from machtiging.berichtenbox.schemas import BerichtOut
from machtiging.delegation.rules import Act
from machtiging.kernel.errors import Fault
from machtiging.storage.straight import one_by_one
from machtiging.web.http_methods.head import head_response, is_head
from machtiging.web.negotiation import gives
from machtiging.web.openapi import needs_action
from machtiging.web.short_way import answered_by

BerichtIdInPath = Annotated[str, Path(alias="berichtId", json_schema_extra={"format": "uuid"})]
# A retry follows a concurrent change of the token or the machtiging. Even one is rare.
_TRIES = 5
_gives_json = gives("application/json")


async def _bericht(request: Request) -> Response:
    services = access_services(request)
    await _gives_json(request)
    asked = rules.id_from(request.path_params["berichtId"])
    async with one_by_one(services.sessions) as work:
        letter = None
        for tries in range(_TRIES):
            look = LookAlong(asked, at := services.clock.now())
            actor = await helper(request, work, look, again=tries > 0)
            if is_head(request):
                if await check_readable_while_open(work, services.policy, actor, look, at=at):
                    return head_response("application/json")
                continue
            letter = await read_while_open(work, services.keyring, services.policy, actor, look, at=at)
            if letter is not None:
                break
    if letter is None:
        raise Fault("opslag_niet_bereikbaar", private="what the token hangs on changed again and again")
    told = BerichtOut.model_validate(_bericht_out(letter))
    return Response(told.model_dump_json(exclude_none=True), media_type="application/json")


def _bericht_out(letter: Letter) -> dict[str, Any]:
    bijlagen = [
        {"bijlageId": str(one.bijlage_id), "naam": one.naam, "mimeType": one.mime_type, "grootte": one.size}
        for one in letter.bijlagen
    ]
    return {
        "berichtId": str(letter.bericht_id),
        "afzender": {"oin": letter.afzender.oin, "naam": letter.afzender.naam},
        "dienst": letter.dienst,
        "onderwerp": letter.onderwerp,
        "inhoud": letter.inhoud,
        "publicatietijdstip": letter.published_at,
        "tijdstipOntvangst": letter.received_at,
        "bijlagen": bijlagen,
        "status": {"gelezen": True, "map": letter.folder, "gewijzigdOp": letter.changed_at},
    }


async def get_bericht(actor: Helper, bericht_id: BerichtIdInPath) -> None:
    """Een heel bericht. Dat u het las wordt vastgelegd; de vertegenwoordigde kan dat zien."""


def add_to(router: APIRouter) -> None:
    """Add the route to the router, before the routes that change a letter."""
    router.add_api_route(
        "/berichten/{berichtId}",
        get_bericht,
        response_model=BerichtOut,
        summary="Een bericht lezen",
        operation_id="leesBericht",
        tags=["Berichten"],
        dependencies=[Depends(_gives_json)],
        openapi_extra=needs_action(Act.READ),
        route_class_override=answered_by(_bericht),
    )
