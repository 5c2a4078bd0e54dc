"""Random acts: the past authority at every instant is that of then."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from tests.storage.delegation.authority_history import draw_examples
from tests.storage.history.past_world import STEPS, PastWorld, RandomActs

moves = st.timedeltas(timedelta(seconds=1), timedelta(days=4))
histories = st.lists(st.tuples(st.sampled_from(STEPS), moves), min_size=10, max_size=20)


# Each of these is done in this order, so that every kind of act stands in one history.
LIFE = (
    *("pause kin", "resume kin", "narrow kin", "extend kin", "pause root", "resume root", "join member", "assign team"),
    *("assign replacement", "join replacement", "exclude team", "exclude nobody", "leave_team replacement"),
    *("seal all", "replace worker", "end_replacement worker", "exclude others", "exclude nobody", "suspend worker"),
    *("reinstate worker", "stop_all all", "seal all", "lift_stop all", "recognition opgeschort", "recognition erkend"),
    *("ceiling less", "narrow root", "give offer", "leave_team member", "stop_team team", "unassign all"),
    *("assign member", "depart member", "recognition ingetrokken", "give_back kin", "revoke root", "give kin"),
)


async def test_authority_after_each_act_of_one_life_is_the_one_of_then(world, clock):
    acts = await RandomActs.begin(world)
    for step in LIFE:
        clock.advance(timedelta(hours=5))
        assert await acts.perform(step), step
    assert await world.compare_notes() > 100
    assert await world.compare_holders() > 50


async def test_authority_at_every_instant_after_random_acts_is_the_one_of_then(acts, clock):
    done = compared = 0
    for number, steps in enumerate(draw_examples(histories, 6), start=1):
        world = await PastWorld.begin(acts, f"9{number:07}")
        await world.note()
        clock.advance(timedelta(seconds=1))
        random = await RandomActs.begin(world)
        for step, passed in steps:
            done += await random.perform(step)
            clock.advance(passed)
            await world.note()
        try:
            compared += await world.compare_notes()
        except AssertionError as error:
            raise AssertionError(f"after {steps}: {error}") from error
    assert done > 20
    assert compared > 200
