"""The teams of an organisation that may not read: the citizen says "not this team"."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.amendments.readers import choose_excluded_teams
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.offer import Giver
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.teams.queries import list_teams, load_team_names
from machtiging.portal import views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.gemachtigden.cards import load_given_authority, load_given_card
from machtiging.portal.gemachtigden.detail import can_choose_reader, redirect_to_helper, render_helper
from machtiging.portal.labels import CompletedAction
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH, FIELD = "/helpers/{machtiging_id}/teams", "niet"


@router.get(PATH)
@reserve_connection
async def show_excluded_teams(
    request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction
) -> HTMLResponse:
    """Show the teams, with those that may not read. Raises NotFound `machtiging_onbekend`."""
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, authority.machtiging_id)
    if not can_choose_reader(card):
        return await render_helper(request, session, visitor, card)
    teams = await _load_teams(request, session, authority)
    opened = make_blank_form(request, **{FIELD: sorted(map(str, authority.root.excluded_team_ids))})
    return _render_form(request, card, teams, opened)


@router.post(PATH)
@reserve_connection
async def submit_excluded_teams(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Let nobody of the chosen teams read. Applies at once; the same form again changes nothing."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, authority.machtiging_id)
    teams = await _load_teams(request, session, authority)
    chosen = sent.read_choices(FIELD, {str(team_id) for team_id in teams})
    if sent.faults and can_choose_reader(card):
        return _render_form(request, card, teams, sent, status=400)
    giver = Giver(visitor.person_id, visitor.assurance)
    team_ids = authority.root.excluded_team_ids if sent.faults else frozenset(map(UUID, chosen))
    try:
        await choose_excluded_teams(session, authority.machtiging_id, giver, team_ids, at=at)
    except InvalidInput as fault:  # caught here, so that the journal line is committed
        sent.add_fault(FIELD, describe_refusal(fault))
        return _render_form(request, card, teams, sent, status=400)
    except Conflict as refusal:
        now = await load_given_card(request, session, visitor, authority.machtiging_id)
        return await render_helper(request, session, visitor, now, note=describe_refusal(refusal))
    return redirect_to_helper(machtiging_id, CompletedAction.READERS_CHOSEN)


async def _load_teams(request: Request, session: AsyncSession, authority: Authority) -> dict[UUID, str]:
    """Load the names of the teams by id, in alphabetical order. A refused team that was ended stays in the list."""
    if authority.organisation is None:
        return {}
    at, organisation_id = access_services(request).clock.now(), authority.organisation.id
    teams = {team.id: team.name for team in await list_teams(session, organisation_id, at=at)}
    if ended := authority.root.excluded_team_ids - teams.keys():
        names = await load_team_names(session, organisation_id, at=at)
        unknown = get_sentence("helpers.teams.unknown")
        teams |= {team_id: names.get(team_id, unknown) for team_id in ended}
    return dict(sorted(teams.items(), key=lambda item: item[1].casefold()))


def _render_form(
    request: Request, card: views.MachtigingCard, teams: dict[UUID, str], sent: SubmittedForm, *, status: int = 200
) -> HTMLResponse:
    return render_page(
        request,
        "helpers_teams.html",
        status=status,
        sent=sent,
        card=card,
        choices=[(str(team_id), get_sentence("helpers.teams.not", name=name), "") for team_id, name in teams.items()],
    )
