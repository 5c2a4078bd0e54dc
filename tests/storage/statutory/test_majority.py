"""Parental authority ends by itself on the eighteenth birthday, after two notices."""

from datetime import date, datetime, timedelta

import pytest

from machtiging.delegation.rules import Capacity
from machtiging.delegation.statutory.majority_notices import send_majority_notices
from machtiging.delegation.statutory.rules import (
    StatutoryKind,
    find_earliest_birth_date,
    majority_at,
    resolve_parent_capacity,
)
from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.clock import AMSTERDAM
from machtiging.kernel.errors import InvalidInput
from tests.builders.keys import NOON
from tests.builders.rows import MAJORITY_NOTICES, NOTIFICATIONS

BORN = date(2009, 3, 1)
BIRTHDAY = datetime(2027, 3, 1, tzinfo=AMSTERDAM)
SECOND = timedelta(seconds=1)


async def begin(world, **changes):
    await world.send(world.event(kind=StatutoryKind.PARENTAL_AUTHORITY, **({"born_on": BORN} | changes)))
    return (await world.relation()).machtiging_id


async def test_parental_authority_ends_on_the_eighteenth_birthday_without_an_event_or_a_job(world):
    machtiging_id = await begin(world)
    assert await world.stop_code(machtiging_id, BIRTHDAY - SECOND) is None
    assert await world.stop_code(machtiging_id, BIRTHDAY) == "machtiging_verlopen"


async def test_last_day_of_the_register_counts_when_it_is_sooner(world):
    machtiging_id = await begin(world, ends_on=date(2026, 12, 31))
    assert await world.stop_code(machtiging_id, datetime(2027, 1, 1, tzinfo=AMSTERDAM)) == "machtiging_verlopen"


@pytest.mark.parametrize(
    ("born", "earliest"),
    [
        (date(2009, 3, 1), date(2009, 3, 1)),
        (PartialDate(2009, 3, None), date(2009, 3, 1)),
        (PartialDate(2009, None, None), date(2009, 1, 1)),
        (PartialDate(2009, None, 15), date(2009, 1, 15)),
    ],
)
def test_birth_date_that_is_partly_unknown_counts_as_the_earliest_possible_day(born, earliest):
    assert find_earliest_birth_date(born) == earliest


def test_birth_date_without_a_year_is_refused():
    with pytest.raises(InvalidInput, match="geboortejaar_onbekend"):
        find_earliest_birth_date(PartialDate(None, 3, 1))


def test_child_born_on_a_leap_day_comes_of_age_on_the_last_day_of_february():
    assert majority_at(date(2008, 2, 29)) == datetime(2026, 2, 28, tzinfo=AMSTERDAM)


@pytest.mark.parametrize(
    ("day", "capacity"),
    [
        (date(2021, 2, 28), Capacity.PARENT),
        (date(2021, 3, 1), Capacity.PARENT_FROM_12),
        (date(2025, 2, 28), Capacity.PARENT_FROM_12),
        (date(2025, 3, 1), Capacity.PARENT_FROM_16),
    ],
)
def test_capacity_of_a_parent_changes_on_the_birthday(day, capacity):
    assert resolve_parent_capacity(BORN, datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)) is capacity


def test_unknown_age_protects_as_sixteen_does():
    assert resolve_parent_capacity(None, NOON) is Capacity.PARENT_FROM_16


@pytest.mark.parametrize(
    ("before", "kinds"),
    [
        (timedelta(days=92), []),
        (timedelta(days=91), ["achttien_over_drie_maanden"]),
        (timedelta(days=8), ["achttien_over_drie_maanden"]),
        (timedelta(days=7), ["achttien_over_een_week"]),
        (SECOND, ["achttien_over_een_week"]),
        (timedelta(0), []),
    ],
)
async def test_child_is_told_three_months_and_a_week_before(world, session, before, kinds):
    await begin(world)
    await send_majority_notices(session, at=BIRTHDAY - before)
    found = await NOTIFICATIONS.read(session, person_id=world.mother)
    assert [row.kind for row in found if row.kind.startswith("achttien")] == kinds


async def test_notice_is_sent_once_each_also_with_two_parents(world, session):
    await begin(world)
    event = world.event(kind=StatutoryKind.PARENTAL_AUTHORITY, born_on=BORN, relation_reference="r2")
    await world.send(event)
    for before in (90, 89, 6, 5):
        await send_majority_notices(session, at=BIRTHDAY - timedelta(days=before))
    kinds = await MAJORITY_NOTICES.read_column(session, "kind")
    assert sorted(kinds) == ["achttien_over_drie_maanden", "achttien_over_een_week"]
    found = await NOTIFICATIONS.read(session, person_id=world.mother)
    assert len([row for row in found if row.kind.startswith("achttien")]) == 2


async def test_notice_after_an_earlier_end_is_not_sent(world, session):
    await begin(world, ends_on=date(2026, 11, 30))
    await send_majority_notices(session, at=BIRTHDAY - timedelta(days=6))
    assert await MAJORITY_NOTICES.count(session) == 0
