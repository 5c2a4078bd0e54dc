"""The first letter to a business registers it, once."""

import asyncio

import pytest

from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.journalled_tables import JOURNALLED_TABLES
from machtiging.kernel.errors import Conflict
from machtiging.organisations.recognition import propose_recognition
from machtiging.organisations.registration import (
    find_or_register_business,
    register_organisation,
    request_recognition,
)
from machtiging.organisations.rules import ActingAfzender, OrganisationNumbers, RecognitionStatus
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL_INTAKE, ORGANISATIONS, PARTIES
from tests.storage.organisations.organisation_world import (
    COMMAND_LINE,
    KVK,
    RECOGNISED,
    REQUEST,
    make_registration,
)

KEYS = load_keyring()
AFZENDER = ActingAfzender("00000099000000001000", "client-uwv")
NUMBERS = {
    "kvk": OrganisationNumbers(kvk=KVK),
    "vestiging": OrganisationNumbers(kvk=KVK, vestiging="000012345678"),
    "rsin": OrganisationNumbers(rsin="123456782"),
}


async def register_business(session, numbers):
    return await find_or_register_business(session, KEYS, AFZENDER, numbers, at=NOON)


async def register_alone(database, numbers):
    async with unit_of_work(database.sessions) as session:
        return await register_business(session, numbers)


async def count_rows(database):
    parties = await PARTIES.count(database, kind="organisation")
    return await ORGANISATIONS.count(database), parties, await JOURNAL_INTAKE.count(database, object_kind="organisatie")


@pytest.mark.parametrize("number", NUMBERS)
async def test_second_delivery_waits_for_the_first_and_finds_its_business(database, number):
    async with unit_of_work(database.sessions) as session:
        first = await register_business(session, NUMBERS[number])
        second = asyncio.create_task(register_alone(database, NUMBERS[number]))
        await wait_until_blocked(database.sessions, second)
    assert await second == first
    assert await count_rows(database) == (1, 1, 1)


@pytest.mark.parametrize("number", NUMBERS)
async def test_second_delivery_registers_the_business_after_rollback_of_the_first(database, number):
    async with database.sessions() as session:
        first = await register_business(session, NUMBERS[number])
        second = asyncio.create_task(register_alone(database, NUMBERS[number]))
        await wait_until_blocked(database.sessions, second)
        await session.rollback()
    assert await second != first
    assert await count_rows(database) == (1, 1, 1)


async def test_registration_by_operator_during_one_by_letter_is_refused(database):
    async def register_by_operator():
        async with unit_of_work(database.sessions) as session:
            registration = make_registration(rsin="123456782")
            await register_organisation(session, KEYS, COMMAND_LINE, registration, REQUEST, at=NOON)

    async with unit_of_work(database.sessions) as session:
        await register_business(session, NUMBERS["kvk"])
        operator = asyncio.create_task(register_by_operator())
        await wait_until_blocked(database.sessions, operator)
    with pytest.raises(Conflict, match="organisatie_bestaat_al"):
        await operator
    assert await count_rows(database) == (1, 1, 1)


async def test_letter_for_organisation_of_an_operator_finds_it(world, database):
    organisation = await world.register(KVK, rsin="123456782")
    for numbers in (NUMBERS["kvk"], NUMBERS["rsin"]):
        assert await register_alone(database, numbers) == organisation
    assert await register_alone(database, NUMBERS["vestiging"]) != organisation


async def test_business_of_a_letter_cannot_be_recognised_before_it_asks(world, database):
    business = await register_alone(database, NUMBERS["kvk"])
    assert await world.refuse(propose_recognition, world.operators[0], business, RECOGNISED) == "erkenning_kan_niet"
    await world.do(request_recognition, world.operators[0], business, REQUEST)
    await world.decide(business, RecognitionStatus.RECOGNISED)


async def test_request_for_recognition_names_the_business(world, database):
    business = await register_alone(database, NUMBERS["kvk"])
    await world.do(request_recognition, world.operators[0], business, REQUEST, name="Bakkerij Jansen")
    row = await ORGANISATIONS.read_one(database)
    assert (row.name, row.recognition_number, row.epoch) == ("Bakkerij Jansen", 1, 1)
    (line,) = await world.lines("erkenning:aangevraagd")
    assert line.facts["toestand"][0]["rij"]["name"] == "Bakkerij Jansen"
    await world.decide(business, RecognitionStatus.RECOGNISED)  # so the row is sealed


@pytest.mark.parametrize("name", ["", "x" * 201, "twee\nregels"])
async def test_request_for_recognition_with_invalid_name_is_refused(world, database, name):
    business = await register_alone(database, NUMBERS["kvk"])
    refused = world.refuse(request_recognition, world.operators[0], business, REQUEST, name=name)
    assert await refused == "naam_ongeldig"
    assert (await ORGANISATIONS.read_one(database)).recognition_number is None


async def test_row_of_business_is_what_the_journal_says(database, clock):
    for numbers in NUMBERS.values():
        await register_alone(database, numbers)
    async with database.sessions.begin() as session:
        for table in JOURNALLED_TABLES:
            await mark_finished(session, table, at=clock.now(), operator=None)
    check = RowCheck(database.sessions, KEYS, clock, JOURNALLED_TABLES)
    for _ in JOURNALLED_TABLES:
        await check.check_next_batch()
    assert check.findings == {}
