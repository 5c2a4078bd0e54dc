"""/api/v1/toestemmingen: a person's own app lists the consents and revokes one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.issuer import API
from machtiging.oauth.manage.consents import Consent, consents_about
from machtiging.oauth.manage.door import Myself
from machtiging.oauth.manage.end_consent import end_consent
from machtiging.oauth.manage.schemas import ToestemmingenOut
from machtiging.oauth.rules import CONSENTS, in_order
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.negotiation import gives
from machtiging.web.openapi import needs_scope

router = APIRouter(prefix=API)
_PLACE = "/toestemmingen"
ToestemmingIdInPath = Annotated[str, Path(alias="toestemmingId", json_schema_extra={"format": "uuid"})]


@router.get(
    _PLACE,
    response_model=ToestemmingenOut,
    response_model_exclude_none=True,
    summary="Welke apps toegang hebben",
    operation_id="lijstToestemmingen",
    tags=["Toestemmingen"],
    dependencies=[Depends(gives("application/json"))],
    openapi_extra=needs_scope(CONSENTS),
)
async def get_toestemmingen(request: Request, actor: Myself, session: Transaction) -> dict[str, Any]:
    """De apps die nu bij uw post kunnen: door u toegelaten, of door een helper met een machtiging van u."""
    services = oauth_services(request)
    found = await consents_about(session, actor.person_id, at=services.clock.now())
    here = {"self": {"href": issuer_of(services).audience + _PLACE}}
    return {"toestemmingen": [_told(one, mine=one.person_id == actor.person_id) for one in found], "_links": here}


@router.delete(
    _PLACE + "/{toestemmingId}",
    status_code=204,
    summary="De toegang van een app stoppen",
    operation_id="stopToestemming",
    tags=["Toestemmingen"],
    openapi_extra=needs_scope(CONSENTS),
)
async def delete_toestemming(
    request: Request, actor: Myself, session: Transaction, toestemming_id: ToestemmingIdInPath
) -> None:
    """De app kan er meteen niet meer bij, ook niet als die nog iets ophaalt."""
    at = oauth_services(request).clock.now()
    if not await end_consent(session, actor.person_id, _id(toestemming_id), at=at, via=actor.client_id):
        raise _unknown()


def _id(text: str) -> GrantId:
    try:
        return GrantId(UUID(text))
    except ValueError:
        raise _unknown() from None


def _unknown() -> NotFound:
    return NotFound("toestemming_onbekend", "Deze toestemming kennen wij niet.")


def _told(consent: Consent, *, mine: bool) -> dict[str, Any]:
    return {
        "toestemmingId": consent.id,
        "app": consent.app,
        "doorHelper": not mine,
        "machtigingId": None if consent.machtiging is None else consent.machtiging.id,
        "handelingen": [act.value for act in in_order(consent.acts)],
        "gegevenOp": consent.given_at,
        "uiterlijkTot": consent.until,
        "resource": consent.resource,
        "resourceNaam": consent.resource_name,
    }
