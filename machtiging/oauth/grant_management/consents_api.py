"""/api/v1/toestemmingen: a person's own app lists the consents and revokes one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.grant_management.auth import ConsentActor
from machtiging.oauth.grant_management.consent_revocation import revoke_consent
from machtiging.oauth.grant_management.consents import Consent, list_consents
from machtiging.oauth.grant_management.schemas import ToestemmingenOut
from machtiging.oauth.issuer import API_PATH
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable
from machtiging.web.openapi import declare_required_scope

router = APIRouter(prefix=API_PATH)
_PATH = "/toestemmingen"
ToestemmingIdInPath = Annotated[str, Path(alias="toestemmingId", json_schema_extra={"format": "uuid"})]


@router.get(
    _PATH,
    response_model=ToestemmingenOut,
    response_model_exclude_none=True,
    summary="Welke apps toegang hebben",
    operation_id="lijstToestemmingen",
    tags=["Toestemmingen"],
    dependencies=[Depends(require_acceptable("application/json"))],
    openapi_extra=declare_required_scope(CONSENT_MANAGEMENT_SCOPE),
)
async def get_toestemmingen(request: Request, actor: ConsentActor, session: Transaction) -> dict[str, Any]:
    """De apps die nu bij uw post kunnen. U liet ze toe, of een helper deed dat met een machtiging van u."""
    services = oauth_services(request)
    found = await list_consents(session, services.details_handler, actor.person_id, at=services.clock.now())
    here = {"self": {"href": build_issuer(services).api_audience + _PATH}}
    return {
        "toestemmingen": [_build_toestemming(one, given_by_self=one.person_id == actor.person_id) for one in found],
        "_links": here,
    }


@router.delete(
    _PATH + "/{toestemmingId}",
    status_code=204,
    summary="De toegang van een app stoppen",
    operation_id="stopToestemming",
    tags=["Toestemmingen"],
    openapi_extra=declare_required_scope(CONSENT_MANAGEMENT_SCOPE),
)
async def delete_toestemming(
    request: Request, actor: ConsentActor, session: Transaction, toestemming_id: ToestemmingIdInPath
) -> None:
    """De app kan er meteen niet meer bij, ook niet als die nog iets ophaalt."""
    services, consent_id = oauth_services(request), _parse_consent_id(toestemming_id)
    stopped = await revoke_consent(
        session,
        services.details_handler,
        actor.person_id,
        consent_id,
        at=services.clock.now(),
        via_client_id=actor.client_id,
    )
    if not stopped:
        raise _unknown_consent_refusal()


def _parse_consent_id(text: str) -> GrantId:
    try:
        return GrantId(UUID(text))
    except ValueError:
        raise _unknown_consent_refusal() from None


def _unknown_consent_refusal() -> NotFound:
    return NotFound("toestemming_onbekend")


def _build_toestemming(consent: Consent, *, given_by_self: bool) -> dict[str, Any]:
    return {
        "toestemmingId": consent.id,
        "app": consent.app,
        "doorHelper": not given_by_self,
        "machtigingId": consent.machtiging_id,
        "meerMachtigingen": consent.is_several,
        "teStoppen": not consent.is_shared,
        "handelingen": consent.acts,
        "gegevenOp": consent.given_at,
        "uiterlijkTot": consent.until,
        "resource": consent.resource,
        "resourceNaam": consent.resource_name,
    }
