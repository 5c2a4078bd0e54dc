"""Pages of oversight: what employees did with letters of clients, and the log.

Neither page opens a letter or links to one. A name is that of a person who is a client of the organisation now, and a
sender that of a letter which the organisation may see now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR
from machtiging.audit.queries import JournalEntry, LineFilter, load_lines_of_organisation
from machtiging.berichtenbox.helping.listed_letters import parse_letter_id
from machtiging.berichtenbox.queries import OwnedEnvelope, find_owned_envelopes
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.acting_employee import describe_login
from machtiging.delegation.assignments.oversight import (
    LOG_READERS,
    SUPERVISORS,
    find_assigned_employees,
    find_own_clients,
    journal_viewed_reading,
    load_overseer,
    load_standing_clients,
)
from machtiging.delegation.assignments.rules import ActingLeader
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import scope_violation
from machtiging.identity.people import load_profiles
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import month_period
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.organisations.employee_names import (
    EmployeeView,
    load_employee_views,
    load_employees_of_people,
    load_named_employees,
)
from machtiging.organisations.rules import EmployeeRole
from machtiging.portal.access_history.filter import (
    HistoryPosition,
    OptionalId,
    list_months,
    parse_month,
)
from machtiging.portal.access_history.lines import JOURNAL_YEARS
from machtiging.portal.forms import EMPTY_IS_NONE
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.views import AgencyNames, load_agency_names, name_of_profile
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import format_month, render_page

router = APIRouter(include_in_schema=False)
READING_PATH, LOG_PATH = "/organisatie/toezicht", "/organisatie/logboek"
PAGE_SIZE = 50
_READING_ACTS = tuple(act for act in JournalAct if act.startswith("bericht:"))
_OFFICE_ACTS = tuple(
    act
    for act in JournalAct
    if act.startswith(
        (
            *("organisatie:", "medewerker:", "team:", "toewijzing:", "vervanging:", "overdracht:", "erkenning:"),
            "toezicht:",
        )
    )
    and not act.endswith(":lijst")
)
_ACT_LABELS: Mapping[str, str] = CatalogueLabels("organisation.log.act", (*_READING_ACTS, *_OFFICE_ACTS))


class OversightFilter(HistoryPosition):
    """The chosen employee and month."""

    medewerker: OptionalId = None
    maand: Annotated[date | None, BeforeValidator(parse_month), EMPTY_IS_NONE] = None

    def to_params(self) -> dict[str, str]:
        """Return the parameters of a link with the same filter."""
        params = {} if self.medewerker is None else {"medewerker": str(self.medewerker)}
        return params if self.maand is None else {**params, "maand": f"{self.maand:%Y-%m}"}


@dataclass(frozen=True, slots=True)
class OversightLine:
    """One act in words. `at` is None for an impossible time; what is unknown or not theirs is ""."""

    at: datetime | None
    who: str
    what: str
    client: str
    about: str
    refused: bool


@dataclass(frozen=True, slots=True)
class _Names:
    """The names on one page."""

    actors: Mapping[PersonId, EmployeeView]
    employees: Mapping[UUID, EmployeeView]
    assigned: Mapping[UUID, UUID]
    clients: Mapping[PersonId, str]
    letters: Mapping[str, OwnedEnvelope]
    agencies: AgencyNames


@router.get(READING_PATH)
async def show_reading(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[OversightFilter, Query()]
) -> HTMLResponse:
    """List which employee did what with letters of which client, for toezicht only."""
    return await _render(request, session, visitor, chosen, on_letters=True)


@router.get(LOG_PATH)
async def show_log(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[OversightFilter, Query()]
) -> HTMLResponse:
    """List the acts on employees, assignments and stand-ins, for toezicht and organisatiebeheerder."""
    return await _render(request, session, visitor, chosen, on_letters=False)


async def _render(
    request: Request, session: AsyncSession, visitor: Visitor, chosen: OversightFilter, *, on_letters: bool
) -> HTMLResponse:
    keyring, at = access_services(request).keyring, access_services(request).clock.now()
    roles, path = (SUPERVISORS, READING_PATH) if on_letters else (LOG_READERS, LOG_PATH)
    viewer = await load_overseer(session, describe_login(visitor), roles, at=at)
    organisation_id = viewer.organisation.id
    employees = dict(await load_employee_views(session, keyring, organisation_id, at=at))
    actor_id = await _find_actor(session, keyring, viewer, chosen, employees, at)
    if on_letters:
        await journal_viewed_reading(session, viewer, chosen.to_params(), at=at)
    where = LineFilter(
        acts=_READING_ACTS if on_letters else _OFFICE_ACTS,
        on_letters=on_letters,
        actor_id=actor_id,
        period=None if chosen.maand is None else month_period(chosen.maand),
    )
    found = await load_lines_of_organisation(
        session, organisation_id, limit=PAGE_SIZE + 1, before=chosen.cursor, where=where
    )
    page = found[:PAGE_SIZE]
    names = await _load_names(request, session, organisation_id, page, at)
    return render_page(
        request,
        "organisation_oversight.html",
        on_letters=on_letters,
        organisation=viewer.organisation.name,
        is_supervisor=EmployeeRole.SUPERVISOR in viewer.employee.roles,
        only_supervises=viewer.employee.roles == SUPERVISORS,
        lines=[_describe(line, names, on_letters=on_letters) for line in page],
        employee_options=[
            (str(one.id), one.name or get_sentence("organisation.employee.unknown")) for one in employees.values()
        ],
        chosen_employee="" if chosen.medewerker is None else str(chosen.medewerker),
        months=[(f"{month:%Y-%m}", format_month(month)) for month in list_months(at, chosen.maand)],
        chosen_month="" if chosen.maand is None else f"{chosen.maand:%Y-%m}",
        newest=chosen.make_link(path) if chosen.cursor else "",
        older=chosen.make_older_link(path, page[-1]) if len(found) > PAGE_SIZE else "",
    )


async def _find_actor(
    session: AsyncSession,
    keyring: KeyRing,
    viewer: ActingLeader,
    chosen: OversightFilter,
    employees: dict[UUID, EmployeeView],
    at: datetime,
) -> PersonId | None:
    """Find the person of the chosen employee, also of one who left. Raises NotFound for one of others."""
    if chosen.medewerker is None:
        return None
    named = await load_named_employees(session, keyring, viewer.organisation.id, [chosen.medewerker], at=at)
    if chosen.medewerker not in named:
        raise NotFound("medewerker_onbekend")
    employees |= named
    # Who never logged in has done nothing: no line has this id.
    return named[chosen.medewerker].person_id or PersonId(chosen.medewerker)


async def _load_names(
    request: Request, session: AsyncSession, organisation_id: UUID, lines: Sequence[JournalEntry], at: datetime
) -> _Names:
    """Load the names of a page, each kind in one statement."""
    keyring = access_services(request).keyring
    actors = {line.actor_id for line in lines if line.actor_id is not None and line.capacity != OPERATOR}
    links = {line.machtiging_id for line in lines if line.machtiging_id is not None}
    assigned = await find_assigned_employees(session, links)
    about = {one for line in lines if (one := _parse_employee(line)) is not None} | set(assigned.values())
    people = {line.for_person_id for line in lines if line.for_person_id is not None}
    former = dict.fromkeys(
        await find_own_clients(session, organisation_id, people), get_sentence("organisation.log.former_client")
    )
    standing = await load_standing_clients(session, organisation_id, people, at=at)
    profiles = await load_profiles(session, keyring, list(standing))
    letters = {one for line in lines if line.outcome != JournalOutcome.REFUSED and (one := parse_letter_id(line))}
    return _Names(
        actors=await load_employees_of_people(session, keyring, organisation_id, actors, at=at),
        employees=await load_named_employees(session, keyring, organisation_id, about, at=at),
        assigned=assigned,
        clients=former | {one: name_of_profile(profiles.get(one)) for one in standing},
        letters=_select_visible(await find_owned_envelopes(session, letters), standing),
        agencies=await load_agency_names(session),
    )


def _select_visible(
    letters: Mapping[str, OwnedEnvelope], standing: Mapping[PersonId, Sequence[Authority]]
) -> dict[str, OwnedEnvelope]:
    """Select the letters within what their owner gives the organisation now."""
    return {
        key: one
        for key, one in letters.items()
        if any(scope_violation(authority.scope, one.envelope) is None for authority in standing.get(one.owner_id, ()))
    }


def _parse_employee(line: JournalEntry) -> UUID | None:
    if line.object_kind != "medewerker" or line.object_id is None:
        return None
    try:
        return UUID(line.object_id)
    except ValueError:
        return None


def _describe(line: JournalEntry, names: _Names, *, on_letters: bool) -> OversightLine:
    return OversightLine(
        at=line.occurred_at if line.occurred_at.year in JOURNAL_YEARS else None,
        who=_describe_actor(line, names),
        what=_ACT_LABELS.get(line.act) or get_sentence("organisation.log.other"),
        client=names.clients.get(PersonId(line.for_person_id), "") if line.for_person_id is not None else "",
        about=_describe_letter(line, names) if on_letters else _describe_employee(line, names),
        refused=line.outcome == JournalOutcome.REFUSED,
    )


def _describe_actor(line: JournalEntry, names: _Names) -> str:
    if line.capacity == OPERATOR:
        return get_sentence("organisation.log.operator")
    if line.actor_id is None:
        return get_sentence("organisation.log.service")
    actor = names.actors.get(PersonId(line.actor_id))
    if actor is not None:
        return actor.name or get_sentence("organisation.employee.unknown")
    return names.clients.get(PersonId(line.actor_id)) or get_sentence("organisation.log.other_person")


def _describe_letter(line: JournalEntry, names: _Names) -> str:
    """Describe the sender and the theme of a letter that was opened. Of a refused act nothing is told."""
    letter = names.letters.get(str(parse_letter_id(line))) if line.outcome != JournalOutcome.REFUSED else None
    if letter is None:
        return ""
    return f"{names.agencies.agency_name(letter.envelope.afzender)}, {THEME_LABELS[letter.envelope.theme]}"


def _describe_employee(line: JournalEntry, names: _Names) -> str:
    """Describe the employee whom the act was about."""
    employee_id = _parse_employee(line)
    if employee_id is None and line.machtiging_id is not None:
        employee_id = names.assigned.get(line.machtiging_id)
    found = None if employee_id is None else names.employees.get(employee_id)
    return "" if found is None else found.name
