"""POST /api/v1/registergebeurtenissen: a register reports events, with a certificate-bound token (RFC 8705)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from machtiging.access.bearer import REGISTER_SCOPE, Register
from machtiging.access.dependencies import access_services
from machtiging.delegation.statutory.application import EventContext
from machtiging.message_catalogue import describe_refusal
from machtiging.registers.intake import DEFAULT_KINDS, EventResult, EventSource, take_in_event
from machtiging.registers.schemas import EventBatch, GebeurtenisResultatenOut, GebeurtenissenIn
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_scope, describe_request_body
from machtiging.web.validation import parse_body

_JSON = "application/json"
router = APIRouter(prefix=API_V1_PREFIX)


@router.post(
    "/registergebeurtenissen",
    response_model=GebeurtenisResultatenOut,
    response_model_exclude_none=True,
    summary="Gebeurtenissen van een register melden",
    operation_id="meldRegistergebeurtenissen",
    tags=["Registers"],
    dependencies=[Depends(require_content_type(_JSON)), Depends(require_acceptable(_JSON))],
    openapi_extra=describe_request_body(GebeurtenissenIn, _JSON) | declare_required_scope(REGISTER_SCOPE),
)
async def post_registergebeurtenissen(request: Request, register: Register, session: Transaction) -> dict[str, Any]:
    """Hooguit 250 per keer. Elke gebeurtenis krijgt een eigen resultaat en wordt apart opgeslagen.

    Dezelfde gebeurtenis nog eens melden verandert niets en geeft hetzelfde resultaat. Het toegangsbewijs moet
    vastzitten aan uw certificaat.
    """
    services = access_services(request)
    context = EventContext(services.keyring, services.precedence)
    items = parse_body(EventBatch, await request.body()).gebeurtenissen
    kinds = services.register_kinds.get(register.oin, DEFAULT_KINDS)
    source = EventSource(register.oin, register.client_id, kinds)
    results = []
    for item in items:
        results.append(await take_in_event(session, context, source, item, at=services.clock.now()))
        await session.commit()  # each event by itself: what was done stays done when a later one fails
    return {"resultaten": [_describe_result(one) for one in results]}


def _describe_result(result: EventResult) -> dict[str, Any]:
    described: dict[str, Any] = {"gebeurtenisId": result.event_id, "resultaat": result.outcome.value}
    if result.code is None:
        return described
    melding = None if result.refusal is None else describe_refusal(result.refusal)
    return described | {"code": result.code, "melding": melding}
