"""Representatives in the practice world: an office for bewind, a mother and a director."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from machtiging.agencies.rules import Sensitivity
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.delegation.statutory.application import EventContext
from machtiging.delegation.statutory.precedence import read_precedence
from machtiging.delegation.statutory.rules import StatutoryKind
from machtiging.kernel.clock import to_dutch_date
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
from machtiging.registers.intake import EventSource, take_in_event
from machtiging.settings import Settings
from machtiging.simulators.personas import PERSONAS
from machtiging.storage.unit_of_work import unit_of_work

OFFICE_NAME, BUSINESS_NAME = "Bewindkantoor Oefenstad", "Bakkerij Oefenstad"
_DIRECTOR = PERSONAS["bestuurder"]
_BEWINDVOERDER, _CLIENT = PERSONAS["bewindvoerder"], PERSONAS["client-onder-bewind"]
_PARENT, _CHILD = PERSONAS["engelstalig"], PERSONAS["kind"]
_ROLES = frozenset({EmployeeRole.ADMINISTRATOR, EmployeeRole.CARE_WORKER})
_STORY = ActingOperator(None, "verhaal")
# A test OIN of no sender.
# One invented register tells of all kinds.
_REGISTER = EventSource("00000099000000090000", kinds=frozenset(StatutoryKind))
_DAYS_AGO = 40


async def add_practice_office(environment: StoryEnvironment) -> None:
    """Register and recognise the office, and invite its first employee. Repeating it changes nothing."""
    at, keyring = environment.now(), environment.keyring
    numbers, ceiling = OrganisationNumbers(kvk=_BEWINDVOERDER.kvk), Ceiling(sensitivity=Sensitivity.GEVOELIG)
    registration = OrganisationRegistration(numbers, OFFICE_NAME, OrganisationKind.BEWIND, ceiling)
    request = RecognitionProposal(RecognitionStatus.REQUESTED, "oefening")
    recognised = RecognitionProposal(RecognitionStatus.RECOGNISED, "oefening")
    try:
        async with unit_of_work(environment.sessions) as session:
            office_id = await register_organisation(session, keyring, _STORY, registration, request, at=at)
    except Conflict:
        return
    async with unit_of_work(environment.sessions) as session:
        number = await propose_recognition(session, _STORY, office_id, recognised, at=at)
        await confirm_recognition(session, keyring, _STORY, office_id, number, practice=True, at=at)
        subject = _BEWINDVOERDER.build_claims()["sub"]
        invitation = EmployeeInvitation(environment.broker, subject, _BEWINDVOERDER.name, _ROLES)
        await invite_employee(session, keyring, _STORY, office_id, invitation, at=at, practice=True)


async def add_practice_business(environment: StoryEnvironment) -> None:
    """Register the business, which helps nobody. Repeating it changes nothing."""
    numbers = OrganisationNumbers(kvk=_DIRECTOR.kvk)
    registration = OrganisationRegistration(numbers, BUSINESS_NAME, OrganisationKind.BEDRIJF, Ceiling())
    request = RecognitionProposal(RecognitionStatus.REQUESTED, "oefening")
    try:
        async with unit_of_work(environment.sessions) as session:
            await register_organisation(
                session, environment.keyring, _STORY, registration, request, at=environment.now()
            )
    except Conflict:
        return


async def tell_practice_events(environment: StoryEnvironment) -> None:
    """Let the registers tell of the representatives. The same events again change nothing."""
    context = EventContext(environment.keyring, read_precedence(Settings().policies_dir))
    for event in (_build_bewind(), _build_parental_authority(), _build_director()):
        day = (to_dutch_date(environment.now()) - timedelta(days=_DAYS_AGO)).isoformat()
        item = event | {"gebeurtenis": "begin", "ingangsdatum": day, "registerdatum": day}
        async with unit_of_work(environment.sessions) as session:
            await take_in_event(session, context, _REGISTER, item, at=environment.now())


def _build_bewind() -> dict[str, Any]:
    return {
        "gebeurtenisId": "oefening-bewind",
        "soort": "bewind",
        "relatieId": "oefening-bewind",
        "vertegenwoordigde": {"bsn": _CLIENT.bsn},
        "vertegenwoordiger": {"kvkNummer": _BEWINDVOERDER.kvk},
        "kenmerk": "OEFENING/BM/26/1001",
    }


def _build_director() -> dict[str, Any]:
    return {
        "gebeurtenisId": "oefening-bestuurder",
        "soort": "bestuurder",
        "relatieId": "oefening-bestuurder",
        "vertegenwoordigde": {"kvkNummer": _DIRECTOR.kvk},
        "vertegenwoordiger": {"bsn": _DIRECTOR.bsn},
        "kenmerk": "OEFENING/KVK/90000003",
    }


def _build_parental_authority() -> dict[str, Any]:
    return {
        "gebeurtenisId": "oefening-gezag",
        "soort": "ouderlijk_gezag",
        "relatieId": "oefening-gezag",
        "vertegenwoordigde": {"bsn": _CHILD.bsn},
        "vertegenwoordiger": {"bsn": _PARENT.bsn},
        "kenmerk": "OEFENING/GEZAG/2002",
        "geboortedatum": _CHILD.birthdate,
    }
