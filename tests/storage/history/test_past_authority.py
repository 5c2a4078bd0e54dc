"""The past of an authority: what it was, and when it is not known."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import cast, delete, insert, literal, update
from sqlalchemy.dialects.postgresql import JSONB

from machtiging.delegation.authority.history import load_authorities_at, load_authority_at
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.errors import NotInForce
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, record_queries
from tests.builders.machtiging import insert_relative_machtiging
from tests.builders.rows import AGREEMENTS, JOURNAL, JOURNAL_INTAKE, MACHTIGINGEN, PARTIES
from tests.storage.history.past_world import RandomActs

HOUR = timedelta(hours=1)
INCOMPLETE = "geschiedenis_onvolledig"


@pytest.fixture
async def paused(world, clock):
    """A machtiging of the relative, paused after an hour and resumed after another one."""
    acts = await RandomActs.begin(world)
    for step in ("pause kin", "resume kin"):
        clock.advance(HOUR)
        await acts.perform(step)
    clock.advance(HOUR)
    return acts


async def recall(world, machtiging_id, at) -> Authority | None:
    async with unit_of_work(world.database.sessions) as session:
        return await load_authority_at(session, machtiging_id, at)


async def find_stop(world, machtiging_id, at):
    """The code of the reason that it was not in force; None if it was."""
    stop = (await recall(world, machtiging_id, at)).stop_reason(at)
    return None if stop is None else stop.code


async def find_problem(world, machtiging_id, at):
    """The reason why the past is not known."""
    with pytest.raises(NotInForce) as refused:
        await recall(world, machtiging_id, at)
    assert refused.value.code == INCOMPLETE
    return refused.value.private


def names(table, machtiging_id):
    """The condition that a line has the state of this machtiging."""
    return cast(table.c.facts, JSONB).contains({"toestand": [{"sleutel": f"machtiging:{machtiging_id}"}]})


async def read_lines(world, machtiging_id):
    return await JOURNAL_INTAKE.read(
        world.database, names(JOURNAL_INTAKE.table, machtiging_id), order_by="intake_number"
    )


async def remove_line(world, line):
    async with bypass_triggers(world.database) as superuser:
        await superuser.execute(delete(JOURNAL_INTAKE.table).where(JOURNAL_INTAKE.c.id == line.id))


async def test_past_authority_follows_pause_and_resumption(world, paused, clock):
    now = clock.now()
    for at, stop in (
        (now, None),
        (now - HOUR, None),
        (now - 2 * HOUR, "machtiging_gepauzeerd"),
        (now - 3 * HOUR, None),
    ):
        assert await find_stop(world, paused.kin, at) == stop, at


async def test_past_authority_is_the_same_after_sealing(world, paused, clock):
    instants = [clock.now() - number * HOUR for number in range(4)]
    before = [await recall(world, paused.leaf, at) for at in instants]
    await world.seal()
    assert [await recall(world, paused.leaf, at) for at in instants] == before
    assert before[0].holder_id == world.persons["worker"]


async def test_past_authority_expires_by_the_rules_of_that_instant(world, paused, clock):
    ends_at = (await recall(world, paused.kin, clock.now())).ends_at
    assert await find_stop(world, paused.kin, ends_at - timedelta(microseconds=1)) is None
    assert await find_stop(world, paused.kin, ends_at) == "machtiging_verlopen"


async def test_past_authority_before_the_offer_is_none(world, paused, clock):
    offered_at = await MACHTIGINGEN.read_value(world.database, "offered_at", id=paused.kin)
    assert await recall(world, paused.kin, offered_at) is not None
    assert await recall(world, paused.kin, offered_at - timedelta(microseconds=1)) is None


async def test_past_authority_of_unknown_machtiging_is_none(world, clock):
    assert await recall(world, uuid4(), clock.now()) is None


async def test_past_authority_of_destroyed_data_key_is_still_known(world, paused, clock):
    async with bypass_triggers(world.database) as superuser:
        gone = update(PARTIES.table).where(PARTIES.c.id == world.people.mother)
        await superuser.execute(gone.values(data_key_wrapped=b"gone"))
    assert await find_stop(world, paused.kin, clock.now() - 2 * HOUR) == "machtiging_gepauzeerd"


@pytest.mark.parametrize("number", [0, 1, 2, 3])
async def test_forged_state_line_is_refused(world, paused, clock, number):
    """Somebody with SQL writes into any of the lines that the machtiging was never paused."""
    line = (await read_lines(world, paused.kin))[number]
    (entry, *rest) = line.facts["toestand"]
    state = [{**entry, "rij": {**entry["rij"], "state": "active", "offered_to": None, "paused_at": "x"}}, *rest]
    async with bypass_triggers(world.database) as superuser:
        forging = update(JOURNAL_INTAKE.table).where(JOURNAL_INTAKE.c.id == line.id)
        await superuser.execute(forging.values(facts={**line.facts, "toestand": state}))
    assert await find_problem(world, paused.kin, clock.now()) == "journaalregel_ongeldig"
    assert await find_stop(world, paused.leaf, clock.now()) is None


async def test_sealed_line_with_another_instant_is_refused(world, paused, clock):
    await world.seal()
    async with bypass_triggers(world.database) as superuser:
        line = (await JOURNAL.read(world.database, names(JOURNAL.table, paused.kin), order_by="seq"))[2]
        forging = update(JOURNAL.table).where(JOURNAL.c.id == line.id)
        await superuser.execute(forging.values(occurred_at=line.occurred_at + HOUR))
    assert await find_problem(world, paused.kin, clock.now() - 2 * HOUR) == "journaalregel_ongeldig"


async def test_line_without_readable_state_is_refused(world, paused, clock):
    line = (await read_lines(world, paused.kin))[2]
    facts = {**line.facts, "toestand": [{"sleutel": f"machtiging:{paused.kin}", "rij": 7}]}
    async with bypass_triggers(world.database) as superuser:
        forging = update(JOURNAL_INTAKE.table).where(JOURNAL_INTAKE.c.id == line.id)
        await superuser.execute(forging.values(facts=facts))
    assert await find_problem(world, paused.kin, clock.now()) == "journaalregel_ongeldig"


async def test_copied_older_line_is_refused(world, paused, clock):
    """A line has a valid seal wherever it stands: it may stand there once."""
    line = dict((await read_lines(world, paused.kin))[1]._mapping)
    await world.seal()
    del line["intake_number"]
    async with bypass_triggers(world.database) as superuser:
        await superuser.execute(insert(JOURNAL_INTAKE.table).values(line))
    assert await find_problem(world, paused.kin, clock.now()) == "journaalregel_ongeldig"


async def test_removed_newest_line_is_refused(world, paused, clock):
    await paused.perform("revoke kin")
    await remove_line(world, (await read_lines(world, paused.kin))[-1])
    for at in (clock.now(), clock.now() - 2 * HOUR):
        assert await find_problem(world, paused.kin, at) == INCOMPLETE


async def test_removed_first_line_is_refused_at_that_instant(world, paused, clock):
    for line in (await read_lines(world, paused.kin))[:2]:
        await remove_line(world, line)
    assert await find_problem(world, paused.kin, clock.now() - 3 * HOUR) == INCOMPLETE


async def test_removed_narrowing_before_a_later_act_is_refused(world, paused, clock):
    """The terms stand in no line, but the row says since when there were others."""
    await paused.perform("narrow kin")
    clock.advance(HOUR)
    await paused.perform("pause kin")
    await remove_line(world, (await read_lines(world, paused.kin))[-2])
    for at in (clock.now(), clock.now() - HOUR / 2):
        assert await find_problem(world, paused.kin, at) in {INCOMPLETE, "rij_niet_in_journaal"}


async def test_removed_first_line_of_a_stand_in_is_refused(world, paused, clock):
    """The link of the replacement refers to a stand-in that no line knows yet."""
    await paused.perform("replace worker")
    (link,) = await world.find_ids(world.persons["replacement"])
    then = clock.now()
    clock.advance(HOUR)
    await paused.perform("end_replacement worker")
    (first, *_) = await JOURNAL_INTAKE.read(world.database, act="vervanging:gemaakt", order_by="intake_number")
    await remove_line(world, first)
    assert await find_problem(world, link, then) == INCOMPLETE


async def test_row_put_back_is_refused(world, paused, clock):
    row = dict((await MACHTIGINGEN.read_one(world.database, id=paused.kin))._mapping)
    await paused.perform("revoke kin")
    clock.advance(HOUR)
    async with bypass_triggers(world.database) as superuser:
        await superuser.execute(update(MACHTIGINGEN.table).where(MACHTIGINGEN.c.id == paused.kin).values(row))
    assert await find_problem(world, paused.kin, clock.now()) == "rij_teruggezet"


async def test_row_with_a_wrong_mac_is_refused_and_journalled(world, paused, clock):
    async with bypass_triggers(world.database) as superuser:
        forging = update(AGREEMENTS.table).where(AGREEMENTS.c.machtiging_id == paused.kin)
        await superuser.execute(forging.values(ends_at=clock.now() + 900 * HOUR))
    assert await find_problem(world, paused.kin, clock.now() - 2 * HOUR) == "rij_ongeldig"
    assert await JOURNAL_INTAKE.count(world.database, act="rij:geweigerd", object_kind="agreement") == 1


async def test_deleted_row_is_refused(world, paused, clock):
    async with bypass_triggers(world.database) as superuser:
        await superuser.execute(delete(MACHTIGINGEN.table).where(MACHTIGINGEN.c.id == paused.kin))
    assert await find_problem(world, paused.kin, clock.now()) == INCOMPLETE


@pytest.mark.parametrize("table", ["organisation", "recognition", "employee"])
async def test_forged_line_of_the_organisation_is_refused_for_its_machtigingen_only(world, paused, clock, table):
    async with bypass_triggers(world.database) as superuser:
        facts = cast(JOURNAL_INTAKE.c.facts, JSONB)
        forging = update(JOURNAL_INTAKE.table).where(facts.contains({"toestand": [{"tabel": table}]}))
        await superuser.execute(forging.values(facts=facts.op("||")(literal({"zegel": "00"}, JSONB))))
    assert await find_problem(world, paused.leaf, clock.now()) == "journaalregel_ongeldig"
    assert await find_stop(world, paused.kin, clock.now()) is None


async def test_machtiging_that_no_line_knows_is_refused(world, clock):
    async with unit_of_work(world.database.sessions) as session:
        made = await insert_relative_machtiging(session, world.people.mother, world.people.son, clock.now())
    assert await find_problem(world, made, clock.now()) == "rij_niet_in_journaal"


async def test_batch_gives_each_its_own_answer(world, paused, clock):
    await paused.perform("revoke kin")
    await remove_line(world, (await read_lines(world, paused.kin))[-1])
    unknown = uuid4()
    found = await world.recall(clock.now(), paused.kin, paused.leaf, unknown)
    assert {one: (each.authority is None, each.problem) for one, each in found.items()} == {
        paused.kin: (True, INCOMPLETE),
        paused.leaf: (False, None),
        unknown: (True, None),
    }


async def test_number_of_statements_does_not_grow_with_lines_and_machtigingen(world, paused, clock):
    counts = []
    for ids in ([paused.kin], await world.list_ids()):
        for step in ("pause kin", "resume kin", "pause root", "resume root"):
            await paused.perform(step)
        async with world.database.sessions() as session:
            with record_queries(world.database) as queries:
                await load_authorities_at(session, ids, clock.now())
            counts.append(len([one for one in queries if one.lstrip().startswith(("SELECT", "WITH"))]))
    assert counts == [2, 2]


async def test_ended_machtigingen_of_a_holder_are_found(world, paused, clock):
    await paused.perform("revoke kin")
    await paused.perform("revoke root")
    assert await world.find_ids(world.people.son) == [paused.kin]
    assert await world.find_ids(world.persons["worker"]) == [paused.leaf]


async def test_links_of_a_team_and_of_a_stand_in_are_found(world, paused, clock):
    for step in ("join member", "assign team", "replace worker"):
        assert await paused.perform(step), step
    for name in ("member", "replacement"):
        (found,) = await world.find_ids(world.persons[name])
        assert await find_stop(world, found, clock.now()) is None
        assert (await recall(world, found, clock.now())).holder_id == world.persons[name]


async def test_machtigingen_of_others_are_not_found(world, paused, clock):
    assert await world.find_ids(world.people.son, giver=world.people.son) == []
    assert await world.find_ids(world.persons["member"]) == []
