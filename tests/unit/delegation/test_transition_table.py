"""The transition table of a machtiging: allowed and rejected transitions."""

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
from tests.builders.keys import NOON
from tests.builders.machtiging import make_machtiging

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
def test_transition_outside_the_table_is_rejected(state, deed):
    machtiging = make_machtiging(state=state)
    if (state, deed) in POSSIBLE:
        assert resolve_transition(machtiging, deed, NOON).target_state is POSSIBLE[state, deed]
        return
    with pytest.raises(Conflict) as refusal:
        resolve_transition(machtiging, deed, NOON)
    assert refusal.value.code == (
        "machtiging_beeindigd" if state is MachtigingState.ENDED else "machtiging_kan_dit_niet"
    )


@pytest.mark.parametrize("deed", MachtigingAction)
def test_ended_state_has_no_transition(deed):
    assert (MachtigingState.ENDED, deed) not in TRANSITIONS


@pytest.mark.parametrize("deed", MachtigingAction)
def test_each_action_belongs_to_one_party(deed):
    assert {line.role for (_, known), line in TRANSITIONS.items() if known is deed} == {role_for_action(deed)}


def test_transition_has_an_end_reason_only_when_it_ends():
    assert all(
        (line.end_reason is not None) == (line.target_state is MachtigingState.ENDED) for line in TRANSITIONS.values()
    )
    assert {line.end_reason for line in TRANSITIONS.values()} - {None} == set(EndReason) - {
        EndReason.SUPERSEDED,
        EndReason.REGISTER,
        EndReason.ORGANISATION,
    }


@pytest.mark.parametrize("state", [MachtigingState.OFFERED, MachtigingState.ACTIVE, MachtigingState.PAUSED])
def test_giver_can_withdraw_in_every_state_but_ended(state):
    assert TRANSITIONS[state, MachtigingAction.WITHDRAW].role is MachtigingRole.GIVER


@pytest.mark.parametrize(
    ("state", "deed"),
    [
        (MachtigingState.OFFERED, MachtigingAction.ACCEPT),
        (MachtigingState.ACTIVE, MachtigingAction.PAUSE),
        (MachtigingState.PAUSED, MachtigingAction.RESUME),
    ],
)
def test_expired_machtiging_cannot_be_accepted_paused_or_resumed(state, deed):
    machtiging = make_machtiging(state=state)
    resolve_transition(machtiging, deed, machtiging.period.ends_at - timedelta(microseconds=1))
    with pytest.raises(Conflict, match="machtiging_verlopen"):
        resolve_transition(machtiging, deed, machtiging.period.ends_at)


def test_expired_machtiging_can_be_withdrawn():
    machtiging = make_machtiging()
    assert (
        resolve_transition(machtiging, MachtigingAction.WITHDRAW, machtiging.period.ends_at).target_state
        is MachtigingState.ENDED
    )
