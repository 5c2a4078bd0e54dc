"""The standing of a machtiging at an instant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.delegation.rules import Standing, State, standing
from tests.builders.delegation import NOON, a_machtiging, instants

INSTANTS = instants(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=730))
BEGINS = NOON - timedelta(hours=1)
ENDS = NOON + timedelta(days=90)
MOMENT = timedelta(microseconds=1)


@given(st.sampled_from(State), INSTANTS)
def test_machtiging_is_in_force_only_when_active_within_its_period(state, at):
    machtiging = a_machtiging(state=state)
    expected = state is State.ACTIVE and machtiging.period.contains(at)
    assert (standing(machtiging, at) is Standing.IN_FORCE) is expected


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        (State.ACTIVE, BEGINS - MOMENT, Standing.NOT_BEGUN),
        (State.ACTIVE, BEGINS, Standing.IN_FORCE),
        (State.ACTIVE, ENDS - MOMENT, Standing.IN_FORCE),
        (State.ACTIVE, ENDS, Standing.EXPIRED),
        (State.PAUSED, NOON, Standing.PAUSED),
        (State.PAUSED, BEGINS - MOMENT, Standing.PAUSED),
        (State.PAUSED, ENDS, Standing.EXPIRED),
        (State.OFFERED, NOON, Standing.NOT_ACCEPTED),
        (State.OFFERED, ENDS, Standing.NOT_ACCEPTED),
        (State.ENDED, BEGINS - MOMENT, Standing.ENDED),
        (State.ENDED, NOON, Standing.ENDED),
        (State.ENDED, ENDS, Standing.ENDED),
    ],
)
def test_standing_at_period_boundaries(state, at, expected):
    assert standing(a_machtiging(state=state), at) is expected


@given(st.sampled_from(State), INSTANTS, INSTANTS)
def test_expired_or_ended_standing_is_final(state, at, later):
    machtiging = a_machtiging(state=state)
    first, second = sorted([at, later])
    if standing(machtiging, first) in {Standing.ENDED, Standing.EXPIRED}:
        assert standing(machtiging, second) is standing(machtiging, first)
