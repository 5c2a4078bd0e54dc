"""Unusual use of one day, from the journal. Each rule at its threshold and below it."""

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest

from machtiging.access.oversight import unusual_use
from machtiging.access.oversight.unusual_use import THRESHOLDS, TIMES_ORDINARY, UnusualRule, find_unusual_use
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.seal import seal_intake
from machtiging.kernel.clock import AMSTERDAM
from tests.builders.keys import load_keyring

DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 10, 12, tzinfo=AMSTERDAM)
OFFICE = uuid4()


async def write(database, lines):
    async with database.sessions.begin() as session:
        for at, values in lines:
            await record(session, NewJournalLine(**values), at=at)


def reading(actor, number, at=NOON, **changes):
    """So many different letters of one client, read by an employee, a second apart."""
    line = {"act": JournalAct.BERICHT_LEZEN, "outcome": JournalOutcome.ALLOWED, "reason": "regel", "actor_id": actor}
    line |= {"for_person_id": uuid4(), "on_behalf_of": OFFICE, "object_kind": "bericht"} | changes
    return [(at + timedelta(seconds=place), {"object_id": str(uuid4()), **line}) for place in range(number)]


async def find(database, day=DAY):
    async with database.sessions() as session:
        return (await find_unusual_use(session, day)).rows


LETTERS, NIGHT = THRESHOLDS[UnusualRule.MANY_LETTERS], THRESHOLDS[UnusualRule.AT_NIGHT]
REFUSALS, MANY = THRESHOLDS[UnusualRule.REFUSALS], THRESHOLDS[UnusualRule.MANY_MACHTIGINGEN]


async def test_employee_at_the_threshold_of_letters_is_a_row(database):
    await write(database, reading(uuid4(), LETTERS))

    [row] = await find(database)
    assert (row.rule, row.count, row.ordinary) == (UnusualRule.MANY_LETTERS, LETTERS, 0)


async def test_employee_below_the_threshold_is_no_row(database):
    await write(database, reading(uuid4(), LETTERS - 1))

    assert await find(database) == []


async def test_letter_read_many_times_counts_once(database):
    await write(database, reading(uuid4(), LETTERS * 2, object_id=str(uuid4())))

    assert await find(database) == []


async def test_employee_within_own_ordinary_days_is_no_row(database):
    actor = uuid4()
    ordinary = [line for days in (1, 2, 3) for line in reading(actor, LETTERS, NOON - timedelta(days=days))]
    await write(database, ordinary + reading(actor, LETTERS * TIMES_ORDINARY - 1))

    assert await find(database) == []


async def test_employee_far_above_own_ordinary_days_is_a_row(database, clock):
    actor = uuid4()
    ordinary = [line for days in (1, 2, 3) for line in reading(actor, 20, NOON - timedelta(days=days))]
    await write(database, ordinary)
    await seal_intake(database.sealer, load_keyring(), clock)
    await write(database, reading(actor, 60))

    [row] = await find(database)
    assert (row.count, row.ordinary) == (60, 20)


async def test_days_longer_ago_do_not_make_use_ordinary(database):
    actor = uuid4()
    await write(database, reading(actor, 100, NOON - timedelta(days=29)) + reading(actor, LETTERS))

    [row] = await find(database)
    assert row.ordinary == 0


async def test_own_post_and_post_of_a_relative_are_not_counted(database):
    actor = uuid4()
    await write(database, reading(actor, LETTERS, on_behalf_of=None) + reading(actor, LETTERS, for_person_id=actor))

    assert await find(database) == []


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (datetime(2026, 3, 10, 0, 0, tzinfo=AMSTERDAM), True),
        (datetime(2026, 3, 10, 4, 59, tzinfo=AMSTERDAM), True),
        (datetime(2026, 3, 10, 5, 0, tzinfo=AMSTERDAM), False),
        (datetime(2026, 3, 10, 23, 30, tzinfo=AMSTERDAM), False),
        (datetime(2026, 3, 9, 4, 0, tzinfo=AMSTERDAM), False),
    ],
)
async def test_night_is_from_midnight_until_five_on_dutch_clocks(database, at, found):
    await write(database, reading(uuid4(), NIGHT, at))

    assert [row.rule for row in await find(database)] == ([UnusualRule.AT_NIGHT] if found else [])


async def test_few_letters_at_night_are_no_row(database):
    await write(database, reading(uuid4(), NIGHT - 1, datetime(2026, 3, 10, 2, tzinfo=AMSTERDAM)))

    assert await find(database) == []


async def test_refusals_in_a_row_are_a_row_with_the_newest_line(database):
    actor = uuid4()
    await write(database, reading(actor, REFUSALS + 1, outcome=JournalOutcome.REFUSED, on_behalf_of=None))

    [row] = await find(database)
    assert (row.rule, row.count, row.ordinary) == (UnusualRule.REFUSALS, REFUSALS + 1, None)


async def test_refusals_with_an_allowed_act_between_are_no_row(database):
    actor = uuid4()
    first = reading(actor, REFUSALS - 1, outcome=JournalOutcome.REFUSED)
    between = reading(actor, 1, NOON + timedelta(minutes=5))
    second = reading(actor, REFUSALS - 1, NOON + timedelta(minutes=6), outcome=JournalOutcome.REFUSED)
    await write(database, first + between + second)

    assert await find(database) == []


async def test_refusals_of_different_people_are_not_added(database):
    for _ in range(2):
        await write(database, reading(uuid4(), REFUSALS - 1, outcome=JournalOutcome.REFUSED))

    assert await find(database) == []


def accepting(actor, people):
    line = {"act": JournalAct.MACHTIGING_AANGENOMEN, "outcome": JournalOutcome.DONE, "reason": "aangenomen"}
    return [(NOON, {**line, "actor_id": actor, "for_person_id": person}) for person in people]


async def test_many_machtigingen_of_different_people_are_a_row(database):
    await write(database, accepting(uuid4(), [uuid4() for _ in range(MANY)]))

    [row] = await find(database)
    assert (row.rule, row.count) == (UnusualRule.MANY_MACHTIGINGEN, MANY)


async def test_many_machtigingen_of_one_person_are_no_row(database):
    await write(database, accepting(uuid4(), [uuid4()] * (MANY + 5)))

    assert await find(database) == []


async def test_line_counts_once_before_and_after_it_is_sealed(database, clock):
    await write(database, reading(uuid4(), LETTERS - 10))
    actor = uuid4()
    await write(database, reading(actor, LETTERS - 10))
    await seal_intake(database.sealer, load_keyring(), clock)
    await write(database, reading(actor, 10, NOON + timedelta(hours=1)))

    [row] = await find(database)
    assert row.count == LETTERS


async def test_day_with_too_many_lines_says_that_it_is_not_complete(database, monkeypatch):
    await write(database, reading(uuid4(), LETTERS))
    async with database.sessions() as session:
        assert (await find_unusual_use(session, DAY)).complete is True
        monkeypatch.setattr(unusual_use, "MAX_LINES", 10)
        assert (await find_unusual_use(session, DAY)).complete is False


async def test_lines_of_the_service_itself_are_no_row(database):
    await write(database, reading(None, REFUSALS * 2, outcome=JournalOutcome.REFUSED))

    assert await find(database) == []


async def test_bijlagen_count_as_letters(database):
    await write(database, reading(uuid4(), LETTERS, act=JournalAct.BERICHT_DOWNLOADEN))

    [row] = await find(database)
    assert row.rule is UnusualRule.MANY_LETTERS


async def test_employee_far_above_ordinary_days_is_a_row_beside_many_busy_colleagues(database, monkeypatch):
    monkeypatch.setattr(unusual_use, "MAX_ROWS", 1)
    busy, unusual = uuid4(), uuid4()
    ordinary = [line for days in (1, 2, 3) for line in reading(busy, LETTERS * 2, NOON - timedelta(days=days))]
    await write(database, ordinary + reading(busy, LETTERS * 2) + reading(unusual, LETTERS))

    [row] = await find(database)
    assert row.count == LETTERS


async def test_day_with_too_many_rows_says_that_it_is_not_complete(database, monkeypatch):
    monkeypatch.setattr(unusual_use, "MAX_ROWS", 1)
    await write(database, reading(uuid4(), LETTERS) + reading(uuid4(), LETTERS))
    async with database.sessions() as session:
        assert (await find_unusual_use(session, DAY)).complete is False


CHECKS, OF_PERSON = THRESHOLDS[UnusualRule.MANY_CHECKS], THRESHOLDS[UnusualRule.CHECKS_OF_PERSON]
UWV, SVB = "00000099000000001000", "00000099000000002000"


def asking(oin, number, at=NOON, person_id=None):
    """So many questions of one agency by its software, about one person or each about another."""
    line = {"act": JournalAct.VERIFICATIE_GEVRAAGD, "outcome": JournalOutcome.DONE, "reason": "nee"}
    line |= {"client_id": "afnemer", "facts": {"afzender": oin}}
    return [(at + timedelta(milliseconds=n), line | {"for_person_id": person_id or uuid4()}) for n in range(number)]


async def test_agency_at_the_threshold_of_questions_is_a_row(database):
    await write(database, [*asking(UWV, CHECKS), *asking(SVB, CHECKS - 1)])

    [row] = await find(database)
    assert (row.rule, row.count, row.ordinary) == (UnusualRule.MANY_CHECKS, CHECKS, 0)


async def test_agency_that_asks_as_much_as_on_other_days_is_no_row(database):
    ordinary = CHECKS // TIMES_ORDINARY + 1
    earlier = [one for days in range(1, 4) for one in asking(UWV, ordinary, NOON - timedelta(days=days))]
    await write(database, [*earlier, *asking(UWV, CHECKS)])

    assert await find(database) == []


async def test_person_at_the_threshold_of_questions_by_one_agency_is_a_row(database):
    person = uuid4()
    await write(database, [*asking(UWV, OF_PERSON, person_id=person), *asking(SVB, OF_PERSON - 1, person_id=person)])

    [row] = await find(database)
    assert (row.rule, row.count) == (UnusualRule.CHECKS_OF_PERSON, OF_PERSON)


async def test_questions_about_unknown_people_are_no_row_of_a_person(database):
    lines = [(at, line | {"for_person_id": None}) for at, line in asking(UWV, OF_PERSON * 2)]
    await write(database, lines)

    assert await find(database) == []
