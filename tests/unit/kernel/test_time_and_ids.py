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


def test_period_includes_its_start_and_excludes_its_end():
    period = Period(NOON, NOON + timedelta(days=1))
    assert period.contains(NOON)
    assert period.contains(NOON + timedelta(days=1, microseconds=-1))
    assert not period.contains(NOON + timedelta(days=1))
    assert not period.contains(NOON - timedelta(microseconds=1))


@pytest.mark.parametrize("ends", [NOON, NOON - timedelta(seconds=1)])
def test_empty_or_reversed_period_is_rejected(ends):
    with pytest.raises(InvalidInput) as refused:
        Period(NOON, ends)
    assert refused.value.code == "periode_omgekeerd"


def test_period_without_time_zone_is_rejected():
    with pytest.raises(InvalidInput) as refused:
        Period(NOON.replace(tzinfo=None), NOON + timedelta(days=1))
    assert refused.value.code == "periode_zonder_tijdzone"


@given(st.integers(-86_400, 2 * 86_400))
def test_period_is_independent_of_time_zone(seconds):
    period = Period(NOON, NOON + timedelta(days=1))
    at = NOON + timedelta(seconds=seconds)
    assert period.contains(at) == period.contains(at.astimezone(timezone(timedelta(hours=11))))


def test_dutch_day_begins_before_the_utc_day():
    assert to_dutch_date(datetime(2026, 11, 23, 23, 30, tzinfo=UTC)) == date(2026, 11, 24)


def test_settable_clock_moves_only_when_advanced():
    clock = SettableClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)


def test_system_clock_is_time_zone_aware():
    assert SystemClock().now().tzinfo is UTC


def test_ids_are_unique_uuid7_sorted_by_time():
    ids = [uuid7() for _ in range(2000)]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {"specified in RFC 4122"}
    assert len(set(ids)) == 2000
    milliseconds = [i.int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)


def test_assurance_levels_are_ordered():
    assert Assurance.HIGH.is_at_least(Assurance.LOW)
    assert Assurance.SUBSTANTIAL.is_at_least(Assurance.SUBSTANTIAL)
    assert not Assurance.LOW.is_at_least(Assurance.SUBSTANTIAL)
    assert lowest_assurance(Assurance.HIGH, Assurance.LOW, Assurance.SUBSTANTIAL) is Assurance.LOW


@pytest.mark.parametrize("level", Assurance)
def test_assurance_acr_round_trip_is_identity(level):
    assert level.acr.startswith("http://eidas.europa.eu/LoA/")
    assert Assurance.from_acr(level.acr) is level


@pytest.mark.parametrize("acr", ["", "laag", "http://eidas.europa.eu/LoA/High", "urn:substantial"])
def test_unknown_acr_is_rejected(acr):
    with pytest.raises(ValueError, match=r".*"):
        Assurance.from_acr(acr)
