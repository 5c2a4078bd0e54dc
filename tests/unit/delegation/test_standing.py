"""The standing of a machtiging at an instant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.delegation.rules import EffectiveState, MachtigingState, effective_state
from tests.builders.keys import NOON
from tests.builders.machtiging import draw_instants, make_machtiging

INSTANTS = draw_instants(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=730))
BEGINS = NOON - timedelta(hours=1)
ENDS = NOON + timedelta(days=90)
MOMENT = timedelta(microseconds=1)


@given(st.sampled_from(MachtigingState), INSTANTS)
def test_machtiging_is_in_force_only_when_active_within_its_period(state, at):
    machtiging = make_machtiging(state=state)
    expected = state is MachtigingState.ACTIVE and machtiging.period.contains(at)
    assert (effective_state(machtiging, at) is EffectiveState.IN_FORCE) is expected


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        (MachtigingState.ACTIVE, BEGINS - MOMENT, EffectiveState.NOT_BEGUN),
        (MachtigingState.ACTIVE, BEGINS, EffectiveState.IN_FORCE),
        (MachtigingState.ACTIVE, ENDS - MOMENT, EffectiveState.IN_FORCE),
        (MachtigingState.ACTIVE, ENDS, EffectiveState.EXPIRED),
        (MachtigingState.PAUSED, NOON, EffectiveState.PAUSED),
        (MachtigingState.PAUSED, BEGINS - MOMENT, EffectiveState.PAUSED),
        (MachtigingState.PAUSED, ENDS, EffectiveState.EXPIRED),
        (MachtigingState.OFFERED, NOON, EffectiveState.NOT_ACCEPTED),
        (MachtigingState.OFFERED, ENDS, EffectiveState.NOT_ACCEPTED),
        (MachtigingState.ENDED, BEGINS - MOMENT, EffectiveState.ENDED),
        (MachtigingState.ENDED, NOON, EffectiveState.ENDED),
        (MachtigingState.ENDED, ENDS, EffectiveState.ENDED),
    ],
)
def test_standing_at_period_boundaries(state, at, expected):
    assert effective_state(make_machtiging(state=state), at) is expected


@given(st.sampled_from(MachtigingState), INSTANTS, INSTANTS)
def test_expired_or_ended_standing_is_final(state, at, later):
    machtiging = make_machtiging(state=state)
    first, second = sorted([at, later])
    if effective_state(machtiging, first) in {EffectiveState.ENDED, EffectiveState.EXPIRED}:
        assert effective_state(machtiging, second) is effective_state(machtiging, first)
