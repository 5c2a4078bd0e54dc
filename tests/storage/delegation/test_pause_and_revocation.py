"""Pause, resume, revoke and give back: allowed parties, states and notifications."""

import asyncio
from datetime import timedelta
from itertools import product

import pytest

from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import EffectiveState, EndReason, MachtigingState, effective_state
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Conflict, NotFound, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.message_catalogue import describe_refusal
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON
from tests.builders.machtiging import Committed, add_offer, grant_machtiging
from tests.builders.people import add_mother_and_son, add_person
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, NOTIFICATIONS

LATER = NOON + timedelta(hours=1)
EVERYTHING = [pause_machtiging, resume_machtiging, revoke_machtiging, give_back_machtiging]


async def last_line(session):
    return (await JOURNAL_INTAKE.read(session, "act", "outcome", "reason", "actor_id", "for_person_id", "capacity"))[-1]


async def test_revocation_by_giver_ends_machtiging_immediately(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    ended = await revoke_machtiging(session, taken.id, people.mother, at=LATER)
    assert (ended.state, ended.ended_at, ended.end_reason) == (MachtigingState.ENDED, LATER, EndReason.WITHDRAWN)
    assert effective_state(ended, LATER) is EffectiveState.ENDED
    assert await load_machtiging(session, taken.id) == ended


async def test_give_back_by_gemachtigde_ends_machtiging_and_is_journalled(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    ended = await give_back_machtiging(session, taken.id, people.son, at=LATER)
    assert (ended.state, ended.end_reason) == (MachtigingState.ENDED, EndReason.GIVEN_BACK)
    assert await last_line(session) == (
        "machtiging:teruggegeven",
        "done",
        "teruggeven",
        people.son,
        people.mother,
        "relative",
    )


async def test_open_offer_can_be_revoked(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    ended = await revoke_machtiging(session, offered.machtiging_id, people.mother, at=LATER)
    assert ended.end_reason is EndReason.WITHDRAWN
    kinds = await NOTIFICATIONS.read(session, "kind", order_by="created_at")
    assert kinds == [("machtiging_aangeboden_door_u",), ("aanbod_ingetrokken_door_u",)]


async def test_paused_machtiging_is_not_in_force_until_resumed(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    resting = await pause_machtiging(session, taken.id, people.mother, at=LATER)
    assert effective_state(resting, LATER) is EffectiveState.PAUSED
    assert await MACHTIGINGEN.read(session, "paused_at") == [(LATER,)]
    awake = await resume_machtiging(session, taken.id, people.mother, at=LATER)
    assert effective_state(awake, LATER) is EffectiveState.IN_FORCE
    assert await MACHTIGINGEN.read(session, "paused_at") == [(None,)]


@pytest.mark.parametrize("act", [revoke_machtiging, give_back_machtiging])
async def test_paused_machtiging_can_be_ended_by_either_party(session, act):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await pause_machtiging(session, taken.id, people.mother, at=LATER)
    who = people.mother if act is revoke_machtiging else people.son
    assert (await act(session, taken.id, who, at=LATER)).state is MachtigingState.ENDED


@pytest.mark.parametrize(
    ("act", "to_mother", "to_son"),
    [
        (pause_machtiging, "machtiging_gepauzeerd_door_u", "machtiging_gepauzeerd"),
        (revoke_machtiging, "machtiging_ingetrokken_door_u", "machtiging_ingetrokken"),
        (give_back_machtiging, "machtiging_teruggegeven", "machtiging_teruggegeven_door_u"),
    ],
)
async def test_pause_revocation_and_give_back_notify_both(session, act, to_mother, to_son):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await act(session, taken.id, people.son if act is give_back_machtiging else people.mother, at=LATER)
    told = await NOTIFICATIONS.read(session, "person_id", "kind", NOTIFICATIONS.c.created_at > NOON)
    assert sorted(told) == sorted([(people.mother, to_mother), (people.son, to_son)])


async def test_resumption_notifies_both(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await pause_machtiging(session, taken.id, people.mother, at=NOON)
    await resume_machtiging(session, taken.id, people.mother, at=LATER)
    told = await NOTIFICATIONS.read_column(session, "kind", NOTIFICATIONS.c.created_at > NOON)
    assert sorted(told) == ["machtiging_hervat", "machtiging_hervat_door_u"]


async def test_idor_on_machtiging_of_another_person_is_reported_as_not_found(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    stranger = await add_person(session, Bsn("999990044"))
    answers = set()
    for act, machtiging_id in product(EVERYTHING, (taken.id, uuid7())):
        with pytest.raises(NotFound) as refusal:
            await act(session, machtiging_id, stranger, at=LATER)
        answers.add((refusal.value.code, describe_refusal(refusal.value), refusal.value.private))
    assert [code for code, _, _ in answers] == ["machtiging_onbekend"]
    assert await load_machtiging(session, taken.id) == taken


async def test_idor_attempt_on_machtiging_is_journalled(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    stranger = await add_person(session, Bsn("999990044"))
    with pytest.raises(NotFound):
        await revoke_machtiging(session, taken.id, stranger, at=LATER)
    act, outcome, reason, actor, about, _ = await last_line(session)
    assert (act, outcome, reason) == ("machtiging:ingetrokken", "refused", "niet_van_u")
    assert (actor, about) == (stranger, people.mother)


async def test_pause_resume_and_revoke_by_gemachtigde_are_reported_as_not_found(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    for act in (pause_machtiging, resume_machtiging, revoke_machtiging):
        with pytest.raises(NotFound, match="machtiging_onbekend"):
            await act(session, taken.id, people.son, at=LATER)


async def test_give_back_by_giver_is_reported_as_not_found(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    with pytest.raises(NotFound, match="machtiging_onbekend"):
        await give_back_machtiging(session, taken.id, people.mother, at=LATER)


async def test_ended_machtiging_stays_ended(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    ended = await revoke_machtiging(session, taken.id, people.mother, at=LATER)
    for act in EVERYTHING:
        with pytest.raises(Conflict, match="machtiging_beeindigd"):
            await act(session, taken.id, people.son if act is give_back_machtiging else people.mother, at=LATER)
    assert await load_machtiging(session, taken.id) == ended


@pytest.mark.parametrize("act", [pause_machtiging, resume_machtiging])
async def test_offer_cannot_be_paused_or_resumed(session, act):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    with pytest.raises(Conflict, match="machtiging_kan_dit_niet"):
        await act(session, offered.machtiging_id, people.mother, at=LATER)


async def test_expired_machtiging_cannot_be_resumed(session):
    people = await add_mother_and_son(session)
    taken = await grant_machtiging(session, people)
    await pause_machtiging(session, taken.id, people.mother, at=LATER)
    with pytest.raises(Conflict, match="machtiging_verlopen"):
        await resume_machtiging(session, taken.id, people.mother, at=taken.period.ends_at)


async def test_concurrent_revocations_end_machtiging_once(database):
    committed = await Committed.begin(database)
    taken = await committed.accept((await committed.offer()).code)

    async def press():
        async with unit_of_work(database.sessions) as session:
            return await revoke_machtiging(session, taken.id, committed.people.mother, at=LATER)

    answers = await asyncio.gather(press(), press(), press(), return_exceptions=True)
    assert sorted(a.code for a in answers if isinstance(a, Refusal)) == ["machtiging_beeindigd"] * 2
    async with unit_of_work(database.sessions) as session:
        assert await NOTIFICATIONS.count(session, kind="machtiging_ingetrokken") == 1


async def test_concurrent_revocation_and_resumption_ends_machtiging(database):
    committed = await Committed.begin(database)
    mother = committed.people.mother

    async def do(act, machtiging_id):
        async with unit_of_work(database.sessions) as session:
            return await act(session, machtiging_id, mother, at=LATER)

    for _ in range(5):
        taken = await committed.accept((await committed.offer()).code)
        await do(pause_machtiging, taken.id)
        await asyncio.gather(do(resume_machtiging, taken.id), do(revoke_machtiging, taken.id), return_exceptions=True)
        async with unit_of_work(database.sessions) as session:
            kept = await load_machtiging(session, taken.id)
            assert kept is not None
            assert kept.state is MachtigingState.ENDED
