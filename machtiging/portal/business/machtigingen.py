"""The machtigingen that a business gave: their readers, and pause, resume and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.given_page import list_given_page
from machtiging.delegation.authority.holders import load_descendant_ids, load_holders
from machtiging.delegation.authority.reading_activity import ReadingLine, load_reading_lines
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.businesses.directors import Director, describe_director_login
from machtiging.delegation.businesses.giving import (
    change_for_business,
    find_giving_director,
    is_given,
    load_given_by_business,
    require_viewing_director,
)
from machtiging.delegation.rules import Capacity, EffectiveState, MachtigingAction, MachtigingRole, effective_state
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.message_catalogue import describe_refusal, get_sentence
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_machtiging
from machtiging.organisations.queries import load_organisation_names
from machtiging.portal import labels, views
from machtiging.portal.forms import read_submitted_form
from machtiging.portal.helping.paths import BUSINESS_ROOT
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = BUSINESS_ROOT + "/helpers/{machtigingId}"
MachtigingIdInPath = Annotated[UUID, Path(alias="machtigingId")]
LINES_SHOWN, _GIVEN_SHOWN = 20, 100
_CHANGES = {one.value: one for one in (MachtigingAction.PAUSE, MachtigingAction.RESUME)}


@dataclass(frozen=True, slots=True)
class GivenView:
    """A machtiging of the business in the list: its organisation, state and end."""

    id: UUID
    name: str
    state: str
    is_over: bool
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class BusinessReadingView:
    """One act with a letter of the business, in words."""

    at: datetime
    text: str


async def list_given_views(session: AsyncSession, director: Director, at: datetime) -> list[GivenView]:
    """List what the business gave, open ones first. At most a hundred."""
    found = await list_given_page(session, PersonId(director.business_id), limit=_GIVEN_SHOWN, at=at)
    shown = [one for one in found if is_given(one)]
    names = await load_organisation_names(session, {one.root.offered_to for one in shown if one.root.offered_to})
    return [_describe_given(one, names, director, at) for one in shown]


def _describe_given(authority: Authority, names: Mapping[UUID, str], director: Director, at: datetime) -> GivenView:
    state = effective_state(authority.root, at)
    return GivenView(
        id=authority.machtiging_id,
        name=_name_helper(authority, names, director),
        state=_describe_state(authority, state, at),
        is_over=state in (EffectiveState.ENDED, EffectiveState.EXPIRED),
        ends_at=authority.root.period.ends_at,
    )


def _name_helper(authority: Authority, names: Mapping[UUID, str], director: Director) -> str:
    recipient = authority.root.offered_to
    if recipient == director.business_id:
        return get_sentence("business.own_employees", name=director.business_name)
    found = None if recipient is None else names.get(recipient)
    return found or get_sentence("giving.organisation.unknown")


def _describe_state(authority: Authority, state: EffectiveState, at: datetime) -> str:
    if authority.root.end_reason is not None:
        return labels.ENDED_LABELS[authority.root.end_reason]
    if state is EffectiveState.IN_FORCE and authority.organisation is not None:
        stop = next((code for code in authority.stop_codes(at) if code != "niet_toegewezen"), None)
        return labels.STANDING_LABELS[state] if stop is None else labels.describe_stop(stop, is_giver=True)
    return labels.STANDING_LABELS[state]


@router.get(PATH)
async def show_given(
    request: Request,
    machtiging_id: MachtigingIdInPath,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
) -> HTMLResponse:
    """Show one machtiging of the business. Raises NotFound `machtiging_onbekend`, NotAllowed `geen_bestuurder`."""
    return await _render_given(request, session, visitor, machtiging_id, is_offered=gedaan == "aangeboden")


@router.post(PATH)
async def submit_change(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """Pause or resume it. A repeated press shows it as it is. Raises as `change_for_business`."""
    at, sent = access_services(request).clock.now(), await read_submitted_form(request)
    action = _CHANGES.get(sent.first_value("besluit"))
    if action is None:
        return await _render_given(request, session, visitor, machtiging_id)
    login = describe_director_login(visitor)
    try:
        await change_for_business(session, login, action, MachtigingId(machtiging_id), at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _render_given(request, session, visitor, machtiging_id, note=describe_refusal(refusal))
    except NotAllowed:  # no director any more; the journal line is committed
        return render_page(request, "business_none.html", status=403)
    return RedirectResponse(PATH.format(machtigingId=machtiging_id), 303)


@router.get(PATH + "/intrekken")
async def show_end_question(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, session: Transaction
) -> Response:
    """Ask whether to end it, while it can be ended. Raises as `show_given`."""
    at = access_services(request).clock.now()
    director = await require_viewing_director(session, describe_director_login(visitor), at=at)
    found = await load_given_by_business(session, director, MachtigingId(machtiging_id), at=at)
    back = PATH.format(machtigingId=machtiging_id)
    if MachtigingAction.WITHDRAW not in views.available_actions(found.root, MachtigingRole.GIVER, at):
        return RedirectResponse(back, 303)
    return render_page(
        request,
        "business_end.html",
        on_behalf_of=director.business_name,
        name=await _load_helper_name(session, found, director),
        back=back,
    )


@router.post(PATH + "/intrekken")
async def submit_end(
    request: Request, machtiging_id: MachtigingIdInPath, visitor: Citizen, _: CsrfProtected, session: Transaction
) -> Response:
    """End it, with the app consents under it, in one transaction. Raises as `change_for_business`."""
    at, handler = access_services(request).clock.now(), oauth_services(request).details_handler
    login, action = describe_director_login(visitor), MachtigingAction.WITHDRAW
    try:
        ended = await change_for_business(session, login, action, MachtigingId(machtiging_id), at=at)
    except Conflict as refusal:  # caught here, so that the journal line is committed
        return await _render_given(request, session, visitor, machtiging_id, note=describe_refusal(refusal))
    except NotAllowed:  # no director any more; the journal line is committed
        return render_page(request, "business_none.html", status=403)
    by_director = GrantEnding(action.value, visitor.person_id, Capacity.DIRECTOR)
    for ended_id in (ended.id, *await load_descendant_ids(session, ended.id)):
        await end_grants_of_machtiging(session, handler, ended_id, by_director, at=at)
    return RedirectResponse(PATH.format(machtigingId=machtiging_id), 303)


async def _load_helper_name(session: AsyncSession, found: Authority, director: Director) -> str:
    recipient = found.root.offered_to
    names = {} if recipient is None else await load_organisation_names(session, [recipient])
    return _name_helper(found, names, director)


async def _render_given(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    machtiging_id: UUID,
    *,
    is_offered: bool = False,
    note: str | None = None,
) -> HTMLResponse:
    services = access_services(request)
    at = services.clock.now()
    director = await require_viewing_director(session, describe_director_login(visitor), at=at)
    found = await load_given_by_business(session, director, MachtigingId(machtiging_id), at=at)
    people = views.PersonNames(session, services.keyring)
    holders = (await load_holders(session, [found], at=at))[found.machtiging_id]
    ids = [found.machtiging_id, *await load_descendant_ids(session, found.machtiging_id)]
    lines = await load_reading_lines(session, found.vertegenwoordigde_id, ids, limit=LINES_SHOWN)
    giver = await find_giving_director(session, found.machtiging_id)
    state = effective_state(found.root, at)
    return render_page(
        request,
        "business_helper.html",
        status=409 if note else 200,
        on_behalf_of=director.business_name,
        name=await _load_helper_name(session, found, director),
        state=_describe_state(found, state, at),
        given_by=None if giver is None else await people.load_name(giver),
        said=views.describe_machtiging(found.root, await views.load_agency_names(session)),
        readers=[await people.load_name(each) for each in holders],
        lines=[await _describe_line(people, line) for line in lines],
        actions=views.available_actions(found.root, MachtigingRole.GIVER, at),
        all_actions=MachtigingAction,
        is_waiting=state is EffectiveState.NOT_ACCEPTED,
        is_offered=is_offered and state is EffectiveState.NOT_ACCEPTED,
        note=note,
        action=PATH.format(machtigingId=machtiging_id),
    )


async def _describe_line(people: views.PersonNames, line: ReadingLine) -> BusinessReadingView:
    somebody = get_sentence("helpers.lines.somebody")
    who = somebody if line.actor_id is None else await people.load_name(line.actor_id)
    what = labels.describe_act(line.act, refused=line.is_refused, sender=None)
    return BusinessReadingView(line.occurred_at, get_sentence("business.helper.line", who=who, what=what))
