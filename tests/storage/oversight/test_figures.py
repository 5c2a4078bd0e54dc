"""Counts of machtigingen for the auditor: rounded, and never of one person."""

from datetime import timedelta

import pytest
from sqlalchemy import func, update

from machtiging.delegation.oversight import figures
from machtiging.delegation.oversight.figures import HolderKind, count_machtigingen, round_count
from machtiging.delegation.rules import Capacity, Channel, EffectiveState, effective_state
from machtiging.delegation.tables import AgreementRow, MachtigingRow
from machtiging.storage.columns import table_of
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON
from tests.builders.machtiging import grant_machtiging
from tests.builders.people import add_mother_and_son

# The period of an agreement that ended at noon.
OVER = {"starts_at": NOON - timedelta(days=2), "ends_at": NOON}


async def grant(database, number):
    async with database.sessions.begin() as session:
        people = await add_mother_and_son(session)
        return [await grant_machtiging(session, people) for _ in range(number)]


async def count(database, at=NOON):
    async with database.sessions() as session:
        return await count_machtigingen(session, at=at)


@pytest.mark.parametrize(("number", "shown"), [(0, 0), (1, 0), (4, 0), (5, 5), (9, 5), (10, 10), (1234, 1230)])
def test_count_is_rounded_down_to_five(number, shown):
    assert round_count(number) == shown


async def test_counts_of_an_empty_database_are_all_zero(database):
    found = await count(database)

    assert (found.total, found.complete) == (0, True)
    assert set(found.by_channel) == set(Channel)
    assert {*found.by_channel.values(), *found.by_capacity.values(), *found.by_state.values()} == {0}


async def test_small_group_is_not_told_apart_from_none(database):
    await grant(database, 4)

    assert (await count(database)) == (await count(database, NOON - timedelta(days=9_000)))


async def test_machtigingen_are_counted_in_every_breakdown(database):
    await grant(database, 6)

    found = await count(database)
    assert found.total == 5
    assert found.by_channel[Channel.ONLINE] == 5
    assert found.by_capacity[Capacity.RELATIVE] == 5
    assert found.by_state[EffectiveState.IN_FORCE] == 5
    assert found.by_holder == {HolderKind.PERSON: 5, HolderKind.ORGANISATION: 0, HolderKind.NOBODY: 0}


@pytest.mark.parametrize(
    ("changes", "of_agreement", "state"),
    [
        ({"state": "ended", "ended_at": NOON, "end_reason": "ingetrokken"}, {}, EffectiveState.ENDED),
        ({"state": "paused", "paused_at": NOON}, {}, EffectiveState.PAUSED),
        ({"stopped_at": NOON}, {}, EffectiveState.STOPPED),
        ({}, OVER, EffectiveState.EXPIRED),
        ({"state": "paused", "paused_at": NOON}, OVER, EffectiveState.EXPIRED),
        ({"stopped_at": NOON}, OVER, EffectiveState.EXPIRED),
        ({}, {"starts_at": NOON + timedelta(days=1)}, EffectiveState.NOT_BEGUN),
        ({}, {"cooling_off_until": NOON + timedelta(days=1)}, EffectiveState.NOT_BEGUN),
        ({}, {"needs_confirmation": True}, EffectiveState.NOT_ACCEPTED),
    ],
)
async def test_state_is_the_one_that_access_is_decided_with(database, changes, of_agreement, state):
    await grant(database, 5)
    async with bypass_triggers(database) as connection:
        for model, values in ((MachtigingRow, changes), (AgreementRow, of_agreement)):
            if values:
                await connection.execute(update(table_of(model)).values(values))

    found = await count(database)
    assert {one: number for one, number in found.by_state.items() if number} == {state: 5}


async def test_granted_machtiging_has_the_state_of_the_rules(database):
    first, *_ = await grant(database, 5)

    for at in (NOON, NOON - timedelta(days=2), NOON + timedelta(days=4_000)):
        found = await count(database, at)
        assert [one for one, number in found.by_state.items() if number] == [effective_state(first, at)], at


async def test_assignments_are_not_counted(database):
    parent, *_ = await grant(database, 9)
    link = {"parent_id": parent.id, "gemachtigde_id": None, "employee_id": func.gen_random_uuid()}
    async with bypass_triggers(database) as connection:
        table = table_of(MachtigingRow)
        await connection.execute(update(table).where(table.c.id != parent.id).values(link))

    assert (await count(database)).total == 0


async def test_only_the_newest_are_counted_and_that_is_said(database, monkeypatch):
    await grant(database, 11)
    monkeypatch.setattr(figures, "MAX_COUNTED", 10)

    found = await count(database)
    assert (found.total, found.complete) == (10, False)
