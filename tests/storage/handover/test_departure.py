"""Departure: access ends, and each client without a reader waits in one hand-over."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.tables import SEALED_HANDOVER, SEALED_HANDOVER_ITEM
from machtiging.delegation.termination import revoke_machtiging
from machtiging.organisations.rules import ActingOperator
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.keys import NOON, load_keyring
from tests.builders.organisations import OTHER_KVK, add_employee, add_organisation, change_employee
from tests.builders.rows import EMPLOYEES, MACHTIGINGEN
from tests.storage.handover.handover_world import COMMAND_LINE, DUE, HANDOVERS


async def test_departure_ends_assignments_and_queues_each_client_without_reader_once(departures):
    office = departures.office
    _, colleague = await office.hire()
    alone = [await departures.add_client() for _ in range(3)]
    shared = await departures.add_client(office.worker_id, colleague)
    done = await departures.leave()
    assert (done.ended, done.waiting) == (4, 3)
    assert await departures.waiting() == sorted(alone)
    [handover] = await HANDOVERS.read(departures.database)
    assert (handover.id, handover.employee_id, handover.occasion) == (done.handover_id, office.worker_id, "vertrek")
    assert {item.due_at for item in await departures.items()} == {DUE}
    assert await MACHTIGINGEN.count(departures.database, employee_id=office.worker_id, state="ended") == 4
    assert await MACHTIGINGEN.count(departures.database, parent_id=shared, state="active") == 1


async def test_departure_journals_each_client_and_tells_each_client(departures):
    await departures.add_client()
    await departures.add_client()
    await departures.leave()
    assert await departures.reasons("medewerker:vertrokken") == [("done", "vertrokken")]
    assert await departures.reasons("toewijzing:beeindigd") == [("done", "vertrek")] * 2
    assert await departures.reasons("overdracht:geopend") == [("done", "vertrek")] * 3
    assert await departures.recipients("toewijzing_gestopt") == [departures.office.client] * 2
    assert await departures.recipients("toewijzing_ingetrokken_bij_u") == []


async def test_departure_with_a_forged_assignment_ends_every_assignment(departures):
    await departures.add_client()
    await departures.add_client()
    async with unit_of_work(departures.database.sessions) as session:
        stranger = await add_organisation(session, OTHER_KVK)
    async with bypass_triggers(departures.database) as connection:
        await connection.execute(
            text("UPDATE party SET data_key_wrapped = NULL, kek_version = NULL WHERE id = :id"), {"id": stranger}
        )
        forging = (
            "UPDATE machtiging SET vertegenwoordigde_id = :id WHERE id = (SELECT max(id::text)::uuid FROM machtiging"
        )
        await connection.execute(text(f"{forging} WHERE employee_id IS NOT NULL)"), {"id": stranger})
    done = await departures.leave()
    assert done.ended == 2
    assert await MACHTIGINGEN.count(departures.database, employee_id=departures.office.worker_id, state="ended") == 2


async def test_departure_without_clients_opens_no_handover(departures):
    done = await departures.leave()
    assert (done.ended, done.waiting, done.handover_id) == (0, 0, None)
    assert await HANDOVERS.count(departures.database) == 0


async def test_departure_ends_links_of_a_stand_in_that_rest_on_the_assignment(departures):
    office = departures.office
    _, replacement = await office.hire()
    root = await office.grant()
    held = await office.assign(root)
    stand_in = await departures.add_stand_in(office.worker_id, replacement)
    link = await office.link(held, employee_id=replacement, stand_in_id=stand_in)
    done = await departures.leave()
    assert (done.ended, done.waiting) == (2, 1)
    assert await MACHTIGINGEN.read_value(departures.database, "state", id=link) == "ended"
    assert await departures.waiting() == [root]


async def test_departure_of_a_stand_in_leaves_the_client_with_the_absent_reader(departures):
    office = departures.office
    _, replacement = await office.hire()
    root = await office.grant()
    held = await office.assign(root)
    stand_in = await departures.add_stand_in(office.worker_id, replacement)
    await office.link(held, employee_id=replacement, stand_in_id=stand_in)
    assert (await departures.leave(replacement)).waiting == 0
    assert (await office.authority(held)).stop_reason(NOON) is None


async def test_departure_of_a_suspended_employee_queues_the_clients_too(departures):
    root = await departures.add_client()
    async with unit_of_work(departures.database.sessions) as session:
        await change_employee(session, departures.office.worker_id, state="op_non_actief")
    assert (await departures.leave()).waiting == 1
    assert await departures.waiting() == [root]


async def test_second_departure_does_not_queue_a_waiting_client_again(departures):
    office = departures.office
    _, colleague = await office.hire()
    root = await departures.add_client(office.worker_id, colleague)
    async with unit_of_work(departures.database.sessions) as session:
        await change_employee(session, colleague, state="op_non_actief")
    await departures.leave()
    done = await departures.leave(colleague)
    assert (done.ended, done.waiting, done.handover_id) == (1, 0, None)
    assert await departures.waiting() == [root]


async def test_client_of_a_machtiging_that_ended_or_expired_is_not_queued(departures):
    revoked = await departures.add_client()
    await departures.add_client(ends_at=NOON + timedelta(days=1))
    async with unit_of_work(departures.database.sessions) as session:
        await revoke_machtiging(session, revoked, departures.office.client, at=NOON)
    done = await departures.leave(at=NOON + timedelta(days=1))
    assert (done.ended, done.waiting) == (2, 0)


async def test_client_of_a_paused_machtiging_waits(departures):
    root = await departures.office.grant(state="paused", paused_at=NOON)
    await departures.office.link(root, employee_id=departures.office.worker_id)
    await departures.leave()
    assert await departures.waiting() == [root]


async def test_last_administrator_does_not_leave_and_nothing_changes(departures):
    root = await departures.add_client()
    code = await departures.refuse_leave(departures.administrator.employee_id)
    assert code == "laatste_beheerder"
    assert await MACHTIGINGEN.count(departures.database, parent_id=root, state="active") == 1
    assert await HANDOVERS.count(departures.database) == 0


async def test_departed_employee_leaves_once(departures):
    await departures.add_client()
    await departures.leave()
    assert await departures.refuse_leave(departures.office.worker_id) == "al_vertrokken"
    assert await HANDOVERS.count(departures.database) == 1


async def test_employee_of_another_organisation_is_answered_as_an_unknown_one(departures, database):
    async with unit_of_work(database.sessions) as session:
        organisation = await add_organisation(session, OTHER_KVK)
        stranger = await add_employee(session, organisation, departures.office.client)
    for employee in (stranger, uuid4()):
        assert await departures.refuse_leave(employee) == "medewerker_onbekend"
    assert await EMPLOYEES.read_value(database, "state", id=stranger) == "actief"


async def test_operator_lets_the_last_administrator_leave_with_the_clients(departures):
    root = await departures.office.grant()
    await departures.office.link(root, employee_id=departures.administrator.employee_id)
    await departures.leave(departures.administrator.employee_id, actor=COMMAND_LINE)
    assert await departures.waiting() == [root]
    lines = await departures.reasons("overdracht:geopend")
    assert lines == [("done", "vertrek")] * 2


async def test_assignment_to_an_employee_after_departure_is_refused(departures):
    root = await departures.add_client()
    await departures.leave()
    assert await departures.office.assign(root) == "medewerker_vertrokken"
    assert await departures.waiting() == [root]


async def test_assignment_closes_the_item_by_any_way(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client()
    await departures.leave()
    link = await departures.office.assign(root, colleague)
    [item] = await departures.items()
    assert (item.state, item.assignment_id, item.closed_at) == ("toegewezen", link, NOON)
    async with departures.database.sessions() as session:
        assert verify_row(session, SEALED_HANDOVER_ITEM, item)
        assert verify_row(session, SEALED_HANDOVER, (await HANDOVERS.read(session))[0])


async def test_request_for_a_handover_is_refused_when_the_client_does_not_wait_there(departures):
    _, colleague = await departures.office.hire()
    root, other = await departures.add_client(), await departures.add_client(colleague)
    done = await departures.leave()
    mine = {"handover_id": done.handover_id}
    assert await departures.office.assign(other, colleague, **mine) == "niet_in_overdracht"
    assert await departures.office.assign(root, colleague, handover_id=uuid4()) == "niet_in_overdracht"
    assert isinstance(await departures.office.assign(root, colleague, **mine), UUID)
    _, third = await departures.office.hire()
    assert await departures.office.assign(root, third, **mine) == "al_overgedragen"


async def test_departure_waits_for_an_assignment_and_ends_it(departures):
    """Without the lock the client of the new link would wait nowhere."""
    root = await departures.office.grant()
    async with departures.database.sessions() as shut:
        await shut.execute(text("LOCK TABLE notification IN SHARE MODE"))
        assigning = asyncio.create_task(departures.office.assign(root))
        await wait_until_blocked(departures.database.sessions, assigning)
        leaving = asyncio.create_task(departures.leave())
        await wait_until_blocked(departures.database.sessions, assigning, leaving)
        await shut.rollback()
    assert isinstance(await assigning, UUID)
    assert (await leaving).waiting == 1
    assert await departures.waiting() == [root]


async def test_assignment_waits_for_a_departure_and_is_refused(departures):
    root = await departures.office.grant()
    async with unit_of_work(departures.database.sessions) as session:
        await record_departure(session, load_keyring(), departures.administrator, departures.office.worker_id, at=NOON)
        assigning = asyncio.create_task(departures.office.assign(root))
        await wait_until_blocked(departures.database.sessions, assigning)
    assert await assigning == "medewerker_vertrokken"


async def test_two_departures_at_once_queue_a_shared_client_once(departures):
    _, colleague = await departures.office.hire()
    root = await departures.add_client(departures.office.worker_id, colleague)
    await asyncio.gather(departures.leave(), departures.leave(colleague))
    assert await departures.waiting() == [root]


async def test_departure_that_rolls_back_leaves_everything(departures):
    root = await departures.add_client()
    with pytest.raises(RuntimeError, match="killed"):
        async with unit_of_work(departures.database.sessions) as session:
            worker = departures.office.worker_id
            await record_departure(session, load_keyring(), departures.administrator, worker, at=NOON)
            raise RuntimeError("killed")
    assert await EMPLOYEES.read_value(departures.database, "state", id=departures.office.worker_id) == "actief"
    assert await MACHTIGINGEN.count(departures.database, parent_id=root, state="active") == 1
    assert await HANDOVERS.count(departures.database) == 0


async def test_database_refuses_a_client_in_two_handovers_at_once(departures):
    root = await departures.add_client()
    done = await departures.leave()
    again = (
        "WITH made AS (INSERT INTO handover SELECT gen_random_uuid(), organisation_id, employee_id, 'wissel', opened_at"
        " FROM handover WHERE id = :id RETURNING id) INSERT INTO handover_item (handover_id, machtiging_id, state,"
        " due_at) SELECT id, :root, 'wacht', now() FROM made"
    )
    async with departures.database.sessions() as session:
        with pytest.raises(IntegrityError, match="uq_handover_item_waiting"):
            await session.execute(text(again), {"id": done.handover_id, "root": root})


async def test_due_date_is_fourteen_days_after_the_departure(departures):
    await departures.add_client()
    await departures.leave(at=NOON + timedelta(hours=1))
    [item] = await departures.items()
    assert item.due_at == NOON + timedelta(days=14, hours=1)


async def test_departure_under_another_organisation_is_refused(departures):
    operator = ActingOperator(None, "root")
    async with unit_of_work(departures.database.sessions) as session:
        with pytest.raises(Exception, match="medewerker_onbekend"):
            await record_departure(
                *(session, load_keyring(), operator, departures.office.worker_id), at=NOON, organisation_id=uuid4()
            )
