"""The employees of an organisation who may read, and the choice of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.amendments.readers import choose_only_reader
from machtiging.delegation.assignments.queries import list_client_assignments
from machtiging.delegation.authority.holders import load_employee_links
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.offer import Giver
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import MachtigingId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.organisations.teams.queries import load_team_names
from machtiging.portal import labels, views
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.gemachtigden.cards import load_given_authority, load_given_card
from machtiging.portal.gemachtigden.detail import can_choose_reader, redirect_to_helper, render_helper
from machtiging.portal.labels import CompletedAction
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/helpers/{machtiging_id}/medewerkers"
_FIELD, EVERYBODY = "wie", "iedereen"


@dataclass(frozen=True, slots=True)
class ReaderLine:
    """An employee to whom the machtiging is assigned. `stop`: why this employee cannot read now, in words."""

    employee_id: UUID
    name: str
    since: datetime
    stop: str | None


@router.get(PATH)
@reserve_connection
async def show_readers(request: Request, machtiging_id: UUID, visitor: Citizen, session: Transaction) -> HTMLResponse:
    """Show who may read now, with the choice as it stands. Raises NotFound `machtiging_onbekend`."""
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, authority.machtiging_id)
    if not can_choose_reader(card):
        return await render_helper(request, session, visitor, card)
    only = authority.root.only_employee_id
    opened = make_blank_form(request, **{_FIELD: [EVERYBODY if only is None else str(only)]})
    return await _render_form(request, session, card, authority, opened)


@router.post(PATH)
@reserve_connection
async def submit_reader_choice(
    request: Request, machtiging_id: UUID, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Let everybody of the organisation read whom it assigns, or one employee. Applies at once."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    authority = await load_given_authority(request, session, visitor, MachtigingId(machtiging_id))
    card = await load_given_card(request, session, visitor, authority.machtiging_id)
    only = authority.root.only_employee_id
    links = await load_employee_links(session, authority.machtiging_id, at=at)
    choosable = {str(link.leaf.employee_id) for link in links} | ({str(only)} if only else set())
    chosen = sent.read_choice(_FIELD, {EVERYBODY, *choosable}, missing=get_sentence("helpers.readers.choose"))
    if sent.faults and can_choose_reader(card):
        return await _render_form(request, session, card, authority, sent, status=400)
    giver = Giver(visitor.person_id, visitor.assurance)
    employee_id = only if sent.faults else None if chosen == EVERYBODY else UUID(chosen)
    try:
        await choose_only_reader(session, authority.machtiging_id, giver, employee_id, at=at)
    except InvalidInput as fault:  # caught here, so that the journal line is committed
        sent.add_fault(_FIELD, describe_refusal(fault))
        return await _render_form(request, session, card, authority, sent, status=400)
    except Conflict as refusal:
        return await _show_what_stands(request, session, visitor, authority, refusal)
    return redirect_to_helper(machtiging_id, CompletedAction.READERS_CHOSEN)


async def _show_what_stands(
    request: Request, session: AsyncSession, visitor: Visitor, authority: Authority, refusal: Conflict
) -> HTMLResponse:
    now = await load_given_card(request, session, visitor, authority.machtiging_id)
    return await render_helper(request, session, visitor, now, note=describe_refusal(refusal))


async def load_reader_lines(
    request: Request, session: AsyncSession, authority: Authority, teams: Mapping[UUID, str]
) -> list[ReaderLine]:
    """Load the employees to whom this machtiging is assigned, those who read now first. `teams`: their names."""
    services = access_services(request)
    at = services.clock.now()
    people = views.PersonNames(session, services.keyring)
    lines = []
    for link in await load_employee_links(session, authority.machtiging_id, at=at):
        if link.leaf.employee_id is not None and link.holder_id is not None:
            stop = link.stop_reason(at)
            words = None if stop is None else labels.describe_stop(stop.code, is_giver=True)
            name = await people.load_reader_name(link, link.holder_id)
            if (team := teams.get(link.team_id) if link.team_id else None) is not None:
                name = get_sentence("labels.via_team", name=name, team=team)
            lines.append(ReaderLine(link.leaf.employee_id, name, link.leaf.offered_at, words))
    return sorted(lines, key=lambda line: (line.stop is not None, line.name.casefold()))


async def _render_form(
    request: Request,
    session: AsyncSession,
    card: views.MachtigingCard,
    authority: Authority,
    sent: SubmittedForm,
    *,
    status: int = 200,
) -> HTMLResponse:
    names, at = {}, access_services(request).clock.now()
    if authority.organisation is not None:
        names = await load_team_names(session, authority.organisation.id, at=at)
    lines = await load_reader_lines(request, session, authority, names)
    return render_page(
        request,
        "helpers_readers.html",
        status=status,
        sent=sent,
        card=card,
        lines=lines,
        has_teams=bool(names),
        reading_teams=await _name_reading_teams(session, authority, names, at) if names else [],
        excluded=sorted(names[one] for one in authority.root.excluded_team_ids & names.keys()),
        choices=_list_choices(lines, authority.root.only_employee_id),
    )


async def _name_reading_teams(
    session: AsyncSession, authority: Authority, names: Mapping[UUID, str], at: datetime
) -> list[str]:
    """Name the teams to which this machtiging is assigned now, also one without members."""
    links = await list_client_assignments(session, authority.machtiging_id, at=at)
    ids = {one.team_id for one in links if one.is_authentic and one.team_stop_code(at) is None}
    return sorted(name for team_id, name in names.items() if team_id in ids)


def _list_choices(lines: Sequence[ReaderLine], only: UUID | None) -> list[tuple[str, str, str]]:
    """List the choices, each employee once. One who was chosen and is not assigned now stays in the list."""
    names = {line.employee_id: line.name for line in lines}
    if only is not None and only not in names:
        names[only] = get_sentence("helpers.readers.not_assigned")
    everybody = (EVERYBODY, get_sentence("helpers.readers.everybody"), get_sentence("helpers.readers.everybody_hint"))
    only_one = [(str(key), get_sentence("helpers.readers.only", name=name), "") for key, name in names.items()]
    return [everybody, *only_one]
