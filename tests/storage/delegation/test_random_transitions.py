"""Random transitions on the database follow the transition table and never revive a machtiging."""

from datetime import timedelta
from random import Random

import pytest

from machtiging.delegation.acceptance import accept_offer
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import EffectiveState, MachtigingAction, effective_state, resolve_transition
from machtiging.delegation.termination import give_back_machtiging, refuse_offer, revoke_machtiging
from machtiging.kernel.errors import Conflict, Refusal
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import add_offer
from tests.builders.people import BORN, add_mother_and_son


def act_of(session, people, offered, deed, at):
    """The function that performs the action."""
    if deed in {MachtigingAction.ACCEPT, MachtigingAction.REFUSE}:
        verb = accept_offer if deed is MachtigingAction.ACCEPT else refuse_offer
        return verb(session, load_keyring(), people.helper, offered.code, BORN, at=at)
    by_id = {
        MachtigingAction.PAUSE: pause_machtiging,
        MachtigingAction.RESUME: resume_machtiging,
        MachtigingAction.WITHDRAW: revoke_machtiging,
        MachtigingAction.GIVE_BACK: give_back_machtiging,
    }
    who = people.son if deed is MachtigingAction.GIVE_BACK else people.mother
    return by_id[deed](session, offered.machtiging_id, who, at=at)


def allowed_by_the_rules(before, deed, at):
    try:
        resolve_transition(before, deed, at)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
async def test_random_transitions_follow_the_table_and_never_revive(session, seed):
    chance = Random(seed)
    people = await add_mother_and_son(session)
    offered, at, ended = await add_offer(session, people), NOON, False
    for _ in range(14):
        at += timedelta(hours=chance.randint(1, 200))
        deed = chance.choices(list(MachtigingAction), weights=[4, 1, 3, 3, 1, 1])[0]
        before = await load_machtiging(session, offered.machtiging_id)
        assert before is not None
        try:
            # A code that the same helper hands in twice is no refusal, and changes nothing.
            done = await act_of(session, people, offered, deed, at) != before
        except Refusal:
            done = False
        in_time = deed not in {MachtigingAction.ACCEPT, MachtigingAction.REFUSE} or at < NOON + timedelta(days=30)
        assert done is (allowed_by_the_rules(before, deed, at) and in_time)
        after = await load_machtiging(session, offered.machtiging_id)
        assert after is not None
        assert not ended or after == before
        assert done or after == before
        ended = effective_state(after, at) is EffectiveState.ENDED
        assert (effective_state(after, at) is EffectiveState.IN_FORCE) <= (after.accepted_at is not None)
