"""Workers that are killed in the middle of a task do each item once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from machtiging.delegation.assignment_tasks.creation import request_assignments
from machtiging.delegation.assignments.rules import AssignmentRequest
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring, make_key_directory
from tests.builders.rows import JOURNAL, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS
from tests.protocol.real_server.serve_process import ServeProcess, wait_until
from tests.storage.assignment_tasks.task_world import ITEMS, TASKS
from tests.storage.assignments.assignment_world import Assignments

pytestmark = pytest.mark.whole
CLIENTS, KILLS = 150, 3


@pytest.fixture
def installation(database, tmp_path):
    make_key_directory(tmp_path / "keys")
    made = ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url)
    yield made
    made.kill()


async def ask_task(office):
    roots = [await office.grant() for _ in range(CLIENTS)]
    requests = [AssignmentRequest(one, office.worker_id) for one in roots]
    at = datetime.now(UTC)
    async with unit_of_work(office.database.sessions) as session:
        login = office.login()
        return await request_assignments(session, load_keyring(), login, requests, idempotency_key=None, at=at)


async def test_workers_killed_in_the_middle_do_each_item_of_a_task_once(installation, database):
    office = await Assignments.begin(database)
    await ask_task(office)

    def has_done(count):
        async def done():
            return await ITEMS.count(database, state="gedaan") >= count

        return done

    workers = [installation.run(command="work") for _ in range(2)]
    for number in range(KILLS):
        await wait_until(has_done((number + 1) * CLIENTS // (KILLS + 2)))
        workers.pop(0).kill()
        workers.append(installation.run(command="work"))
    await wait_until(has_done(CLIENTS))

    async def is_finished():
        return await TASKS.read_value(database, "finished_at") is not None

    await wait_until(is_finished)
    assert await MACHTIGINGEN.count(database, employee_id=office.worker_id, state="active") == CLIENTS
    assert await NOTIFICATIONS.count(database, kind="toewijzing_gemaakt") == CLIENTS
    async with database.sealer.connect() as connection:
        journalled = [await table.count(connection, act="toewijzing:gemaakt") for table in (JOURNAL, JOURNAL_INTAKE)]
    assert sum(journalled) == CLIENTS
