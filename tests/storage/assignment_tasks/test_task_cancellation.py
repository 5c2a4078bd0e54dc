"""A cancelled task: what was done stays, the rest is not done by any worker."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from machtiging.delegation.assignment_tasks.cancellation import cancel_task
from machtiging.kernel.errors import Refusal
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.organisations import OTHER_KVK, change_employee, decide_recognition
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.assignment_tasks.task_world import ITEMS
from tests.storage.assignments.assignment_world import Assignments

ACT = "toewijzing:taak_gestopt"


async def cancel(tasks, task_id, login=None):
    """Cancel as the teamleider who asked. Returns the task, or the code of the refusal."""
    try:
        async with unit_of_work(tasks.database.sessions) as session:
            return await cancel_task(session, login or tasks.office.login(), task_id, at=tasks.clock.now())
    except Refusal as refusal:
        return refusal.code


async def lines(tasks):
    return await JOURNAL_INTAKE.read(tasks.database, act=ACT)


async def count_links(tasks):
    return await MACHTIGINGEN.count(tasks.database, employee_id=tasks.office.worker_id, state="active")


async def test_items_after_cancellation_are_not_done(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(4)])
    await tasks.do_one()
    cancelled = await cancel(tasks, task_id)
    assert (cancelled.done, cancelled.cancelled, cancelled.waiting) == (1, 3, 0)
    assert cancelled.finished_at == tasks.clock.now()
    assert await tasks.work() == 0
    assert await tasks.results(task_id) == ["gedaan"] + ["taak_gestopt"] * 3
    assert await count_links(tasks) == 1


async def test_cancellation_is_journalled_once_and_repeats_without_effect(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(3)])
    await tasks.do_one()
    first = await cancel(tasks, task_id)
    assert await cancel(tasks, task_id) == first
    [line] = await lines(tasks)
    found = (line.outcome, line.actor_id, line.capacity, line.object_id, line.on_behalf_of, line.facts)
    facts = {"aantal": 2, "totaal": 3}
    assert found == ("done", tasks.office.leader, "teamleider", str(task_id), tasks.office.organisation, facts)


async def test_finished_task_stays_as_it_is(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    await tasks.work()
    before = await tasks.task(task_id)
    assert await cancel(tasks, task_id) == before
    assert await lines(tasks) == []


async def test_same_key_after_cancellation_gives_the_cancelled_task(tasks):
    root = await tasks.office.grant()
    task_id = await tasks.ask(root, key="maandag")
    await cancel(tasks, task_id)
    assert await tasks.ask(root, key="maandag") == task_id
    assert await tasks.work() == 0
    assert isinstance(await tasks.ask(root, key="dinsdag"), type(task_id))
    assert await tasks.work() == 1


async def test_administrator_cancels_the_task_of_a_colleague(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    person, _ = await tasks.office.hire("Astrid", roles=["organisatiebeheerder"])
    assert (await cancel(tasks, task_id, tasks.office.login(person))).cancelled == 1
    [line] = await lines(tasks)
    assert (line.actor_id, line.capacity) == (person, "organisatiebeheerder")


async def test_task_is_cancelled_while_the_organisation_is_suspended(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    async with unit_of_work(tasks.database.sessions) as session:
        await decide_recognition(session, tasks.office.organisation, 3, "opgeschort")
    assert (await cancel(tasks, task_id)).cancelled == 1


async def test_others_cancel_nothing_and_are_journalled(tasks):
    """A colleague, another organisation, a care worker, a stranger; and an unknown task."""
    task_id = await tasks.ask(await tasks.office.grant())
    office, other = tasks.office, await Assignments.begin(tasks.database, OTHER_KVK)
    colleague, _ = await office.hire("Tom", roles=["teamleider"])
    refused = [
        await cancel(tasks, task_id, office.login(colleague)),
        await cancel(tasks, task_id, other.login()),
        await cancel(tasks, uuid4()),
        await cancel(tasks, task_id, office.login(office.worker)),
        await cancel(tasks, task_id, office.login(kvk=None)),
    ]
    assert refused == ["taak_onbekend"] * 3 + ["alleen_voor_teamleider", "geen_medewerker"]
    reasons = [line.reason for line in await lines(tasks)]
    assert reasons == ["niet_van_u", "niet_van_u", "bestaat_niet", "alleen_voor_teamleider", "geen_medewerker"]
    assert {line.outcome for line in await lines(tasks)} == {"refused"}
    assert await tasks.results(task_id) == ["wacht"]
    assert await tasks.work() == 1


async def test_asker_on_leave_cancels_nothing(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    async with unit_of_work(tasks.database.sessions) as session:
        await change_employee(session, tasks.office.leader_id, state="op_non_actief")
    assert await cancel(tasks, task_id) == "geen_medewerker"


async def test_cancellation_waits_for_the_item_that_a_worker_has(tasks):
    """The item that a worker began is done, and counted in the answer. No other item is done after it."""
    task_id, sessions = await tasks.ask(*[await tasks.office.grant() for _ in range(3)]), tasks.database.sessions
    async with sessions.begin() as session:
        await session.execute(text("LOCK TABLE machtiging IN SHARE MODE"))
        working = asyncio.create_task(tasks.do_one())
        await wait_until_blocked(sessions, working)
        cancelling = asyncio.create_task(cancel(tasks, task_id))
        await wait_until_blocked(sessions, working, cancelling)
    assert await working
    cancelled = await cancelling
    assert (cancelled.done, cancelled.cancelled) == (1, 2)
    assert await tasks.work() == 0
    assert await count_links(tasks) == 1


async def test_workers_that_race_with_a_cancellation_do_nothing_after_it(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(30)])
    workers = [asyncio.create_task(tasks.work()) for _ in range(3)]
    for _ in range(3):  # the others have begun then
        assert await tasks.do_one()
    cancelled = await cancel(tasks, task_id)
    links = await count_links(tasks)
    counts = await asyncio.gather(*workers)
    assert (cancelled.done, cancelled.done + cancelled.cancelled, cancelled.waiting) == (links, 30, 0)
    assert sum(counts) + 3 == cancelled.done
    assert await count_links(tasks) == links
    assert 3 <= links < 30
    assert sorted(set(await tasks.results(task_id))) == ["gedaan", "taak_gestopt"]


async def test_two_cancellations_at_once_are_journalled_once(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(3)])
    first, second = await asyncio.gather(cancel(tasks, task_id), cancel(tasks, task_id))
    assert first == second
    assert len(await lines(tasks)) == 1


async def test_ten_thousand_items_are_cancelled_in_one_transaction(tasks):
    task_id = await tasks.ask(*[uuid4() for _ in range(MAX_ITEMS_PER_TASK)])
    assert (await cancel(tasks, task_id)).cancelled == MAX_ITEMS_PER_TASK
    assert await ITEMS.count(tasks.database, state="wacht") == 0


@pytest.mark.parametrize(
    "forgery", ["UPDATE task SET employee_id = organisation_id, mac = ''", "DELETE FROM task_item"]
)
async def test_cancellation_of_forged_or_emptied_task_is_without_effect(tasks, forgery):
    task_id = await tasks.ask(await tasks.office.grant())
    async with bypass_triggers(tasks.database) as connection:
        await connection.execute(text(forgery))
    found = await cancel(tasks, task_id)
    assert found == "taak_onbekend" or found.cancelled == 0
    assert await tasks.work() in (0, 1)
    assert await count_links(tasks) == 0
