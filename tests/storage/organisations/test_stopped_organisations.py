"""The clients of an organisation that stopped: told once, and over after thirty days."""

import asyncio
from datetime import timedelta

import pytest

from machtiging.delegation.suspension import organisation_stops
from machtiging.delegation.suspension.organisation_stops import (
    WAITING_TIME,
    end_machtigingen_of_stopped,
    tell_clients_of_stopped,
)
from machtiging.delegation.tables import SEALED_MACHTIGING
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.clock import SettableClock
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.organisations import decide_recognition
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.assignments.assignment_world import Assignments

TOLD, ENDED = "organisatie_gestopt", "vervallen_door_organisatie"
BOTH = pytest.mark.parametrize("status", ["opgeschort", "ingetrokken"])


@pytest.fixture
async def office(database):
    return await Assignments.begin(database)


async def decide(office, number, status):
    async with unit_of_work(office.database.sessions) as session:
        await decide_recognition(session, office.organisation, number, status)


async def tell(office, at=NOON):
    return await tell_clients_of_stopped(office.database.sessions, SettableClock(at))


async def end(office, at=NOON + WAITING_TIME):
    return await end_machtigingen_of_stopped(office.database.sessions, SettableClock(at))


async def read_reasons(office, act):
    return [(line.outcome, line.reason) for line in await JOURNAL_INTAKE.read(office.database, act=act)]


@BOTH
async def test_client_of_a_stopped_organisation_is_told_once(office, status):
    await office.assign(await office.grant())
    await decide(office, 3, status)
    assert (await tell(office), await tell(office, NOON + timedelta(days=1))) == (1, 0)
    assert await office.load_recipients(TOLD) == [office.client]
    assert await read_reasons(office, "machtiging:organisatie_gestopt") == [("done", status)]


async def test_client_of_a_recognised_organisation_is_not_told(office):
    await office.grant()
    assert (await tell(office), await end(office, NOON + timedelta(days=80))) == (0, 0)


async def test_client_is_told_once_by_two_workers_at_once(office):
    await office.grant()
    await decide(office, 3, "opgeschort")
    assert sorted(await asyncio.gather(tell(office), tell(office))) == [0, 1]
    assert await office.load_recipients(TOLD) == [office.client]


async def test_client_is_told_of_the_next_decision_too(office):
    await office.grant()
    await decide(office, 3, "opgeschort")
    await tell(office)
    await decide(office, 4, "erkend")
    assert await tell(office) == 0
    await decide(office, 5, "ingetrokken")
    assert await tell(office) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "paused", "paused_at": NOON},
        {"state": "active"},
    ],
)
@BOTH
async def test_machtiging_ends_thirty_days_after_the_decision(office, status, changes):
    root = await office.grant(**changes)
    await decide(office, 3, status)
    assert await end(office, NOON + WAITING_TIME - timedelta(seconds=1)) == 0
    assert (await end(office), await end(office, NOON + WAITING_TIME + timedelta(days=1))) == (1, 0)
    row = await MACHTIGINGEN.read_one(office.database, id=root)
    assert (row.state, row.end_reason, row.ended_at) == ("ended", "organisatie", NOON + WAITING_TIME)
    async with office.database.sessions() as session:
        assert verify_row(session, SEALED_MACHTIGING, row)
    assert await office.load_recipients(ENDED) == [office.client]
    assert await read_reasons(office, "machtiging:vervallen") == [("done", "organisatie")]


async def test_machtiging_of_an_organisation_recognised_again_stays(office):
    await office.grant()
    await decide(office, 3, "opgeschort")
    await decide(office, 4, "erkend")
    assert await end(office, NOON + timedelta(days=80)) == 0


async def test_machtiging_that_the_citizen_ended_is_told_of_nothing(office):
    root = await office.grant()
    await decide(office, 3, "ingetrokken")
    async with unit_of_work(office.database.sessions) as session:
        await revoke_machtiging(session, root, office.client, at=NOON)
    assert (await tell(office), await end(office)) == (0, 0)


async def test_machtiging_of_a_register_stays_with_the_organisation(office):
    await office.grant(channel="register")
    await decide(office, 3, "ingetrokken")
    assert (await tell(office), await end(office)) == (0, 0)


async def test_forged_machtiging_is_left_for_the_row_check(office, database):
    root = await office.grant()
    await decide(office, 3, "ingetrokken")
    async with database.sessions.begin() as session:
        await session.execute(MACHTIGINGEN.table.update().where(MACHTIGINGEN.c.id == root).values(mac=b"x"))
    assert (await tell(office), await end(office)) == (0, 0)
    assert await office.load_recipients(TOLD) == []


async def test_forged_machtigingen_hold_up_no_other_client(office, database, monkeypatch):
    monkeypatch.setattr(organisation_stops, "_BATCH_SIZE", 2)
    roots = sorted([await office.grant() for _ in range(5)])
    await decide(office, 3, "ingetrokken")
    async with database.sessions.begin() as session:
        await session.execute(MACHTIGINGEN.table.update().where(MACHTIGINGEN.c.id.in_(roots[:3])).values(mac=b"x"))
    assert (await tell(office), await end(office)) == (2, 2)
