"""Profile claims of the broker: repaired or ignored, never a reason to refuse a login."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.identity.profile_claims import Profile, merge_profiles, parse_profile_claims, profiles_match
from machtiging.kernel.birth_date import PartialDate

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BORN = date(1951, 4, 7)
NOBODY = Profile("", None, None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["", " ", "-", "Ans Voorbeeld", "ANS VOORBEELD", "Bram Voorbeeld"])
BIRTH_DATES = st.sampled_from([None, BORN, date(1980, 9, 30), PartialDate(1951, None, None), PartialDate(None, 4, 7)])
EMAILS = st.sampled_from([None, "ans@voorbeeld.example", "bram@voorbeeld.example"])
PROFILES = st.builds(Profile, NAMES, BIRTH_DATES, EMAILS)


@given(st.fixed_dictionaries({}, optional={"name": JSON, "birthdate": JSON, "email": JSON}))
def test_profile_claims_of_any_json_are_accepted(claims):
    told = parse_profile_claims(claims, at=AT)
    assert len(told.name) <= 200
    assert told.name == told.name.strip()
    assert told.email is None or "\n" not in told.email


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"name": "Jan\u00a0de Wit"}, Profile("Jan de Wit", None, None)),
        ({"name": "a" * 201}, Profile("a" * 200, None, None)),
        ({"name": ["Jan"]}, NOBODY),
        ({"name": 7, "email": {"x": 1}, "birthdate": 1950}, NOBODY),
        ({"name": None, "email": None, "birthdate": None}, NOBODY),
        ({"name": "", "email": "", "birthdate": ""}, NOBODY),
        ({"birthdate": "1950"}, Profile("", PartialDate(1950, None, None), None)),
        ({"birthdate": " 1950-00-00 "}, Profile("", PartialDate(1950, None, None), None)),
        ({"birthdate": "02-09-1971"}, NOBODY),
        ({"birthdate": "0001-01-01"}, NOBODY),
        ({"birthdate": "2027-01-01"}, NOBODY),
        ({"email": " x@post.example "}, Profile("", None, "x@post.example")),
        ({"email": "x@post.example\r\nBcc: y@post.example"}, NOBODY),
        ({"email": "x\u202e@post.example"}, NOBODY),
        ({"email": "x" * 250 + "@post.example"}, NOBODY),
    ],
)
def test_malformed_profile_claim_is_repaired_or_ignored(claims, told):
    assert parse_profile_claims(claims, at=AT) == told


@given(PROFILES, PROFILES)
def test_profiles_with_absent_parts_are_never_equal(one, other):
    if not profiles_match(one, other):
        return
    for profile in (one, other):
        assert isinstance(profile.birth_date, date)
        assert any(map(str.isalnum, profile.name))
    assert one.birth_date == other.birth_date
    assert one.name.casefold() == other.name.casefold()


@pytest.mark.parametrize(
    "profile",
    [
        NOBODY,
        Profile("", BORN, "x@y"),
        Profile("-", BORN, None),
        Profile("A", None, None),
        Profile("A", PartialDate(1951, 4, None), None),
    ],
)
def test_incomplete_profile_does_not_equal_itself(profile):
    assert not profiles_match(profile, profile)


def test_profiles_with_same_name_and_birth_date_are_equal():
    assert profiles_match(Profile("Ans  VOORBEELD", BORN, None), Profile("Ans Voorbeeld", BORN, "a@b.example"))


@given(st.lists(PROFILES, min_size=1, max_size=8))
def test_merged_profile_keeps_the_last_known_value(logins):
    known = None
    for told in logins:
        known = merge_profiles(known, told)
    assert known.name == next((login.name for login in reversed(logins) if login.name), "")
    assert known.email == next((login.email for login in reversed(logins) if login.email), None)
    dates = [login.birth_date for login in logins if login.birth_date is not None]
    assert (known.birth_date is None) == (not dates)
    if dates:
        for part in ("year", "month", "day"):
            assert getattr(dates[-1], part) in (None, getattr(known.birth_date, part))
