"""Items of a task: each is done once, with the present rights of its asker."""

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from machtiging.delegation.assignment_tasks import execution
from machtiging.delegation.help_requests.retention import expired_delegation_rows_sweep
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.oauth.retention import delete_expired_rows
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON
from tests.builders.organisations import OTHER_KVK, add_employee, change_employee, decide_recognition
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.assignment_tasks.task_world import ITEMS, TASKS
from tests.storage.assignments.assignment_world import Assignments
from tests.storage.assignments.four_eyes_acts import demand


async def count_links(tasks):
    return await MACHTIGINGEN.count(tasks.database, employee_id=tasks.office.worker_id, state="active")


async def test_task_assigns_nothing_until_a_worker_does_each_item(tasks):
    roots = [await tasks.office.grant() for _ in range(3)]
    task_id = await tasks.ask(*roots, case_reference="Z-1")
    assert await count_links(tasks) == 0
    assert (await tasks.task(task_id)).waiting == 3
    assert await tasks.work() == 3
    done = await tasks.task(task_id)
    assert (done.done, done.refused, done.waiting, done.finished_at) == (3, 0, 0, NOON)
    assert await count_links(tasks) == 3
    assert [one.subject_id for one in await tasks.items(task_id)] == roots
    assert await tasks.work() == 0


async def test_item_is_journalled_and_told_as_a_direct_assignment(tasks):
    await tasks.ask(await tasks.office.grant())
    await tasks.work()
    [line] = await tasks.office.lines("gemaakt")
    assert (line.outcome, line.actor_id, line.capacity) == ("done", tasks.office.leader, "teamleider")
    assert await tasks.office.load_recipients("toewijzing_gemaakt") == [tasks.office.client]
    [asked] = await tasks.office.lines("in_taak")
    assert (asked.outcome, asked.actor_id, asked.facts) == ("done", tasks.office.leader, {"aantal": 1})


async def test_each_item_has_its_own_result(tasks):
    office, other = tasks.office, await Assignments.begin(tasks.database, OTHER_KVK)
    held = await office.grant()
    await office.assign(held)
    task_id = await tasks.ask(await office.grant(), held, await other.grant(), uuid4())
    await tasks.work()
    unknown = "machtiging_onbekend"
    assert await tasks.results(task_id) == ["gedaan", "al_toegewezen", unknown, unknown]
    assert (await tasks.task(task_id)).refused == 3


async def test_machtiging_twice_in_one_task_is_assigned_once(tasks):
    root = await tasks.office.grant()
    task_id = await tasks.ask(root, root)
    await tasks.work()
    first, second = await tasks.items(task_id)
    assert first.result_id == second.result_id
    assert await count_links(tasks) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "vertrokken", "ends_at": NOON}, "geen_medewerker"),
        ({"state": "op_non_actief"}, "geen_medewerker"),
        ({"roles": ["hulpverlener"]}, "alleen_voor_teamleider"),
    ],
)
async def test_items_after_asker_lost_the_right_are_refused(tasks, changes, code):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(3)])
    await tasks.do_one()
    async with unit_of_work(tasks.database.sessions) as session:
        await change_employee(session, tasks.office.leader_id, **changes)
    await tasks.work()
    assert await tasks.results(task_id) == ["gedaan", code, code]
    refused = [line.reason for line in await tasks.office.lines("gemaakt") if line.outcome == "refused"]
    assert refused == [code, code]


async def test_item_of_returned_asker_is_refused(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    async with unit_of_work(tasks.database.sessions) as session:
        await change_employee(session, tasks.office.leader_id, state="vertrokken", ends_at=NOON)
        await add_employee(session, tasks.office.organisation, tasks.office.leader, roles=["teamleider"])
    await tasks.work()
    assert await tasks.results(task_id) == ["geen_medewerker"]


async def test_organisation_suspended_in_the_middle_has_the_rest_refused(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(2)])
    await tasks.do_one()
    async with unit_of_work(tasks.database.sessions) as session:
        await decide_recognition(session, tasks.office.organisation, 3, "opgeschort")
    await tasks.work()
    assert await tasks.results(task_id) == ["gedaan", "organisatie_opgeschort"]


async def test_level_of_the_asker_is_that_of_the_request(tasks):
    task_id = await tasks.ask(await tasks.office.grant(), login=tasks.office.login(assurance=Assurance.HIGH))
    await tasks.work()
    [item] = await tasks.items(task_id)
    assert await MACHTIGINGEN.read_value(tasks.database, "accepted_assurance", id=item.result_id) == "hoog"


async def test_item_in_an_organisation_with_four_eyes_is_a_proposal(tasks):
    root = await tasks.office.grant()
    task_id = await tasks.ask(root)
    await demand(tasks.office)
    await tasks.work()
    [item] = await tasks.items(task_id)
    assert (await tasks.office.authority(item.result_id)).leaf.needs_confirmation
    assert [line.reason for line in await tasks.office.lines("voorgesteld")] == ["vier_ogen"]


async def test_item_that_waits_more_than_a_day_is_not_done(tasks):
    task_id = await tasks.ask(await tasks.office.grant())
    tasks.clock.advance(timedelta(hours=24, seconds=1))
    await tasks.work()
    assert await tasks.results(task_id) == ["taak_verlopen"]
    assert await count_links(tasks) == 0


async def test_two_workers_at_once_do_each_item_once(tasks):
    task_id = await tasks.ask(*[await tasks.office.grant() for _ in range(12)])
    counts = await asyncio.gather(*(tasks.work() for _ in range(3)))
    assert sum(counts) == 12
    await tasks.work()
    assert await tasks.results(task_id) == ["gedaan"] * 12
    assert await count_links(tasks) == 12


async def test_small_task_does_not_wait_for_a_large_one(tasks):
    large = await tasks.ask(*[await tasks.office.grant() for _ in range(4)])
    small = await tasks.ask(await tasks.office.grant())
    assert await tasks.do_one()
    assert await tasks.do_one()
    assert (await tasks.task(small)).waiting == 0
    assert (await tasks.task(large)).waiting == 3


@contextmanager
def die_at_statement(database, number):
    """Cancel the work before its statement with this number. Yields what was said."""
    said = []

    def count(_connection, _cursor, statement, *_more):
        said.append(statement)
        if len(said) == number:
            raise asyncio.CancelledError

    event.listen(database.service.sync_engine, "before_cursor_execute", count)
    try:
        yield said
    finally:
        event.remove(database.service.sync_engine, "before_cursor_execute", count)


async def test_worker_that_dies_at_any_statement_leaves_the_item_waiting(tasks):
    task_id, number, died = await tasks.ask(await tasks.office.grant()), 0, True
    while died:
        number += 1
        with die_at_statement(tasks.database, number):
            try:
                await tasks.do_one()
                died = False
            except asyncio.CancelledError:
                assert await tasks.results(task_id) == ["wacht"]
                assert await count_links(tasks) == 0
    assert number > 10
    assert await tasks.results(task_id) == ["gedaan"]
    assert not await tasks.do_one()
    assert await count_links(tasks) == 1
    assert [line.outcome for line in await tasks.office.lines("gemaakt")] == ["done"]


async def test_failing_item_is_tried_five_times_and_then_refused(tasks, monkeypatch):
    """A data key that does not open the content stands for any failure of ours."""
    task_id = await tasks.ask(await tasks.office.grant())

    def fail(*_arguments):
        raise Fault("versleuteling_klopt_niet")

    with monkeypatch.context() as patch:
        patch.setattr(execution, "decrypt_content", fail)
        for tries in range(1, 6):
            with pytest.raises(Fault):
                await tasks.do_one()
            assert await ITEMS.read_value(tasks.database, "tries") == tries
            assert not await tasks.do_one()  # it waits before the next try
            tasks.clock.advance(timedelta(minutes=2))
    assert await tasks.results(task_id) == ["taakregel_mislukt"]
    other = await tasks.ask(await tasks.office.grant())
    await tasks.work()
    assert await tasks.results(other) == ["gedaan"]


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE task SET employee_id = (SELECT id FROM employee WHERE id <> employee_id LIMIT 1), assurance = 'hoog'",
        "UPDATE task SET created_at = created_at + interval '1 day'",
        "UPDATE task_item SET content_sealed = content_sealed || 'x'",
        "UPDATE task_item SET subject_id = gen_random_uuid()",
        "UPDATE task_item SET mac = ''",
    ],
)
async def test_forged_row_assigns_nothing_and_is_journalled(tasks, forgery):
    await tasks.ask(await tasks.office.grant())
    async with bypass_triggers(tasks.database) as connection:
        await connection.execute(text(forgery))
    await tasks.work()
    assert await ITEMS.read_column(tasks.database, "state") == ["geweigerd"]
    assert await count_links(tasks) == 0
    assert await JOURNAL_INTAKE.count(tasks.database, act="rij:geweigerd") >= 1


async def test_restored_older_row_assigns_nothing_again(tasks):
    """The MAC of an older row is valid. The task is the idempotency key, so what was ended stays ended."""
    task_id = await tasks.ask(await tasks.office.grant())
    [before] = await ITEMS.read(tasks.database)
    await tasks.work()
    [item] = await tasks.items(task_id)
    await tasks.office.end(item.result_id)
    async with bypass_triggers(tasks.database) as connection:
        restoring = text("UPDATE task_item SET state = 'wacht', done_at = NULL, result_id = NULL, mac = :mac")
        await connection.execute(restoring, {"mac": before.mac})
    await tasks.work()
    assert await tasks.results(task_id) == ["toewijzing_beeindigd"]
    assert await count_links(tasks) == 0


async def test_done_item_does_not_wait_again(tasks):
    await tasks.ask(await tasks.office.grant())
    await tasks.work()
    with pytest.raises(DBAPIError, match="done once"):
        async with tasks.database.sessions.begin() as session:
            await session.execute(text("UPDATE task_item SET state = 'wacht', done_at = NULL"))


async def test_task_and_items_go_after_thirty_days(tasks):
    await tasks.ask(*[await tasks.office.grant() for _ in range(2)])
    await tasks.work()

    async def sweep(days):
        tasks.clock.advance(timedelta(days=days))
        for _ in range(2):  # the items first, then their task
            await delete_expired_rows(tasks.database.sessions, tasks.clock, expired_delegation_rows_sweep)
        return (await TASKS.count(tasks.database), await ITEMS.count(tasks.database))

    assert await sweep(29) == (1, 2)
    assert await sweep(2) == (0, 0)
