"""The number of new letters on a card equals the list of that machtiging."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from sqlalchemy import insert

from machtiging.berichtenbox.helping.unread_counts import MAX_COUNT, count_unread
from machtiging.berichtenbox.queries import READER_MARK
from machtiging.delegation.rules import MachtigingState
from machtiging.kernel.errors import Refusal
from tests.builders.database import record_queries
from tests.builders.machtiging import make_authority
from tests.builders.rows import JOURNAL_INTAKE
from tests.storage.berichtenbox.test_bericht_listing import helping, letters_of_every_kind, list_ids, make_actor


def draw_actors(world, number):
    actors = []

    @settings(max_examples=number, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(helping)
    def draw(drawn):
        actors.append(make_actor(world, drawn))

    draw()
    return actors


async def mark_read(world, person_id, letter_ids):
    marks = [
        {"bericht_id": letter_id, "person_id": person_id, "first_read_at": world.clock.now()}
        for letter_id in letter_ids
    ]
    async with world.sessions.begin() as session:
        await session.execute(insert(READER_MARK), marks)


async def test_number_of_unread_letters_is_that_of_the_list_for_every_scope(world, database):
    rows = await letters_of_every_kind(world)
    read = {row["id"] for row in rows[::3]}
    await mark_read(world, world.helper, read)
    await mark_read(world, world.citizen, [row["id"] for row in rows[1::3]])  # of another: counts for nothing
    actors = draw_actors(world, 25)
    at = world.clock.now()
    async with world.sessions() as session:
        with record_queries(database) as queries:
            counts = await count_unread(session, world.policy, actors, at=at)
        assert len([query for query in queries if "jsonb_to_recordset" in query]) == 1
        expected = {}
        for actor in actors:
            try:
                shown, _ = await list_ids(session, world, actor)
            except Refusal:
                continue
            expected[actor.machtiging_id] = min(MAX_COUNT, len(shown - read))
    assert counts == expected
    assert len(set(counts.values())) > 2


async def test_count_is_not_journalled_and_changes_no_mark(world):
    await letters_of_every_kind(world)
    async with world.sessions.begin() as session:
        await count_unread(session, world.policy, draw_actors(world, 3), at=world.clock.now())
    assert await JOURNAL_INTAKE.count(world, act="bericht:lijst") == 0


async def test_machtiging_that_gives_nothing_has_no_number(world):
    await letters_of_every_kind(world)
    stopped = []
    for actor in draw_actors(world, 5):
        leaf = replace(actor.authority.leaf, state=MachtigingState.PAUSED)
        stopped.append(replace(actor, authority=make_authority(leaf, actor.organisation_kvk)))
    async with world.sessions() as session:
        assert await count_unread(session, world.policy, stopped, at=world.clock.now()) == {}
        assert await count_unread(session, world.policy, [], at=world.clock.now()) == {}
