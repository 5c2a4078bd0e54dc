"""The organisation of the practice world: recognised, with its first employee invited."""

from __future__ import annotations

from machtiging.agencies.rules import Sensitivity
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.kernel.errors import Conflict
from machtiging.organisations.employees import invite_employee
from machtiging.organisations.recognition import confirm_recognition, propose_recognition
from machtiging.organisations.registration import register_organisation
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
_ROLES = frozenset({EmployeeRole.ADMINISTRATOR, EmployeeRole.CARE_WORKER})
_STORY = ActingOperator(None, "verhaal")


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
