"""Apps with access: list them with the consent behind each, and revoke one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.ids import GrantId, MachtigingId
from machtiging.oauth import queries
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.grant_management.consent_revocation import revoke_consent
from machtiging.oauth.grant_management.consents import Consent, list_consents
from machtiging.portal import labels, views
from machtiging.portal.labels import CompletedAction, describe_completed_action
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class AppCard:
    """One app as shown to this visitor.

    `helper`: her helper who gave consent; `giver`: the person whose post it reads. `elsewhere`: the resource server, if
    not our own API. `several`: it is for several machtigingen. `stoppable`: the visitor may stop it; not what a helper
    uses for other people too. `hidden`: this login may not see the giver and the purpose. `root_id`: what was given.
    """

    id: UUID
    app: str
    helper: str | None
    giver: str | None
    acts: str
    given_at: datetime
    until: datetime
    paused: bool
    machtiging_id: MachtigingId | None
    purpose: str | None
    elsewhere: str | None
    several: bool = False
    hidden: bool = False
    stoppable: bool = True
    root_id: MachtigingId | None = None


@router.get("/apps")
@reserve_connection
async def show_apps(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None, app: str = ""
) -> HTMLResponse:
    """List the apps with access by the visitor or her helpers. `app` was stopped just now."""
    cards = await load_app_cards(request, session, visitor)
    message = describe_completed_action(gedaan) if await _is_app_stopped(session, gedaan, app, cards) else None
    own, helped = [card for card in cards if not card.helper], [card for card in cards if card.helper]
    return render_page(request, "apps.html", own=own, helped=helped, message=message)


@router.get("/apps/{consent_id}/stoppen")
@reserve_connection
async def show_stop_confirmation(
    request: Request, consent_id: UUID, visitor: Citizen, session: Transaction
) -> Response:
    """Ask for confirmation. An app without access redirects to the list, so that ids cannot be probed."""
    cards = await load_app_cards(request, session, visitor)
    card = next((card for card in cards if card.id == consent_id), None)
    if card is None or not card.stoppable:
        return _redirect_to_apps(CompletedAction.APP_WAS_STOPPED, consent_id)
    return render_page(request, "app_stoppen.html", card=card)


@router.post("/apps/{consent_id}/stoppen")
@reserve_connection
async def submit_app_stop(
    request: Request, consent_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> RedirectResponse:
    """Revoke the app's access. Raises NotFound `toestemming_onbekend`."""
    services = oauth_services(request)
    stopped = await revoke_consent(
        session, services.details_handler, visitor.person_id, GrantId(consent_id), at=services.clock.now()
    )
    return _redirect_to_apps(CompletedAction.APP_STOPPED if stopped else CompletedAction.APP_WAS_STOPPED, consent_id)


def _redirect_to_apps(action: CompletedAction, consent_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"/apps?gedaan={action}&app={consent_id}", 303)


async def _is_app_stopped(session: AsyncSession, gedaan: str | None, app: str, cards: list[AppCard]) -> bool:
    """Return True if the message in the URL is true: this consent gives no access.

    For `APP_STOPPED` the consent must also have ended.
    """
    try:
        consent_id = UUID(app)
    except ValueError:
        return False
    if any(card.id == consent_id for card in cards):
        return False
    if gedaan != CompletedAction.APP_STOPPED:
        return True
    grant = await queries.find_grant(session, GrantId(consent_id))
    return grant is not None and grant.ended_at is not None


async def load_app_cards(request: Request, session: AsyncSession, visitor: Visitor) -> list[AppCard]:
    """Load the apps of this visitor, and of those who read this visitor's post."""
    services = oauth_services(request)
    people, at = views.PersonNames(session, services.keyring), services.clock.now()
    found = await list_consents(session, services.details_handler, visitor.person_id, at=at)
    return [await _build_app_card(consent, visitor, people, at) for consent in found]


async def _build_app_card(consent: Consent, visitor: Visitor, people: views.PersonNames, at: datetime) -> AppCard:
    authority = consent.representation if isinstance(consent.representation, Authority) else None
    mine = consent.person_id == visitor.person_id
    hidden = authority is not None and views.find_hidden_reason(authority, visitor, at) is not None
    return AppCard(
        id=consent.id,
        app=consent.app,
        helper=None if mine else await people.load_name(consent.person_id),
        giver=await people.load_name(authority.vertegenwoordigde_id)
        if mine and authority is not None and not hidden
        else None,
        acts=labels.join_phrases(labels.label_acts(map(Act, consent.acts))),
        given_at=consent.given_at,
        until=consent.until,
        paused=consent.is_paused or (authority is not None and authority.stop_reason(at) is not None),
        machtiging_id=None if authority is None else authority.machtiging_id,
        purpose=None if authority is None or hidden else authority.root.purpose,
        elsewhere=_describe_resource(consent),
        several=consent.is_several,
        stoppable=not consent.is_shared,
        hidden=hidden,
        root_id=None if authority is None else authority.root.id,
    )


def _describe_resource(consent: Consent) -> str | None:
    """Return the resource name as on the consent page. Only its address if no longer served."""
    if consent.resource_name is None:
        return consent.resource
    return f"{consent.resource_name} ({consent.resource})"
