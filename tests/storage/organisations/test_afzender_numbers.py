"""The KvK number of the organisation of an afzender is added once."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.agencies.catalogue import upsert_catalogue
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound
from machtiging.kernel.ids import uuid7
from machtiging.organisations.queries import find_organisation_by_number
from machtiging.organisations.registration import add_kvk_number, register_afzenders, register_organisation
from machtiging.organisations.rules import OrganisationNumbers
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import SVB, UWV
from tests.builders.rows import JOURNAL_INTAKE, ORGANISATIONS
from tests.storage.organisations.organisation_world import COMMAND_LINE, KVK, REQUEST, make_registration

FRESH = "90000091"


async def add_afzender(session, oin=UWV):
    """Register the organisations of all afzenders. Returns the id of one."""
    await upsert_catalogue(session)
    await register_afzenders(session, load_keyring(), COMMAND_LINE, at=NOON)
    return await find_organisation_by_number(session, OrganisationNumbers(oin=oin), at=NOON)


async def test_number_is_added_once_journalled_and_raises_the_epoch(session):
    afzender = await add_afzender(session)
    before = await ORGANISATIONS.read_one(session, id=afzender)
    for _ in range(2):
        await add_kvk_number(session, COMMAND_LINE, afzender, FRESH, at=NOON)
    after = await ORGANISATIONS.read_one(session, id=afzender)
    assert (after.kvk, after.epoch) == (FRESH, before.epoch + 1)
    assert await find_organisation_by_number(session, OrganisationNumbers(kvk=FRESH), at=NOON) == afzender
    (line,) = await JOURNAL_INTAKE.read(session, act="organisatie:nummer")
    assert (line.outcome, line.reason, line.facts["beheerder"]) == ("done", "kvk", "jan")


async def test_number_that_is_taken_or_another_number_is_refused(session):
    registered = await register_organisation(
        session, load_keyring(), COMMAND_LINE, make_registration(), REQUEST, at=NOON
    )
    afzender = await add_afzender(session)
    with pytest.raises(Conflict, match="organisatie_bestaat_al"):
        await add_kvk_number(session, COMMAND_LINE, afzender, KVK, at=NOON)
    await add_kvk_number(session, COMMAND_LINE, afzender, FRESH, at=NOON)
    for organisation_id in (afzender, registered):
        with pytest.raises(Conflict, match="kvk_kan_niet"):
            await add_kvk_number(session, COMMAND_LINE, organisation_id, "90000092", at=NOON)
    reasons = [line.reason for line in await JOURNAL_INTAKE.read(session, act="organisatie:nummer", outcome="refused")]
    assert reasons == ["organisatie_bestaat_al", "kvk_kan_niet", "kvk_kan_niet"]


@pytest.mark.parametrize("kvk", ["", "1234567", "123456789", "1234567a", "' OR 1=1"])
async def test_number_that_is_no_kvk_number_is_refused(session, kvk):
    afzender = await add_afzender(session)
    with pytest.raises(InvalidInput, match="kvk_ongeldig"):
        await add_kvk_number(session, COMMAND_LINE, afzender, kvk, at=NOON)
    with pytest.raises(NotFound, match="organisatie_onbekend"):
        await add_kvk_number(session, COMMAND_LINE, uuid7(), FRESH, at=NOON)


async def test_same_number_for_two_afzenders_at_once_is_added_to_one(database):
    async with unit_of_work(database.sessions) as session:
        both = [await add_afzender(session, oin) for oin in (UWV, SVB)]

    async def add(organisation_id):
        async with unit_of_work(database.sessions) as session:
            await add_kvk_number(session, COMMAND_LINE, organisation_id, FRESH, at=NOON)

    results = await asyncio.gather(*map(add, both), return_exceptions=True)
    assert sorted(isinstance(one, Conflict) for one in results) == [False, True]
    assert await ORGANISATIONS.count(database, kvk=FRESH) == 1


@pytest.mark.parametrize(
    "change",
    [
        "kvk = '90000099'",  # without a new epoch
        "kvk = '90000099', oin = '00000099000000099000', epoch = epoch + 1",
        "rsin = '123456782', epoch = epoch + 1",
    ],
)
async def test_other_numbers_of_an_afzender_do_not_change_in_the_database(session, change):
    await add_afzender(session)
    with pytest.raises(DBAPIError, match="numbers of an organisation do not change"):
        await session.execute(text(f"UPDATE organisation SET {change} WHERE oin = '{UWV}'"))


async def test_number_once_added_does_not_change_in_the_database(session):
    await add_kvk_number(session, COMMAND_LINE, await add_afzender(session), FRESH, at=NOON)
    for change in ("kvk = '90000099'", "kvk = NULL"):
        with pytest.raises(DBAPIError, match="numbers of an organisation do not change"):
            async with session.begin_nested():
                statement = f"UPDATE organisation SET {change}, epoch = epoch + 1 WHERE oin = '{UWV}'"
                await session.execute(text(statement))
