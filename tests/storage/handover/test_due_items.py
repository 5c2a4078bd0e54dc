"""The loop of due items: the citizen is told once, and the machtiging stands still."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.delegation.handover import due_items
from machtiging.delegation.pause import resume_machtiging
from machtiging.delegation.tables import SEALED_HANDOVER_ITEM, SEALED_MACHTIGING
from machtiging.delegation.termination import revoke_machtiging
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.keys import NOON
from tests.builders.organisations import change_employee
from tests.builders.rows import MACHTIGINGEN
from tests.storage.handover.handover_world import DUE, ITEMS

TOLD = "niemand_leest_gepauzeerd"


async def read_root(departures, root):
    return await MACHTIGINGEN.read_one(departures.database, id=root)


async def test_client_is_told_and_the_machtiging_is_paused_once(departures):
    root = await departures.add_client()
    await departures.leave()
    assert await departures.tell_due(DUE - timedelta(microseconds=1)) == 0
    assert (await read_root(departures, root)).state == "active"
    assert await departures.tell_due() == 1
    found = await read_root(departures, root)
    assert (found.state, found.paused_at, found.ended_at) == ("paused", DUE, None)
    assert await departures.tell_due(DUE + timedelta(days=1)) == 0
    assert await departures.recipients(TOLD) == [departures.office.client]
    assert await departures.reasons("machtiging:gepauzeerd") == [("done", "geen_lezer")]
    assert await departures.reasons("overdracht:gemeld") == [("done", "geen_lezer")]
    [item] = await departures.items()
    assert (item.state, item.told_at) == ("wacht", DUE)
    async with departures.database.sessions() as session:
        assert verify_row(session, SEALED_HANDOVER_ITEM, item)
        assert verify_row(session, SEALED_MACHTIGING, found)


async def test_citizen_resumes_and_the_organisation_assigns(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client()
    await departures.leave()
    await departures.tell_due()
    assert await departures.office.assign(root, colleague) == "machtiging_gepauzeerd"
    async with unit_of_work(departures.database.sessions) as session:
        await resume_machtiging(session, root, departures.office.client, at=DUE)
    assert await departures.tell_due(DUE + timedelta(days=1)) == 0
    link = await departures.office.assign(root, colleague)
    assert await ITEMS.read_value(departures.database, "assignment_id") == link


async def test_client_with_a_new_reader_is_not_told(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client()
    await departures.leave()
    await departures.office.assign(root, colleague)
    assert await departures.tell_due() == 0
    assert await departures.recipients(TOLD) == []


async def test_item_of_a_client_with_a_returned_reader_lapses(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client(departures.office.worker_id, colleague)
    async with unit_of_work(departures.database.sessions) as session:
        await change_employee(session, colleague, state="op_non_actief")
    await departures.leave()
    async with unit_of_work(departures.database.sessions) as session:
        await change_employee(session, colleague, state="actief")
    assert await departures.tell_due() == 1
    assert (await read_root(departures, root)).state == "active"
    assert await departures.reasons("overdracht:vervallen") == [("done", "heeft_lezer")]
    assert await ITEMS.read_value(departures.database, "state") == "vervallen"


async def test_revoked_machtiging_lapses_without_a_notice(departures):
    root = await departures.add_client()
    await departures.leave()
    async with unit_of_work(departures.database.sessions) as session:
        await revoke_machtiging(session, root, departures.office.client, at=NOON)
    assert await departures.tell_due() == 1
    assert await departures.reasons("overdracht:vervallen") == [("done", "machtiging_voorbij")]
    assert await departures.recipients(TOLD) == []


async def test_expired_machtiging_lapses_without_a_notice(departures):
    await departures.add_client(ends_at=NOON + timedelta(days=5))
    await departures.leave()
    assert await departures.tell_due() == 1
    assert await departures.reasons("overdracht:vervallen") == [("done", "machtiging_voorbij")]


async def test_paused_machtiging_stays_paused_and_the_citizen_is_told(departures):
    root = await departures.office.grant(state="paused", paused_at=NOON)
    await departures.office.link(root, employee_id=departures.office.worker_id)
    await departures.leave()
    assert await departures.tell_due() == 1
    assert (await read_root(departures, root)).paused_at == NOON
    assert await departures.recipients(TOLD) == [departures.office.client]
    assert await departures.reasons("machtiging:gepauzeerd") == []


async def test_machtiging_of_a_register_is_not_paused(departures):
    root = await departures.office.grant(channel="register", capacity="bewindvoerder")
    await departures.office.link(root, employee_id=departures.office.worker_id, capacity="bewindvoerder")
    await departures.leave()
    assert await departures.tell_due() == 1
    assert (await read_root(departures, root)).state == "active"
    assert await departures.recipients("niemand_leest") == [departures.office.client]


async def test_two_workers_tell_each_client_once(departures):
    for _ in range(6):
        await departures.add_client()
    await departures.leave()
    counts = await asyncio.gather(*(departures.tell_due() for _ in range(3)))
    counts.append(await departures.tell_due())
    assert sum(counts) == 6
    assert len(await departures.recipients(TOLD)) == 6


@pytest.mark.parametrize("step", ["apply_transition", "mark_client_notified", "enqueue_notification"])
async def test_worker_killed_in_the_middle_tells_once_after_the_restart(departures, monkeypatch, step):
    root = await departures.add_client()
    await departures.leave()

    async def die(*_args, **_named):
        raise asyncio.CancelledError

    with monkeypatch.context() as killed:
        killed.setattr(due_items, step, die)
        with pytest.raises(asyncio.CancelledError):
            await departures.tell_due()
    assert (await read_root(departures, root)).state == "active"
    assert await departures.recipients(TOLD) == []
    assert await departures.tell_due() == 1
    assert await departures.recipients(TOLD) == [departures.office.client]


async def test_assignment_waits_for_the_loop_and_is_refused_after_the_pause(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client()
    await departures.leave()
    async with departures.database.sessions() as shut:
        await shut.execute(text("LOCK TABLE notification IN SHARE MODE"))
        telling = asyncio.create_task(departures.tell_due())
        await wait_until_blocked(departures.database.sessions, telling)
        assigning = asyncio.create_task(departures.office.assign(root, colleague))
        await wait_until_blocked(departures.database.sessions, telling, assigning)
        await shut.rollback()
    assert await telling == 1
    assert await assigning == "machtiging_gepauzeerd"


async def test_forged_item_is_left_alone(departures):
    root = await departures.add_client()
    await departures.leave()
    async with bypass_triggers(departures.database) as connection:
        await connection.execute(text("UPDATE handover_item SET due_at = due_at - interval '20 days'"))
    assert await departures.tell_due(NOON) == 0
    assert (await read_root(departures, root)).state == "active"
