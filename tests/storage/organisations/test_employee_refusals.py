"""Refused acts on employees: each has one journal line with its exact reason."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.assignments.queries import load_present_employee
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.employees import (
    change_roles,
    end_employment,
    invite_employee,
    load_administrator,
    resume_employee,
    suspend_employee,
)
from machtiging.organisations.registration import request_recognition
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.builders.organisations import add_employee, add_organisation
from tests.storage.organisations.organisation_world import (
    ADMINISTRATOR,
    CARE_WORKER,
    COMMAND_LINE,
    KVK,
    LISTING,
    OTHER_KVK,
    REQUEST,
    make_invitation,
)

KEYS = load_keyring()


@pytest.fixture
async def stranger(world):
    """An employee of another organisation."""
    other = await world.recognise(OTHER_KVK)
    return await world.invite(world.operators[0], other, "elders", ADMINISTRATOR)


async def refusals(world, act):
    return [
        (line.reason, line.actor_id, line.on_behalf_of) for line in await world.lines(act) if line.outcome != "done"
    ]


async def test_call_of_a_person_without_the_role_is_journalled(world, administrator):
    await world.hire(administrator, "fatima")
    fatima, nobody = await world.log_in("fatima"), await world.log_in("onbekend")
    for person, assurance in (
        (fatima, Assurance.SUBSTANTIAL),
        (nobody, Assurance.SUBSTANTIAL),
        (administrator.person_id, Assurance.LOW),
    ):
        await world.refuse(load_administrator, LISTING, person, KVK, assurance)
    assert await refusals(world, LISTING) == [
        ("alleen_voor_organisatiebeheerder", fatima, administrator.organisation_id),
        ("geen_medewerker", nobody, None),
        ("niveau_te_laag", administrator.person_id, administrator.organisation_id),
    ]


async def test_call_of_an_administrator_leaves_no_line_of_a_refusal(world, administrator):
    await world.do(load_administrator, LISTING, administrator.person_id, KVK, Assurance.SUBSTANTIAL)
    assert await world.lines(LISTING) == []


@pytest.mark.parametrize(
    ("act", "line", "roles"),
    [
        (end_employment, "medewerker:vertrokken", ()),
        (suspend_employee, "medewerker:gewijzigd", ()),
        (resume_employee, "medewerker:gewijzigd", ()),
        (change_roles, "medewerker:gewijzigd", (CARE_WORKER,)),
    ],
)
async def test_act_on_an_unknown_employee_is_journalled_with_its_exact_reason(
    world, administrator, stranger, act, line, roles
):
    for employee in (uuid4(), stranger):
        assert await world.refuse(act, KEYS, administrator, employee, *roles) == "medewerker_onbekend"
    own = (administrator.person_id, administrator.organisation_id)
    assert await refusals(world, line) == [("bestaat_niet", *own), ("niet_van_u", *own)]


async def test_departure_in_the_wrong_organisation_is_journalled(world, organisation, administrator):
    operator = world.operators[0]
    leaving = (end_employment, KEYS, operator, administrator.employee_id)
    assert await world.refuse(*leaving, organisation_id=uuid4()) == "medewerker_onbekend"
    assert await world.refuse(end_employment, KEYS, COMMAND_LINE, uuid4()) == "medewerker_onbekend"
    reasons = [reason for reason, *_ in await refusals(world, "medewerker:vertrokken")]
    assert reasons == ["niet_van_u", "bestaat_niet"]
    await world.do(*leaving, organisation_id=organisation)


async def test_invitation_into_an_unknown_organisation_is_journalled(world, administrator):
    other = await world.recognise(OTHER_KVK)
    inviting = (invite_employee, KEYS, administrator, other, make_invitation("jan"))
    assert await world.refuse(*inviting) == "organisatie_onbekend"
    unknown = (invite_employee, KEYS, COMMAND_LINE, uuid4(), make_invitation("jan", ADMINISTRATOR))
    assert await world.refuse(*unknown) == "organisatie_onbekend"
    reasons = [reason for reason, *_ in await refusals(world, "medewerker:uitgenodigd")]
    assert reasons == ["niet_van_u", "bestaat_niet"]


async def test_second_request_for_recognition_is_journalled(world, organisation):
    assert await world.refuse(request_recognition, COMMAND_LINE, organisation, REQUEST) == "erkenning_kan_niet"
    assert await refusals(world, "erkenning:aangevraagd") == [("erkenning_kan_niet", None, organisation)]


async def test_act_on_an_employee_of_another_organisation_waits_for_no_lock(world, database, administrator, stranger):
    async with unit_of_work(database.sessions) as session:
        await session.execute(text("SELECT FROM employee WHERE id = :id FOR UPDATE"), {"id": stranger})
        ending = world.refuse(end_employment, KEYS, administrator, stranger)
        assert await asyncio.wait_for(ending, 5) == "medewerker_onbekend"


@pytest.mark.parametrize(
    ("at_first", "at_second", "code"),
    [
        ("actief", "actief", None),
        ("op_non_actief", "actief", "geen_medewerker"),
        ("actief", "op_non_actief", None),
        ("vertrokken", "actief", None),
    ],
)
async def test_employee_of_two_vestigingen_is_the_same_one_for_every_act(world, database, at_first, at_second, code):
    """The first vestiging where the person works counts, for administration and for assignments alike."""
    person = await world.add_person("Fatima")
    ids = []
    async with unit_of_work(database.sessions) as session:
        # Added in the other order than they are sorted.
        for vestiging, state in (("000000000002", at_second), ("000000000001", at_first)):
            organisation = await add_organisation(session, KVK, vestiging=vestiging)
            ends = {"ends_at": world.clock.now()} if state == "vertrokken" else {}
            roles = ["organisatiebeheerder"]
            ids.append(await add_employee(session, organisation, person, state=state, roles=roles, **ends))
    login = EmployeeLogin(person, KVK, Assurance.SUBSTANTIAL)
    calls = {
        load_administrator: (LISTING, person, KVK, Assurance.SUBSTANTIAL),
        load_present_employee: (login,),
    }
    if code is not None:
        assert [await world.refuse(act, *values) for act, values in calls.items()] == [code, code]
        return
    administrator, leader = [await world.do(act, *values) for act, values in calls.items()]
    assert administrator.employee_id == leader.employee.id == ids[0 if at_first == "vertrokken" else 1]
