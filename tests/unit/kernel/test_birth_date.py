"""Birth dates with unknown parts: notation and merging with a later login."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.kernel.birth_date import (
    PartialDate,
    build_birth_date,
    format_birth_date,
    merge_birth_dates,
    parse_birth_date,
)


def _possible(parts):
    try:
        return build_birth_date(*parts)
    except ValueError:
        return None


PARTS = st.tuples(st.none() | st.integers(1, 2100), st.none() | st.integers(1, 12), st.none() | st.integers(1, 31))
BIRTH_DATES = PARTS.map(_possible)


@pytest.mark.parametrize(
    ("written", "born"),
    [
        ("1950-05-07", date(1950, 5, 7)),
        ("19500507", date(1950, 5, 7)),
        ("1950", PartialDate(1950, None, None)),
        ("1950-00-00", PartialDate(1950, None, None)),
        ("19500000", PartialDate(1950, None, None)),
        ("1950-05", PartialDate(1950, 5, None)),
        ("1950-05-00", PartialDate(1950, 5, None)),
        ("0000-05-07", PartialDate(None, 5, 7)),
        ("0000-02-29", PartialDate(None, 2, 29)),
        ("0000-00-00", None),
        ("0000", None),
    ],
)
def test_birth_date_written_as_openid_or_brp_is_read(written, born):
    assert parse_birth_date(written) == born


@pytest.mark.parametrize(
    "written",
    [
        "",
        "50",
        "195005",
        "1950-5-7",
        "07-05-1950",
        "1950-13-01",
        "1950-02-30",
        "1951-02-29",
        "1950-05-07T00:00",
        "١٩٥٠",
    ],
)
def test_impossible_birth_date_is_rejected(written):
    with pytest.raises(ValueError, match=r"."):
        parse_birth_date(written)


@given(BIRTH_DATES.filter(lambda born: born is not None))
def test_birth_date_round_trip_is_identity(born):
    assert parse_birth_date(format_birth_date(born)) == born


@given(BIRTH_DATES, BIRTH_DATES)
def test_merged_birth_date_keeps_known_parts_and_takes_the_last(known, told):
    merged = merge_birth_dates(known, told)
    assert merge_birth_dates(merged, told) == merged
    assert merge_birth_dates(merged, None) == merged
    if told is None:
        assert merged == known
        return
    for part in ("year", "month", "day"):
        assert getattr(told, part) in (None, getattr(merged, part))
        assert getattr(merged, part) in (getattr(told, part), getattr(known, part, None))
    assert merge_birth_dates(None, told) == told
