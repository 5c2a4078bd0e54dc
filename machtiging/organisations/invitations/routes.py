"""/api/v1/uitnodigingen: an organisatiebeheerder invites employees by a link, in a login session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from machtiging.audit.acts import JournalAct
from machtiging.identity.csrf import CSRF_HEADER, CsrfHeaderProtected
from machtiging.identity.dependencies import identity_services
from machtiging.identity.session import Citizen, Visitor
from machtiging.organisations.employees import load_administrator
from machtiging.organisations.invitations import administration, queries
from machtiging.organisations.invitations.schemas import (
    NieuweUitnodigingOut,
    UitnodigingenOut,
    UitnodigingIn,
    parse_link_invitation,
)
from machtiging.organisations.rules import ActingEmployee
from machtiging.organisations.schemas import JSON
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.openapi import API_V1_PREFIX, declare_required_login, describe_request_body

_ADMINISTRATORS = declare_required_login("organisatiebeheerder")
_READS = [Depends(require_acceptable(JSON))]
router = APIRouter(prefix=API_V1_PREFIX)
UitnodigingIdInPath = Annotated[UUID, Path(alias="uitnodigingId")]


@router.get(
    "/uitnodigingen",
    response_model=UitnodigingenOut,
    summary="De uitnodigingen van uw organisatie",
    operation_id="lijstUitnodigingen",
    tags=["Medewerkers"],
    dependencies=_READS,
    openapi_extra=_ADMINISTRATORS,
)
async def get_uitnodigingen(
    request: Request, response: Response, visitor: Citizen, session: Transaction
) -> dict[str, Any]:
    """Wie nog niet antwoordde. Wie aannam, staat bij de medewerkers."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_LIJST, visitor, at)
    response.headers[CSRF_HEADER] = visitor.csrf_token
    found = await queries.list_invitations(session, services.keyring, actor.organisation_id, at=at)
    return {
        "uitnodigingen": [
            {
                "uitnodigingId": one.id,
                "naam": one.name,
                "emailadres": one.email,
                "rollen": sorted(one.roles),
                "niveau": one.minimum_level,
                "status": one.state.value,
                "verlooptOp": one.expires_at,
                "verstuurd": one.is_sent,
                "onbestelbaar": one.is_returned,
            }
            for one in found
        ]
    }


@router.post(
    "/uitnodigingen",
    response_model=NieuweUitnodigingOut,
    status_code=201,
    summary="Een medewerker uitnodigen met een link per mail",
    operation_id="nodigUitMetLink",
    tags=["Medewerkers"],
    dependencies=[Depends(require_content_type(JSON)), *_READS],
    openapi_extra=_ADMINISTRATORS | describe_request_body(UitnodigingIn, JSON),
)
async def post_uitnodiging(
    request: Request, visitor: Citizen, _csrf: CsrfHeaderProtected, session: Transaction
) -> dict[str, Any]:
    """De link werkt zeven dagen, één keer, na inloggen voor uw organisatie op dit niveau."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    invitation = parse_link_invitation(await request.body())
    invitation_id = await administration.invite_by_link(session, services.keyring, actor, invitation, at=at)
    return {"uitnodigingId": invitation_id}


@router.post(
    "/uitnodigingen/{uitnodigingId}/_opnieuw",
    status_code=204,
    summary="Een uitnodiging opnieuw versturen",
    operation_id="verstuurUitnodigingOpnieuw",
    tags=["Medewerkers"],
    openapi_extra=_ADMINISTRATORS,
)
async def resend_uitnodiging(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    uitnodiging_id: UitnodigingIdInPath,
) -> None:
    """Een nieuwe link van zeven dagen. De oude link werkt dan niet meer."""
    services, at = identity_services(request), identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_UITGENODIGD, visitor, at)
    await administration.resend_invitation(session, services.keyring, actor, uitnodiging_id, at=at)


@router.delete(
    "/uitnodigingen/{uitnodigingId}",
    status_code=204,
    summary="Een uitnodiging intrekken",
    operation_id="trekUitnodigingIn",
    tags=["Medewerkers"],
    openapi_extra=_ADMINISTRATORS,
)
async def delete_uitnodiging(
    request: Request,
    visitor: Citizen,
    _csrf: CsrfHeaderProtected,
    session: Transaction,
    uitnodiging_id: UitnodigingIdInPath,
) -> None:
    """De link werkt dan niet meer."""
    at = identity_services(request).clock.now()
    actor = await _load_administrator(session, JournalAct.MEDEWERKER_UITNODIGING_INGETROKKEN, visitor, at)
    await administration.withdraw_invitation(session, actor, uitnodiging_id, at=at)


async def _load_administrator(session: Transaction, act: JournalAct, visitor: Visitor, at: datetime) -> ActingEmployee:
    return await load_administrator(session, act, visitor.person_id, visitor.organisation_kvk, visitor.assurance, at=at)
