"""Asking a task: who may, how many items, and what the same key gives."""

from uuid import UUID, uuid4

import pytest

from machtiging.kernel.assurance import Assurance
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK, MAX_OPEN_TASKS
from tests.builders.organisations import change_employee, decide_recognition
from tests.storage.assignment_tasks.task_world import ITEMS, TASKS


async def refusals(tasks):
    return [line.reason for line in await tasks.office.lines("in_taak") if line.outcome == "refused"]


async def test_same_key_gives_the_same_task(tasks):
    root = await tasks.office.grant()
    first = await tasks.ask(root, key="maandag")
    assert await tasks.ask(root, key="maandag") == first
    await tasks.work()
    assert await tasks.ask(root, key="maandag") == first
    assert (await TASKS.count(tasks.database), await ITEMS.count(tasks.database)) == (1, 1)
    assert [line.outcome for line in await tasks.office.lines("in_taak")] == ["done"]


async def test_same_key_with_another_request_is_refused(tasks):
    await tasks.ask(await tasks.office.grant(), key="maandag")
    assert await tasks.ask(await tasks.office.grant(), key="maandag") == "sleutel_ander_verzoek"
    assert await refusals(tasks) == ["sleutel_ander_verzoek"]


async def test_same_key_of_a_colleague_gives_another_task(tasks):
    person, _ = await tasks.office.hire("Tess", roles=["teamleider"])
    root = await tasks.office.grant()
    first = await tasks.ask(root, key="maandag")
    second = await tasks.ask(root, key="maandag", login=tasks.office.login(person))
    assert isinstance(second, UUID)
    assert second != first


async def test_ten_thousand_items_are_accepted_and_one_more_is_refused(tasks):
    unknown = [uuid4() for _ in range(MAX_ITEMS_PER_TASK)]
    assert isinstance(await tasks.ask(*unknown), UUID)
    assert await ITEMS.count(tasks.database) == MAX_ITEMS_PER_TASK
    assert await tasks.ask(*unknown, uuid4()) == "te_veel_toewijzingen"
    assert await refusals(tasks) == ["te_veel_toewijzingen"]


async def test_eleventh_open_task_is_refused(tasks):
    for _ in range(MAX_OPEN_TASKS):
        assert isinstance(await tasks.ask(uuid4()), UUID)
    assert await tasks.ask(uuid4()) == "te_veel_taken"
    await tasks.work()
    assert isinstance(await tasks.ask(uuid4()), UUID)


async def test_hulpverlener_asks_no_task(tasks):
    login = tasks.office.login(tasks.office.worker)
    assert await tasks.ask(uuid4(), login=login) == "toewijzing_aan_uzelf"
    assert await tasks.ask(uuid4(), login=login, employee=tasks.office.leader_id) == "alleen_voor_teamleider"
    assert await TASKS.count(tasks.database) == 0


async def test_stranger_asks_no_task(tasks):
    for login in (tasks.office.login(tasks.office.client), tasks.office.login(kvk=None)):
        assert await tasks.ask(uuid4(), login=login) == "geen_medewerker"


async def test_low_level_asks_no_task(tasks):
    assert await tasks.ask(uuid4(), login=tasks.office.login(assurance=Assurance.LOW)) == "niveau_te_laag"


@pytest.mark.parametrize(
    ("status", "code"), [("opgeschort", "organisatie_opgeschort"), ("ingetrokken", "erkenning_ingetrokken")]
)
async def test_organisation_without_recognition_asks_no_task(tasks, status, code):
    async with unit_of_work(tasks.database.sessions) as session:
        await decide_recognition(session, tasks.office.organisation, 3, status)
    assert await tasks.ask(uuid4()) == code


async def test_employee_on_leave_asks_no_task(tasks):
    async with unit_of_work(tasks.database.sessions) as session:
        await change_employee(session, tasks.office.leader_id, state="op_non_actief")
    assert await tasks.ask(uuid4()) == "geen_medewerker"


async def test_case_reference_is_not_in_the_database_as_it_was_typed(tasks):
    await tasks.ask(await tasks.office.grant(), case_reference="ZAAK-GEHEIM-77")
    assert "GEHEIM" not in await ITEMS.dump(tasks.database) + await TASKS.dump(tasks.database)
