"""The organisation of the practice world: recognised, with its first employee invited."""

from __future__ import annotations

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict
from machtiging.kernel.ids import PersonId
from machtiging.organisations.employees import invite_employee, load_administrator
from machtiging.organisations.queries import (
    find_employee_of_login,
    find_organisation_by_number,
    load_present_employees,
)
from machtiging.organisations.recognition import confirm_recognition, propose_recognition
from machtiging.organisations.registration import add_kvk_number, register_afzenders, register_organisation
from machtiging.organisations.rules import (
    ActingOperator,
    Ceiling,
    EmployeeInvitation,
    EmployeeRole,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
)
from machtiging.simulators.personas import PERSONAS
from machtiging.storage.unit_of_work import unit_of_work

ORGANISATION_NAME = "Stichting Raadslieden Oefenstad"
# The first organisatiebeheerder, who may invite colleagues. She helps clients too.
_FIRST_EMPLOYEE = PERSONAS["raadslid"]
# Her colleagues: one helps nobody yet, the other sees who read what and no letter.
_COLLEAGUES = {"collega": EmployeeRole.CARE_WORKER, "toezichthouder": EmployeeRole.SUPERVISOR}
_ROLES = frozenset({EmployeeRole.ADMINISTRATOR, EmployeeRole.CARE_WORKER})
_STORY = ActingOperator(None, "verhaal")
# An employee of an agency, who checks with the codes of citizens and helpers.
_CHECKER, _AGENCY = PERSONAS["controleur"], "Belastingdienst"
_CHECKER_ROLES = frozenset({EmployeeRole.ADMINISTRATOR, EmployeeRole.VERIFIER})


async def add_practice_organisation(environment: StoryEnvironment) -> bool:
    """Register the organisation, recognise it and invite its first employee. Returns False if it exists.

    In the practice world one operator may propose and confirm, and may give the first organisatiebeheerder other roles.
    Elsewhere she would get them from a second organisatiebeheerder.
    """
    numbers = OrganisationNumbers(kvk=_FIRST_EMPLOYEE.kvk)
    ceiling = Ceiling(sensitivity=Sensitivity.GEVOELIG)
    registration = OrganisationRegistration(numbers, ORGANISATION_NAME, OrganisationKind.WELZIJN, ceiling)
    request = RecognitionProposal(RecognitionStatus.REQUESTED, "oefening")
    recognised = RecognitionProposal(RecognitionStatus.RECOGNISED, "oefening")
    at, keyring = environment.now(), environment.keyring
    try:
        async with unit_of_work(environment.sessions) as session:
            organisation_id = await register_organisation(session, keyring, _STORY, registration, request, at=at)
    except Conflict:
        return False
    async with unit_of_work(environment.sessions) as session:
        number = await propose_recognition(session, _STORY, organisation_id, recognised, at=at)
        await confirm_recognition(session, keyring, _STORY, organisation_id, number, practice=True, at=at)
        subject = _FIRST_EMPLOYEE.build_claims()["sub"]
        invitation = EmployeeInvitation(environment.broker, subject, _FIRST_EMPLOYEE.name, _ROLES)
        await invite_employee(session, keyring, _STORY, organisation_id, invitation, at=at, practice=True)
    return True


async def invite_colleagues(environment: StoryEnvironment, administrator: PersonId) -> list[str]:
    """Let the first employee invite her colleagues. Returns the personas who did not work there yet."""
    return [key for key, role in _COLLEAGUES.items() if await _invite_colleague(environment, administrator, key, role)]


async def _invite_colleague(
    environment: StoryEnvironment, administrator: PersonId, persona_key: str, role: EmployeeRole
) -> bool:
    at, keyring, persona = environment.now(), environment.keyring, PERSONAS[persona_key]
    invited = JournalAct.MEDEWERKER_UITGENODIGD
    invitation = EmployeeInvitation(environment.broker, persona.build_claims()["sub"], persona.name, frozenset({role}))
    async with environment.sessions() as session:
        employed = await find_employee_of_login(session, administrator, _FIRST_EMPLOYEE.kvk, at=at)
        present = [] if employed is None else await load_present_employees(session, employed.organisation_id, at=at)
    if any(one.broker_subject == invitation.broker_subject for one in present):
        return False
    async with unit_of_work(environment.sessions) as session:
        level, kvk = Assurance.SUBSTANTIAL, _FIRST_EMPLOYEE.kvk
        actor = await load_administrator(session, invited, administrator, kvk, level, at=at)
        await invite_employee(session, keyring, actor, actor.organisation_id, invitation, at=at)
    return True


async def add_checking_agency(environment: StoryEnvironment) -> bool:
    """Give the organisation of an agency its KvK number, and invite a controleur. Returns False if that was done."""
    at, keyring = environment.now(), environment.keyring
    async with unit_of_work(environment.sessions) as session:
        await register_afzenders(session, keyring, _STORY, at=at)
        numbers = OrganisationNumbers(oin=find_catalogue_oin(_AGENCY))
        organisation_id = await find_organisation_by_number(session, numbers, at=at)
        if organisation_id is None or _CHECKER.kvk is None:
            return False
        await add_kvk_number(session, _STORY, organisation_id, _CHECKER.kvk, at=at)
        if await load_present_employees(session, organisation_id, at=at):
            return False
        invitation = EmployeeInvitation(
            environment.broker, _CHECKER.build_claims()["sub"], _CHECKER.name, _CHECKER_ROLES
        )
        await invite_employee(session, keyring, _STORY, organisation_id, invitation, at=at, practice=True)
    return True
