"""The life of a machtiging is one table: what it says, and what it leaves out."""

from datetime import timedelta
from itertools import product

import pytest

from machtiging.delegation.rules import (
    TRANSITIONS,
    EndReason,
    MachtigingAction,
    MachtigingRole,
    MachtigingState,
    resolve_transition,
    role_for_action,
)
from machtiging.kernel.errors import Conflict
from tests.builders.delegation import NOON, a_machtiging

POSSIBLE = {
    (MachtigingState.OFFERED, MachtigingAction.ACCEPT): MachtigingState.ACTIVE,
    (MachtigingState.OFFERED, MachtigingAction.REFUSE): MachtigingState.ENDED,
    (MachtigingState.OFFERED, MachtigingAction.WITHDRAW): MachtigingState.ENDED,
    (MachtigingState.ACTIVE, MachtigingAction.PAUSE): MachtigingState.PAUSED,
    (MachtigingState.ACTIVE, MachtigingAction.WITHDRAW): MachtigingState.ENDED,
    (MachtigingState.ACTIVE, MachtigingAction.GIVE_BACK): MachtigingState.ENDED,
    (MachtigingState.PAUSED, MachtigingAction.RESUME): MachtigingState.ACTIVE,
    (MachtigingState.PAUSED, MachtigingAction.WITHDRAW): MachtigingState.ENDED,
    (MachtigingState.PAUSED, MachtigingAction.GIVE_BACK): MachtigingState.ENDED,
}


@pytest.mark.parametrize(("state", "deed"), list(product(MachtigingState, MachtigingAction)))
def test_each_deed_in_each_state_does_what_is_written_here_or_is_refused(state, deed):
    machtiging = a_machtiging(state=state)
    if (state, deed) in POSSIBLE:
        assert resolve_transition(machtiging, deed, NOON).target_state is POSSIBLE[state, deed]
        return
    with pytest.raises(Conflict) as refusal:
        resolve_transition(machtiging, deed, NOON)
    assert refusal.value.code == (
        "machtiging_beeindigd" if state is MachtigingState.ENDED else "machtiging_kan_dit_niet"
    )


@pytest.mark.parametrize("deed", MachtigingAction)
def test_nothing_leads_out_of_ended(deed):
    assert (MachtigingState.ENDED, deed) not in TRANSITIONS


@pytest.mark.parametrize("deed", MachtigingAction)
def test_a_deed_belongs_to_one_party_whatever_the_state(deed):
    assert {line.role for (_, known), line in TRANSITIONS.items() if known is deed} == {role_for_action(deed)}


def test_a_step_has_a_reason_to_end_exactly_when_it_ends():
    assert all(
        (line.end_reason is not None) == (line.target_state is MachtigingState.ENDED) for line in TRANSITIONS.values()
    )
    assert {line.end_reason for line in TRANSITIONS.values()} - {None} == set(EndReason)


@pytest.mark.parametrize("state", [MachtigingState.OFFERED, MachtigingState.ACTIVE, MachtigingState.PAUSED])
def test_the_giver_can_withdraw_at_any_moment_before_the_end(state):
    assert TRANSITIONS[state, MachtigingAction.WITHDRAW].role is MachtigingRole.GIVER


@pytest.mark.parametrize(
    ("state", "deed"),
    [
        (MachtigingState.OFFERED, MachtigingAction.ACCEPT),
        (MachtigingState.ACTIVE, MachtigingAction.PAUSE),
        (MachtigingState.PAUSED, MachtigingAction.RESUME),
    ],
)
def test_a_machtiging_whose_period_is_over_cannot_be_accepted_paused_or_resumed(state, deed):
    machtiging = a_machtiging(state=state)
    resolve_transition(machtiging, deed, machtiging.period.ends_at - timedelta(microseconds=1))
    with pytest.raises(Conflict, match="machtiging_verlopen"):
        resolve_transition(machtiging, deed, machtiging.period.ends_at)


def test_a_machtiging_whose_period_is_over_can_still_be_withdrawn():
    machtiging = a_machtiging()
    assert (
        resolve_transition(machtiging, MachtigingAction.WITHDRAW, machtiging.period.ends_at).target_state
        is MachtigingState.ENDED
    )
