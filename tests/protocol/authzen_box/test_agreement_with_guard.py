"""An evaluation is what the guard then does, in drawn worlds."""

from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machtiging.access.actor import Actor
from machtiging.access.guard import issue_permit
from machtiging.access.verdict import AccessTarget
from machtiging.berichtenbox.decision_point.sender_letters import SenderLetters
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Refusal
from tests.builders.letters import CITIZEN
from tests.protocol.authzen_box.conftest import BELASTINGDIENST, COLLECTION, TAX, about_letter

ACTS = ("lijst", "lezen", "downloaden")
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "acts": st.lists(st.sampled_from(ACTS), unique=True, min_size=1),
        "assurance": st.sampled_from(["laag", "substantieel", "hoog"]),
        "highest_sensitivity": st.sampled_from(["gewoon", "gevoelig"]),
        "excluded_themes": st.sampled_from([[], ["belastingen"]]),
        "capacity": st.sampled_from(["relative", "professional"]),
        "starts_at": st.sampled_from([timedelta(days=-1), timedelta(days=1)]),
        "ends_at": st.sampled_from([timedelta(days=2), timedelta(days=30)]),
    },
)
_NUMBERS = count(12_300_000)
STATES = st.sampled_from(["active", "paused", "ended"])


async def ask_guard(pep, actor, act, letter_id, oin=BELASTINGDIENST):
    """True if the guard gives a Permit."""
    at, world = pep.world.clock.now(), pep.world
    async with world.sessions() as session:
        letters = await SenderLetters().find_letters(session, oin, [letter_id], at)
        target = letters.get(letter_id, AccessTarget("bericht", None, None, None, None))
        try:
            await issue_permit(session, world.policy, actor, act, target, at=at)
        except Refusal:
            return False
        return True


async def build_actor(pep, machtiging_id, level, kvk=None):
    world = pep.world
    async with world.sessions() as session:
        authority = await load_authority(session, machtiging_id, at=world.clock.now())
    return Actor(world.helper, authority, level, frozenset(Act(one) for one in ACTS), "box", None, organisation_kvk=kvk)


@pytest.fixture
async def letters(pep):
    """An ordinary letter of the agency to the citizen, and a sensitive one."""
    return [UUID(await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=code)) for code in (TAX, COLLECTION)]


async def assert_agreement(pep, letters, actor, world_of_example):
    """Compare decision, Permit and search for every act on every letter."""
    acr = actor.assurance.acr
    questions = [about_letter(str(letter_id), act, acr=acr) for letter_id in letters for act in ACTS]
    permits = [await ask_guard(pep, actor, Act(act), letter_id) for letter_id in letters for act in ACTS]
    answer = await pep.post("evaluations", {"evaluations": questions})
    decisions = [one["decision"] for one in answer.json()["evaluations"]]
    assert decisions == permits, world_of_example
    for number, act in enumerate(ACTS):
        context = {"vertegenwoordigde": {"type": "bsn", "id": CITIZEN}, "acr": acr}
        search = {"subject": questions[0]["subject"], "action": {"name": act}, "resource": {"type": "bericht"}}
        found = await pep.search("resource", search | {"context": context})
        allowed = [str(letters[0])] * permits[number] + [str(letters[1])] * permits[number + len(ACTS)]
        assert found == sorted(allowed), world_of_example
    return permits


@given(changes=CHANGES, state=STATES, level=st.sampled_from(list(Assurance)), through_office=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
async def test_evaluation_and_search_agree_with_the_guard(pep, letters, changes, state, level, through_office):
    at, kvk = pep.world.clock.now(), f"{next(_NUMBERS)}" if through_office else None
    moments = {name: at + value for name, value in changes.items() if name.endswith("_at")}
    capacity = {"capacity": "professional"} if through_office else {}
    machtiging_id = await pep.world.grant_machtiging(kvk, **(changes | moments | capacity))
    if state != "active":
        await getattr(pep.world, {"paused": "pause", "ended": "revoke"}[state])(machtiging_id)
    actor = await build_actor(pep, machtiging_id, level, kvk)
    await assert_agreement(pep, letters, actor, (changes, state, level, kvk))
    if state != "ended":
        await pep.world.revoke(machtiging_id)  # the next example has one machtiging again


async def test_agreement_is_also_about_what_is_allowed(pep, letters):
    machtiging_id = await pep.world.grant_machtiging()
    actor = await build_actor(pep, machtiging_id, Assurance.SUBSTANTIAL)
    assert await assert_agreement(pep, letters, actor, "allowed") == [True] * 6
