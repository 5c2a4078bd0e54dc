"""The transition table of a machtiging: allowed and rejected transitions."""

from datetime import timedelta
from itertools import product

import pytest

from machtiging.delegation.rules import TRANSITIONS, Deed, EndReason, Party, State, party_to, step
from machtiging.kernel.errors import Conflict
from tests.builders.delegation import NOON, a_machtiging

POSSIBLE = {
    (State.OFFERED, Deed.ACCEPT): State.ACTIVE,
    (State.OFFERED, Deed.REFUSE): State.ENDED,
    (State.OFFERED, Deed.WITHDRAW): State.ENDED,
    (State.ACTIVE, Deed.PAUSE): State.PAUSED,
    (State.ACTIVE, Deed.WITHDRAW): State.ENDED,
    (State.ACTIVE, Deed.GIVE_BACK): State.ENDED,
    (State.PAUSED, Deed.RESUME): State.ACTIVE,
    (State.PAUSED, Deed.WITHDRAW): State.ENDED,
    (State.PAUSED, Deed.GIVE_BACK): State.ENDED,
}


@pytest.mark.parametrize(("state", "deed"), list(product(State, Deed)))
def test_transition_outside_the_table_is_rejected(state, deed):
    machtiging = a_machtiging(state=state)
    if (state, deed) in POSSIBLE:
        assert step(machtiging, deed, NOON).to is POSSIBLE[state, deed]
        return
    with pytest.raises(Conflict) as refusal:
        step(machtiging, deed, NOON)
    assert refusal.value.code == ("machtiging_beeindigd" if state is State.ENDED else "machtiging_kan_dit_niet")


@pytest.mark.parametrize("deed", Deed)
def test_ended_state_has_no_transition(deed):
    assert (State.ENDED, deed) not in TRANSITIONS


@pytest.mark.parametrize("deed", Deed)
def test_each_action_belongs_to_one_party(deed):
    assert {line.by for (_, known), line in TRANSITIONS.items() if known is deed} == {party_to(deed)}


def test_transition_has_an_end_reason_only_when_it_ends():
    assert all((line.why is not None) == (line.to is State.ENDED) for line in TRANSITIONS.values())
    assert {line.why for line in TRANSITIONS.values()} - {None} == set(EndReason)


@pytest.mark.parametrize("state", [State.OFFERED, State.ACTIVE, State.PAUSED])
def test_giver_can_withdraw_in_every_state_but_ended(state):
    assert TRANSITIONS[state, Deed.WITHDRAW].by is Party.GIVER


@pytest.mark.parametrize(
    ("state", "deed"), [(State.OFFERED, Deed.ACCEPT), (State.ACTIVE, Deed.PAUSE), (State.PAUSED, Deed.RESUME)]
)
def test_expired_machtiging_cannot_be_accepted_paused_or_resumed(state, deed):
    machtiging = a_machtiging(state=state)
    step(machtiging, deed, machtiging.period.ends_at - timedelta(microseconds=1))
    with pytest.raises(Conflict, match="machtiging_verlopen"):
        step(machtiging, deed, machtiging.period.ends_at)


def test_expired_machtiging_can_be_withdrawn():
    machtiging = a_machtiging()
    assert step(machtiging, Deed.WITHDRAW, machtiging.period.ends_at).to is State.ENDED
