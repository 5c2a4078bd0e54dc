"""The start page: an overview for a visitor, and how it works for others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.audit.access_history.weekly_access import load_weekly_access
from machtiging.audit.acts import UNLISTED_ACTS
from machtiging.berichtenbox.bericht_list import BerichtPageRequest, BerichtSummary, list_berichten
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import list_authorities_of_person
from machtiging.delegation.businesses.directors import describe_director_login, find_director
from machtiging.delegation.renewals.queries import list_questions_to_giver
from machtiging.delegation.rules import EffectiveState
from machtiging.delegation.suspension.emergency_stop import find_emergency_stop
from machtiging.identity.session import OptionalVisitor, Visitor
from machtiging.kernel.clock import AMSTERDAM
from machtiging.organisations.queries import find_employee_of_login, load_organisation_names
from machtiging.organisations.rules import EmployeeRole
from machtiging.portal import views
from machtiging.portal.access_history.names import load_line_names
from machtiging.portal.access_history.weeks import describe_this_week, week_of
from machtiging.portal.gemachtigden.notices import load_waiting_notices
from machtiging.portal.help_requests.decision_page import WaitingRequest, load_waiting_requests
from machtiging.portal.helping.paths import BUSINESS_ROOT
from machtiging.portal.helping.switcher import remember_helping, show_helped_people
from machtiging.portal.organisation.oversight import READING_PATH
from machtiging.portal.verification.check_pages import PATH as CHECK_PATH
from machtiging.portal.views import MachtigingCard
from machtiging.portal.work.parameters import TODAY_PATH
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
_LETTERS_SHOWN = 4
_CARDS_SHOWN = 4
_NO_NAMES = views.AgencyNames({}, {})
_ENDS_SOON = timedelta(days=30)
# The page where an employee begins, by the first of these roles.
_WORK_PAGES = (
    (EmployeeRole.CARE_WORKER, TODAY_PATH),
    (EmployeeRole.TEAM_LEADER, "/organisatie"),
    (EmployeeRole.VERIFIER, CHECK_PATH),
    (EmployeeRole.ADMINISTRATOR, "/organisatie"),
    (EmployeeRole.SUPERVISOR, READING_PATH),
)
_STANDING_NOW = (
    EffectiveState.IN_FORCE,
    EffectiveState.PAUSED,
    EffectiveState.STOPPED,
    EffectiveState.NOT_BEGUN,
)


@dataclass(frozen=True, slots=True)
class Overview:
    """The questions, letters, helpers and people of a visitor, and who looked this week."""

    waiting: int
    requests: list[WaitingRequest]
    renewals: list[WaitingRequest]
    unmailed: int
    letters: list[BerichtSummary]
    helpers: list[MachtigingCard]
    offers: list[MachtigingCard]
    helping: list[MachtigingCard]
    ending: list[MachtigingCard]
    this_week: list[str]
    stopped_since: datetime | None


@router.get("/")
async def show_start_page(request: Request, _: Public, visitor: OptionalVisitor, session: Transaction) -> Response:
    """Show the overview to a visitor, else how it works. Who works goes to the first page of the work."""
    if visitor is None:
        return render_page(request, "start.html", visitor=None)
    if visitor.organisation_kvk is not None:
        at = access_services(request).clock.now()
        return RedirectResponse(await _find_work_page(session, visitor, at), 303)
    overview = await _load_overview(request, session, visitor)
    page = render_page(request, "overzicht.html", visitor=visitor, overview=overview)
    return remember_helping(page, helps=bool(overview.helping))


async def _find_work_page(session: AsyncSession, visitor: Visitor, at: datetime) -> str:
    """Return the first page of a director or an employee, who has it by role."""
    if await find_director(session, describe_director_login(visitor), at=at) is not None:
        return BUSINESS_ROOT
    employed = await find_employee_of_login(session, visitor.person_id, visitor.organisation_kvk, at=at)
    roles = [] if employed is None else employed.roles
    return next((page for role, page in _WORK_PAGES if role.value in roles), TODAY_PATH)


async def _load_overview(request: Request, session: AsyncSession, visitor: Visitor) -> Overview:
    services = access_services(request)
    at = services.clock.now()
    people = views.PersonNames(session, services.keyring)
    authorities = await list_authorities_of_person(session, visitor.person_id, at=at)
    await people.preload(authorities, visitor, at)
    cards = [await views.build_machtiging_card(each, visitor, people, _NO_NAMES, at) for each in authorities]
    helped = ((one, card.other) for one, card in zip(authorities, cards, strict=True) if not card.is_giver)
    show_helped_people(request, visitor, helped, at)
    standing = [card for card in cards if card.standing in _STANDING_NOW and card.accepted_at is not None]
    wanted = BerichtPageRequest(None, _LETTERS_SHOWN)
    actor = build_citizen_actor(visitor)
    letters = await list_berichten(session, services.keyring, services.policy, actor, wanted, at=at)
    notices = await load_waiting_notices(session, visitor.person_id, at=at)
    return Overview(
        waiting=notices.questions,
        requests=await load_waiting_requests(session, visitor, people, at=at),
        renewals=await _load_renewals(session, visitor, at) if notices.renewals else [],
        unmailed=notices.unmailed,
        letters=letters.summaries,
        helpers=[card for card in standing if card.is_giver],
        offers=[card for card in cards if card.is_giver and card.standing is EffectiveState.NOT_ACCEPTED],
        helping=[card for card in standing if not card.is_giver],
        ending=[card for card in standing if _ends_soon(card, at)],
        this_week=await _describe_this_week(session, services.keyring, visitor, at),
        stopped_since=await find_emergency_stop(session, visitor.person_id),
    )


async def _load_renewals(session: AsyncSession, visitor: Visitor, at: datetime) -> list[WaitingRequest]:
    """Load the questions to renew that wait, with the organisation of each."""
    waiting = await list_questions_to_giver(session, visitor.person_id, at=at)
    names = await load_organisation_names(session, {one.organisation_id for one in waiting})
    return [WaitingRequest(f"/helpers/{one.root_id}", names.get(one.organisation_id, "")) for one in waiting]


async def _describe_this_week(session: AsyncSession, keyring: KeyRing, visitor: Visitor, at: datetime) -> list[str]:
    monday = datetime.combine(week_of(at), time(), AMSTERDAM)
    access = await load_weekly_access(session, visitor.person_id, (monday, monday + timedelta(days=7)), UNLISTED_ACTS)
    names = await load_line_names(session, keyring, visitor.person_id, (), access.counts)
    return describe_this_week(access, names, at)


def _ends_soon(card: MachtigingCard, at: datetime) -> bool:
    return not card.is_hidden and at <= card.agreement.ends_at < at + _ENDS_SOON
