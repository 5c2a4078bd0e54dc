"""Periods, the clock, ids and levels of assurance."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.kernel.clock import SettableClock, SystemClock, to_dutch_date
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.ids import uuid7
from machtiging.kernel.period import Period

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_first_instant_lies_in_a_period_and_the_last_does_not():
    period = Period(NOON, NOON + timedelta(days=1))
    assert period.contains(NOON)
    assert period.contains(NOON + timedelta(days=1, microseconds=-1))
    assert not period.contains(NOON + timedelta(days=1))
    assert not period.contains(NOON - timedelta(microseconds=1))


@pytest.mark.parametrize("ends", [NOON, NOON - timedelta(seconds=1)])
def test_an_empty_or_reversed_period_is_refused(ends):
    with pytest.raises(InvalidInput) as refused:
        Period(NOON, ends)
    assert refused.value.code == "periode_omgekeerd"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidInput) as refused:
        Period(NOON.replace(tzinfo=None), NOON + timedelta(days=1))
    assert refused.value.code == "periode_zonder_tijdzone"


@given(st.integers(-86_400, 2 * 86_400))
def test_the_same_instant_in_another_zone_gives_the_same_answer(seconds):
    period = Period(NOON, NOON + timedelta(days=1))
    at = NOON + timedelta(seconds=seconds)
    assert period.contains(at) == period.contains(at.astimezone(timezone(timedelta(hours=11))))


def test_a_dutch_reader_sees_the_next_day_an_hour_before_utc_does():
    assert to_dutch_date(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == date(2026, 11, 24)


def test_a_settable_clock_stands_still_until_it_is_moved():
    clock = SettableClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)


def test_the_system_clock_is_aware():
    assert SystemClock().now().tzinfo is UTC


def test_ids_are_version_7_unique_and_sort_by_age():
    ids = [uuid7() for _ in range(2000)]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == 2000
    milliseconds = [i.int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)


def test_levels_are_ordered_and_a_chain_is_as_strong_as_its_weakest_link():
    assert Assurance.HIGH.is_at_least(Assurance.LOW)
    assert Assurance.SUBSTANTIAL.is_at_least(Assurance.SUBSTANTIAL)
    assert not Assurance.LOW.is_at_least(Assurance.SUBSTANTIAL)
    assert lowest_assurance(Assurance.HIGH, Assurance.LOW, Assurance.SUBSTANTIAL) is Assurance.LOW


@pytest.mark.parametrize("level", Assurance)
def test_a_level_travels_as_its_eidas_uri(level):
    assert level.acr.startswith("http://eidas.europa.eu/LoA/")
    assert Assurance.from_acr(level.acr) is level


@pytest.mark.parametrize("acr", ["", "laag", "http://eidas.europa.eu/LoA/High", "urn:substantial"])
def test_an_unknown_acr_is_no_level(acr):
    with pytest.raises(ValueError, match=r".*"):
        Assurance.from_acr(acr)
