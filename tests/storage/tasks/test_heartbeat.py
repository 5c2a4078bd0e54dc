"""Heartbeats of workers: who is present, which loops fail, and who is late."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.cli.doctor_checks.installation import FindingStatus
from machtiging.cli.doctor_checks.workers import describe_presence
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.heartbeat import LATE_AFTER, WorkerPresence, delete_heartbeat, load_presence, write_heartbeat

NOBODY = WorkerPresence(0, None, {})


@pytest.fixture
def heartbeats(database):
    return Heartbeats(database)


class Heartbeats:
    """The heartbeats of one database."""

    def __init__(self, database):
        self.database = database

    async def write(self, worker_id, **problems):
        async with unit_of_work(self.database.sessions) as session:
            await write_heartbeat(session, worker_id, problems)

    async def delete(self, worker_id):
        async with unit_of_work(self.database.sessions) as session:
            await delete_heartbeat(session, worker_id)

    async def age(self, worker_id, interval):
        async with unit_of_work(self.database.sessions) as session:
            older = text("UPDATE worker_heartbeat SET seen_at = seen_at - cast(:by AS interval) WHERE id = :id")
            await session.execute(older, {"by": interval, "id": worker_id})

    async def presence(self):
        async with self.database.sessions() as session:
            return await load_presence(session)


async def test_presence_without_any_worker_is_empty(heartbeats):
    assert await heartbeats.presence() == NOBODY


async def test_presence_counts_workers_and_collects_their_problems(heartbeats):
    one, other = uuid4(), uuid4()
    for _ in range(2):
        await heartbeats.write(one, zegelen="mislukt")
    await heartbeats.write(other, post="mislukt")
    presence = await heartbeats.presence()
    assert (presence.workers, presence.problems) == (2, {"zegelen": "mislukt", "post": "mislukt"})
    assert presence.last_seen_ago < LATE_AFTER
    await heartbeats.write(one)
    assert (await heartbeats.presence()).problems == {"post": "mislukt"}


async def test_worker_without_heartbeat_for_a_minute_is_not_present(heartbeats):
    one = uuid4()
    await heartbeats.write(one, zegelen="mislukt")
    await heartbeats.age(one, timedelta(seconds=61))
    presence = await heartbeats.presence()
    assert (presence.workers, presence.problems) == (0, {})
    assert presence.last_seen_ago > LATE_AFTER


async def test_worker_that_stops_is_not_present(heartbeats):
    one = uuid4()
    await heartbeats.write(one)
    await heartbeats.delete(one)
    assert await heartbeats.presence() == NOBODY


async def test_heartbeat_of_yesterday_is_deleted(heartbeats):
    one = uuid4()
    await heartbeats.write(one)
    await heartbeats.age(one, timedelta(days=1))
    await heartbeats.write(uuid4())
    async with heartbeats.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM worker_heartbeat")) == 1


@pytest.mark.parametrize(
    ("presence", "worker_inside", "status"),
    [
        (WorkerPresence(2, timedelta(seconds=3), {}), False, FindingStatus.OK),
        (NOBODY, True, FindingStatus.ATTENTION),
        (NOBODY, False, FindingStatus.WRONG),
        (WorkerPresence(0, timedelta(hours=1), {}), False, FindingStatus.WRONG),
    ],
)
def test_doctor_says_that_no_worker_was_seen(presence, worker_inside, status):
    finding = describe_presence(presence, worker_inside=worker_inside)
    assert finding.status is status
    assert (finding.status is FindingStatus.OK) == (finding.remedy == "")
