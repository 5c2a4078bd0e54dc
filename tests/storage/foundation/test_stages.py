"""What a set-up left is laid back as it was, and taken again where that cannot be."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.delegation import SON, a_person
from tests.builders.stages import Stages

EVERYBODY = "SELECT coalesce(string_agg(person::text, '|' ORDER BY id), '') FROM person"


class Taking:
    """A step that adds somebody, and counts how often it was taken."""

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
def another(database):
    """The stages of a next test on the same database."""
    known = {}
    return lambda: Stages(database.stages.owner, known, database.stages.tables)


async def test_the_second_test_gets_the_rows_of_the_first_to_the_letter(step, another):
    first = await another().laid("somebody", step)
    there = await step.people()
    await step.run("DELETE FROM person")
    assert await another().laid("somebody", step) == first
    assert (await step.people(), step.times) == (there, 1)


async def test_what_the_step_took_away_is_taken_away_again(step, another):
    await another().laid("somebody", step)
    there = await step.people()

    async def leave():
        await step.run("DELETE FROM person")

    await another().laid("leaving", leave)
    await another().laid("somebody", step)
    assert await step.people() == there
    await another().laid("leaving", leave)
    assert await step.people() == ""


async def test_where_something_is_in_the_way_the_step_is_taken(step, another):
    await another().laid("somebody", step)
    await another().laid("somebody", step)
    assert step.times == 2


async def test_where_what_would_go_is_not_there_the_step_is_taken(step, another):
    left = []

    async def leave():
        left.append(await step.people())
        await step.run("DELETE FROM person")

    await another().laid("somebody", step)
    await another().laid("leaving", leave)
    await another().laid("leaving", leave)
    assert len(left) == 2


async def test_twice_in_one_test_is_two_stages(step, another):
    stages = another()
    await stages.laid("somebody", step)
    await stages.laid("somebody", step)
    assert step.times == 2


async def test_if_same_is_not_laid_back_where_a_single_row_differs(step, another):
    await another().laid("somebody", step, if_same=True)
    there = await step.people()
    await step.run("DELETE FROM person")
    await another().laid("somebody", step, if_same=True)
    assert (step.times, await step.people()) == (1, there)
    await step.run("DELETE FROM person; INSERT INTO agency VALUES ('00000099000000009999', 'Proef', true)")
    await another().laid("somebody", step, if_same=True)
    assert step.times == 2


async def test_a_database_that_a_test_bent_is_noticed_even_with_triggers_off(database):
    owner = database.stages.owner
    found = await owner.fetchrow("SELECT * FROM tests.empty()")
    assert (found["bent"], found["sent_away"]) == (False, 0)
    await owner.execute("SET session_replication_role = replica; ALTER TABLE person ADD COLUMN proef int")
    assert (await owner.fetchrow("SELECT * FROM tests.empty()"))["bent"]
