"""Row snapshots of a test set-up: restored where possible, otherwise the set-up runs again."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.delegation import SON, a_person
from tests.builders.stages import Stages

EVERYBODY = "SELECT coalesce(string_agg(person::text, '|' ORDER BY id), '') FROM person"


class Taking:
    """A set-up step that adds a person, and counts its runs."""

    def __init__(self, database):
        self.database, self.times = database, 0

    async def __call__(self):
        self.times += 1
        async with unit_of_work(self.database.sessions) as session:
            return await a_person(session, SON, f"Bram de {self.times}e")

    async def people(self):
        async with unit_of_work(self.database.sessions) as session:
            return await session.scalar(text(EVERYBODY))

    async def run(self, statement):
        await self.database.stages.owner.execute(statement)


@pytest.fixture
def step(database):
    return Taking(database)


@pytest.fixture
def new_stages(database):
    """Make the stages of a next test on the same database."""
    known = {}
    return lambda: Stages(database.stages.owner, known, database.stages.tables)


async def test_snapshot_restores_the_rows_of_the_first_run(step, new_stages):
    first = await new_stages().laid("somebody", step)
    there = await step.people()
    await step.run("DELETE FROM person")
    assert await new_stages().laid("somebody", step) == first
    assert (await step.people(), step.times) == (there, 1)


async def test_snapshot_repeats_deleted_rows(step, new_stages):
    await new_stages().laid("somebody", step)
    there = await step.people()

    async def leave():
        await step.run("DELETE FROM person")

    await new_stages().laid("leaving", leave)
    await new_stages().laid("somebody", step)
    assert await step.people() == there
    await new_stages().laid("leaving", leave)
    assert await step.people() == ""


async def test_setup_runs_again_when_rows_exist(step, new_stages):
    await new_stages().laid("somebody", step)
    await new_stages().laid("somebody", step)
    assert step.times == 2


async def test_setup_runs_again_when_rows_to_delete_are_missing(step, new_stages):
    left = []

    async def leave():
        left.append(await step.people())
        await step.run("DELETE FROM person")

    await new_stages().laid("somebody", step)
    await new_stages().laid("leaving", leave)
    await new_stages().laid("leaving", leave)
    assert len(left) == 2


async def test_setup_twice_in_one_test_makes_two_snapshots(step, new_stages):
    stages = new_stages()
    await stages.laid("somebody", step)
    await stages.laid("somebody", step)
    assert step.times == 2


async def test_snapshot_with_if_same_is_not_restored_when_a_row_differs(step, new_stages):
    await new_stages().laid("somebody", step, if_same=True)
    there = await step.people()
    await step.run("DELETE FROM person")
    await new_stages().laid("somebody", step, if_same=True)
    assert (step.times, await step.people()) == (1, there)
    await step.run("DELETE FROM person; INSERT INTO agency VALUES ('00000099000000009999', 'Proef', true)")
    await new_stages().laid("somebody", step, if_same=True)
    assert step.times == 2


async def test_altered_schema_is_detected_with_triggers_off(database):
    owner = database.stages.owner
    found = await owner.fetchrow("SELECT * FROM tests.empty()")
    assert (found["bent"], found["sent_away"]) == (False, 0)
    await owner.execute("SET session_replication_role = replica; ALTER TABLE person ADD COLUMN proef int")
    assert (await owner.fetchrow("SELECT * FROM tests.empty()"))["bent"]
