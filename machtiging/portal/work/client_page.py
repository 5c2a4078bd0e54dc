"""The page of one client: newest letters, colleagues and agreement."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.access.actor import build_citizen_actor, build_helper_actor
from machtiging.access.bearer import read_addressed_machtiging
from machtiging.access.dependencies import access_services
from machtiging.access.guard import issue_listing_permit
from machtiging.access.listing_preview import find_listing_limits
from machtiging.berichtenbox.caseload.client_kinds import list_one_client
from machtiging.berichtenbox.caseload.client_letters import ClientLettersPage, ClientLettersQuery, list_letters_of
from machtiging.berichtenbox.caseload.clients import CaseloadClient, build_client
from machtiging.delegation.caseload.assigned_clients import ClientRoom, load_client_room
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Fault
from machtiging.portal import labels, views
from machtiging.portal.helping.box import MachtigingIdInPath, answer_or_say_not_now
from machtiging.portal.labels import CompletedAction
from machtiging.portal.work.absent_colleagues import load_reading_teams, load_replaced_names
from machtiging.portal.work.parameters import CLIENTS_PATH
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_LETTERS_SHOWN = 5


@router.get(CLIENTS_PATH + "/{machtigingId}")
async def show_client(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
) -> Response:
    """Show one client. Raises NotFound `machtiging_onbekend`, the same for every id that is not the visitor's."""

    async def open_page() -> Response:
        at = access_services(request).clock.now()
        room, client = await _open_room(request, session, visitor, machtiging_id, at)
        return await _render_client(request, session, visitor, room, client, at=at, gedaan=gedaan)

    return await answer_or_say_not_now(request, open_page)


async def _open_room(
    request: Request, session: AsyncSession, visitor: Visitor, machtiging_id: str, at: datetime
) -> tuple[ClientRoom, CaseloadClient]:
    """Load a client whose post may be listed now. Else the guard refuses, as for the list of letters."""
    services, addressed = access_services(request), read_addressed_machtiging(request)
    room = None
    if addressed is not None:
        room = await load_client_room(
            session, services.keyring, visitor.person_id, visitor.organisation_kvk, addressed, at=at
        )
    client = None if room is None else build_client(build_citizen_actor(visitor), room.client)
    if room is None or client is None or find_listing_limits(services.policy, client.actor, at) is None:
        authority = None if room is None else room.client.authority
        actor = build_helper_actor(visitor, authority, machtiging_id)
        await issue_listing_permit(session, services.policy, actor, at=at)
        raise Fault("permit_zonder_bericht", private="the guard allowed a list that gives nothing")
    return room, client


async def _render_client(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    room: ClientRoom,
    client: CaseloadClient,
    *,
    at: datetime,
    gedaan: str | None,
) -> Response:
    services, authority = access_services(request), client.authority
    query = ClientLettersQuery(size=_LETTERS_SHOWN, machtiging_id=client.machtiging_id)
    reader = build_citizen_actor(visitor)
    listed = list_one_client(services.policy, client, at=at)
    page = await list_letters_of(session, services.keyring, services.policy, reader, listed, query, at=at)
    name = client.assigned.open_name(services.keyring) or views.name_of_profile(None)
    is_new = gedaan == CompletedAction.ACCEPTED
    return render_page(
        request,
        "work_client.html",
        on_behalf_of=name,
        under=authority.leaf.purpose,
        client=client,
        replaced=await load_replaced_names(request, session, [authority]),
        teams=await load_reading_teams(request, session, [authority]),
        case_reference=client.assigned.open_case_reference(services.keyring),
        letters=page.letters,
        has_more=page.next_cursor is not None,
        agreement=views.describe_authority(authority, await _load_names(session, authority.scope.diensten, page)),
        colleagues=sorted(views.name_of_profile(profile) for _, profile in room.colleagues),
        message=labels.describe_completed_action(gedaan) if is_new else None,
        box=f"{CLIENTS_PATH}/{client.machtiging_id}",
    )


async def _load_names(session: AsyncSession, diensten: object, page: ClientLettersPage) -> views.AgencyNames:
    """Return the names for the agreement. Those of diensten are loaded only for an agreement that names some."""
    return views.AgencyNames(page.senders, {}) if diensten is None else await views.load_agency_names(session)
