"""Random transitions over time: an ended machtiging never comes back in force."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from machtiging.delegation.rules import (
    EffectiveState,
    MachtigingAction,
    MachtigingState,
    effective_state,
    resolve_transition,
)
from machtiging.kernel.errors import Conflict
from tests.builders.keys import NOON
from tests.builders.machtiging import make_machtiging


class LifeOfAMachtiging(RuleBasedStateMachine):
    """One machtiging under a random sequence of transitions, with time passing."""

    def __init__(self):
        super().__init__()
        self.at = NOON
        self.machtiging = make_machtiging(state=MachtigingState.OFFERED)
        self.over = False
        self.accepted = False
        self.paused = False

    @rule(deed=st.sampled_from(MachtigingAction))
    def somebody_does(self, deed):
        try:
            line = resolve_transition(self.machtiging, deed, self.at)
        except Conflict:
            return
        assert not self.over, "something was done to a machtiging that was over"
        self.machtiging = replace(self.machtiging, state=line.target_state)
        self.accepted |= deed is MachtigingAction.ACCEPT
        self.paused = line.target_state is MachtigingState.PAUSED

    @rule(passing=st.timedeltas(timedelta(0), timedelta(days=40)))
    def time_goes_by(self, passing):
        self.at += passing

    @invariant()
    def ended_machtiging_stays_ended(self):
        now = effective_state(self.machtiging, self.at)
        assert not self.over or now is EffectiveState.ENDED
        self.over |= now is EffectiveState.ENDED

    @invariant()
    def in_force_means_accepted_not_paused_and_in_time(self):
        if effective_state(self.machtiging, self.at) is EffectiveState.IN_FORCE:
            assert self.accepted
            assert not self.paused
            assert self.machtiging.period.contains(self.at)


TestLifeOfAMachtiging = LifeOfAMachtiging.TestCase
TestLifeOfAMachtiging.settings = settings(stateful_step_count=30)
