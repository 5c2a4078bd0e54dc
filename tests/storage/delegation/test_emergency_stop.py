"""The emergency stop of a citizen, and what it refuses until she lifts it."""

import asyncio
from datetime import timedelta

import pytest

from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.code_renewal import CodeToReplace, renew_code
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.queries import load_machtiging, load_open_code
from machtiging.delegation.rules import EffectiveState, MachtigingState, effective_state
from machtiging.delegation.suspension.emergency_stop import (
    find_emergency_stop,
    lift_emergency_stop,
    start_emergency_stop,
)
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import (
    MACHTIGING_LIMITS,
    Committed,
    add_offer,
    grant_machtiging,
    insert_relative_machtiging,
    update_machtiging,
)
from tests.builders.people import BORN, add_mother_and_son
from tests.builders.rows import EMERGENCY_STOPS, JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS

LATER = NOON + timedelta(hours=1)
MUCH_LATER = NOON + timedelta(days=3)


async def load(session, machtiging_id) -> Authority:
    found = await load_authority(session, machtiging_id, at=LATER)
    assert found is not None
    return found


async def test_emergency_stop_takes_every_machtiging_out_of_force_with_its_own_reason(session):
    people = await add_mother_and_son(session)
    one, other = await grant_machtiging(session, people), await grant_machtiging(session, people)
    stop = await start_emergency_stop(session, people.mother, at=LATER)
    assert sorted(stop.changed_ids) == sorted([one.id, other.id])
    for each in (one, other):
        authority = await load(session, each.id)
        assert authority.stop_reason(LATER).code == "noodstop"
        assert authority.is_authentic
        assert authority.is_current(None, LATER)


async def test_emergency_stop_leaves_machtigingen_of_others_in_force(session):
    people = await add_mother_and_son(session)
    theirs = await insert_relative_machtiging(session, people.son, people.mother)
    stop = await start_emergency_stop(session, people.mother, at=LATER)
    assert stop.changed_ids == ()
    assert (await load(session, theirs)).stop_reason(LATER) is None


async def test_emergency_stop_leaves_what_a_register_gave_in_force(session):
    people = await add_mother_and_son(session)
    changes = {"capacity": "bewindvoerder", "channel": "register", "agreed_by": None}
    by_register = await insert_relative_machtiging(session, people.mother, people.son, **changes)
    assert (await start_emergency_stop(session, people.mother, at=LATER)).changed_ids == ()
    assert (await load(session, by_register)).root.stopped_at is None


async def test_emergency_stop_repeated_changes_nothing(session):
    people = await add_mother_and_son(session)
    await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    lines = await JOURNAL_INTAKE.count(session)
    again = await start_emergency_stop(session, people.mother, at=MUCH_LATER)
    assert (again.started_at, again.changed_ids) == (LATER, ())
    assert await JOURNAL_INTAKE.count(session) == lines


async def test_lifting_restores_each_state_from_before_the_stop(session):
    people = await add_mother_and_son(session)
    active, paused = await grant_machtiging(session, people), await grant_machtiging(session, people)
    await pause_machtiging(session, paused.id, people.mother, at=NOON)
    await start_emergency_stop(session, people.mother, at=LATER)
    lifted = await lift_emergency_stop(session, people.mother, at=MUCH_LATER)
    assert sorted(lifted.changed_ids) == sorted([active.id, paused.id])
    assert (await load(session, active.id)).stop_reason(MUCH_LATER) is None
    assert (await load(session, paused.id)).stop_reason(MUCH_LATER).code == "machtiging_gepauzeerd"
    assert await find_emergency_stop(session, people.mother) is None


async def test_lifting_without_a_stop_changes_nothing(session):
    people = await add_mother_and_son(session)
    assert await lift_emergency_stop(session, people.mother, at=LATER) is None


async def test_emergency_stop_can_start_again_after_it_was_lifted(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    await lift_emergency_stop(session, people.mother, at=LATER)
    assert (await start_emergency_stop(session, people.mother, at=MUCH_LATER)).changed_ids == (taken.id,)
    assert await EMERGENCY_STOPS.read(session, "started_at", "lifted_at") == [(MUCH_LATER, None)]


@pytest.mark.parametrize("act", [pause_machtiging, resume_machtiging])
async def test_pause_and_resume_in_emergency_stop_are_refused(session, act):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    if act is resume_machtiging:
        await pause_machtiging(session, taken.id, people.mother, at=NOON)
    await start_emergency_stop(session, people.mother, at=LATER)
    with pytest.raises(Conflict) as refused:
        await act(session, taken.id, people.mother, at=LATER)
    assert refused.value.code == "noodstop"


@pytest.mark.parametrize("act", [revoke_machtiging, give_back_machtiging])
async def test_machtiging_in_emergency_stop_can_be_ended_by_either_party(session, act):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    who = people.mother if act is revoke_machtiging else people.son
    assert (await act(session, taken.id, who, at=LATER)).state is MachtigingState.ENDED
    assert (await lift_emergency_stop(session, people.mother, at=MUCH_LATER)).changed_ids == ()
    assert effective_state(await load_machtiging(session, taken.id), MUCH_LATER) is EffectiveState.ENDED


async def test_offer_in_emergency_stop_is_refused_and_journalled(session):
    people = await add_mother_and_son(session)
    await start_emergency_stop(session, people.mother, at=LATER)
    with pytest.raises(Conflict) as refused:
        await add_offer(session, people)
    assert refused.value.code == "noodstop"
    line = (await JOURNAL_INTAKE.read(session, "act", "outcome", "reason"))[-1]
    assert line == ("machtiging:aangeboden", "refused", "noodstop")


async def test_code_of_offer_in_emergency_stop_is_refused_and_works_after_lifting(database):
    world = await Committed.begin(database)
    offered = await world.offer()
    async with unit_of_work(database.sessions) as session:
        await start_emergency_stop(session, world.people.mother, at=NOON)
    with pytest.raises(InvalidInput) as refused:
        await world.accept(offered.code)
    assert (refused.value.code, refused.value.private) == ("code_klopt_niet", "noodstop")
    async with unit_of_work(database.sessions) as session:
        await lift_emergency_stop(session, world.people.mother, at=NOON)
    assert (await world.accept(offered.code)).state is MachtigingState.ACTIVE


async def test_code_renewal_in_emergency_stop_is_refused(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    code = await load_open_code(session, offered.machtiging_id)
    await start_emergency_stop(session, people.mother, at=LATER)
    replaced = CodeToReplace(offered.machtiging_id, code.id)
    with pytest.raises(Conflict) as refused:
        await renew_code(session, load_keyring(), MACHTIGING_LIMITS, people.giver, replaced, at=LATER)
    assert refused.value.code == "noodstop"


async def test_emergency_stop_journals_each_machtiging_with_its_state_and_notifies_its_helper(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    mine = JOURNAL_INTAKE.c.act == "noodstop:aangezet"
    lines = await JOURNAL_INTAKE.read(session, "machtiging_id", "actor_id", "for_person_id", "facts", mine)
    assert [line[:3] for line in lines] == [
        (None, people.mother, people.mother),
        (taken.id, people.mother, people.mother),
    ]
    tables = [entry["tabel"] for line in lines for entry in line.facts["toestand"]]
    assert tables == ["emergency_stop", "machtiging"]
    told = await NOTIFICATIONS.read(session, "person_id", "kind", NOTIFICATIONS.c.created_at > NOON)
    assert sorted(told) == sorted([(people.mother, "noodstop_door_u"), (people.son, "noodstop_aangezet")])


async def test_forged_machtiging_in_emergency_stop_stays_forged_after_lifting(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    forged = MACHTIGINGEN.table.update().where(MACHTIGINGEN.c.id == taken.id).values(mac=b"forged")
    await session.execute(forged)
    await start_emergency_stop(session, people.mother, at=LATER)
    await lift_emergency_stop(session, people.mother, at=LATER)
    assert not (await load(session, taken.id)).is_authentic


async def test_stop_taken_out_of_the_row_without_the_key_opens_nothing(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    await session.execute(MACHTIGINGEN.table.update().where(MACHTIGINGEN.c.id == taken.id).values(stopped_at=None))
    assert (await load(session, taken.id)).stop_reason(LATER).code == "rij_ongeldig"


async def test_expired_machtiging_in_emergency_stop_stays_expired(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await start_emergency_stop(session, people.mother, at=LATER)
    after = taken.period.ends_at
    assert effective_state(await load_machtiging(session, taken.id), after) is EffectiveState.EXPIRED


async def test_offer_at_the_same_time_as_the_stop_is_stopped_or_refused(database):
    world = await Committed.begin(database)

    async def offer():
        try:
            return await world.offer()
        except Conflict as refusal:
            return refusal

    async def stop():
        async with unit_of_work(database.sessions) as session:
            await start_emergency_stop(session, world.people.mother, at=NOON)

    results = await asyncio.gather(offer(), offer(), stop(), offer(), offer())
    refused = [one for one in results if isinstance(one, Conflict)]
    async with unit_of_work(database.sessions) as session:
        stopped = await MACHTIGINGEN.read_column(session, "stopped_at")
    assert len(stopped) + len(refused) == 4
    assert stopped.count(None) == 0


async def test_acceptance_at_the_same_time_as_the_stop_reads_nothing_after_it(database):
    world = await Committed.begin(database)
    offered = [await world.offer() for _ in range(3)]

    async def accept(code):
        try:
            await world.accept(code, BORN)
        except InvalidInput as refusal:
            assert refusal.private in ("noodstop", "net_te_laat")  # noqa: PT017

    async def stop():
        async with unit_of_work(database.sessions) as session:
            await start_emergency_stop(session, world.people.mother, at=NOON)

    await asyncio.gather(accept(offered[0].code), stop(), accept(offered[1].code), accept(offered[2].code))
    async with unit_of_work(database.sessions) as session:
        for one in offered:
            assert (await load(session, one.machtiging_id)).stop_reason(LATER).code == "noodstop"


async def test_row_from_before_the_column_keeps_its_mac(session):
    people = await add_mother_and_son(session)
    taken = await insert_relative_machtiging(session, people.mother, people.son)
    await update_machtiging(session, taken, paused_at=None)
    assert (await load(session, taken)).is_authentic
