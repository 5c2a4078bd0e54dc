"""Issued tokens on a real database: what is known of them, how they are closed, and the race with a revocation."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.access.tables import SEALED_TOKEN
from machtiging.access.tokens import (
    hold,
    register,
    revoke_of_grant,
    revoke_of_machtiging,
    revoke_one,
    state_of,
)
from machtiging.delegation.end import revoke
from machtiging.delegation.pause import pause
from machtiging.delegation.queries import machtiging as look_up
from machtiging.delegation.rules import State
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, MachtigingId, TokenId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.audit import tampering
from tests.builders.bearer import NOON, Doorstep, counting_statements, token_facts
from tests.builders.delegation import an_accepted_machtiging, mother_and_son
from tests.builders.lock_waits import wait_until_blocked
from tests.builders.sealing import seal_rows

LATER = NOON + timedelta(minutes=1)


async def test_what_was_registered_comes_back_with_the_machtiging_as_it_stands(rollback_database, session):
    people = await mother_and_son(session)
    held = await an_accepted_machtiging(session, people)
    facts = token_facts(person_id=people.son, machtiging_id=held.id, grant_id=GrantId(uuid7()))
    await register(session, facts)
    async with counting_statements(rollback_database) as statements:
        state = await state_of(session, facts.id)
        assert await hold(session, facts.id) == state
    assert (state.facts, state.revoked_at, state.machtiging) == (facts, None, await look_up(session, held.id))
    assert len(statements) == 2
    assert ["FOR SHARE" in statement for statement in statements] == [False, True]


async def test_an_unknown_jti_is_nothing(session):
    assert await state_of(session, TokenId(uuid7())) is None
    assert await hold(session, TokenId(uuid7())) is None


async def test_the_same_jti_is_not_registered_twice(session):
    facts = token_facts(oin="00000099000000001000")
    await register(session, facts)
    with pytest.raises(IntegrityError):
        await register(session, facts)


async def test_a_token_of_nobody_is_not_registered(session):
    with pytest.raises(IntegrityError):
        await register(session, token_facts())


async def test_closing_by_token_by_grant_and_by_machtiging_closes_those_and_no_others(session):
    people = await mother_and_son(session)
    held = await an_accepted_machtiging(session, people)
    grant = GrantId(uuid7())
    one, granted, under, other = (
        token_facts(person_id=people.son, **changes)
        for changes in ({}, {"grant_id": grant}, {"machtiging_id": held.id}, {})
    )
    for facts in (one, granted, under, other):
        await register(session, facts)
    assert await revoke_one(session, one.id, LATER) == 1
    assert await revoke_of_grant(session, grant, LATER) == 1
    assert await revoke_of_machtiging(session, held.id, LATER) == 1
    assert [(await state_of(session, f.id)).revoked_at for f in (one, granted, under, other)] == [LATER] * 3 + [None]


async def test_closing_again_changes_nothing(session):
    facts = token_facts(oin="00000099000000001000")
    await register(session, facts)
    assert await revoke_one(session, facts.id, LATER) == 1
    assert await revoke_one(session, facts.id, LATER + timedelta(hours=1)) == 0
    assert await revoke_one(session, TokenId(uuid7()), LATER) == 0
    assert (await state_of(session, facts.id)).revoked_at == LATER


async def test_a_token_lives_until_it_expires_is_closed_or_its_machtiging_rests(session):
    people = await mother_and_son(session)
    held = await an_accepted_machtiging(session, people)
    facts = token_facts(person_id=people.son, machtiging_id=held.id)
    await register(session, facts)
    state = await state_of(session, facts.id)
    assert state.live_at(NOON)
    assert not state.live_at(facts.expires_at)
    assert not replace(state, revoked_at=LATER).live_at(NOON)
    await pause(session, held.id, people.mother, at=NOON)
    assert not (await state_of(session, facts.id)).live_at(NOON)


async def test_a_token_whose_machtiging_is_not_there_is_a_fault_and_never_the_own_box(database):
    # The foreign key forbids it; whoever gets round that key must not turn a helper's token into another one.
    doorstep = await Doorstep.build(database, None)
    async with tampering(database) as connection:
        lost = MachtigingId(uuid7())
        await connection.execute(
            text("UPDATE issued_token SET machtiging_id = :lost WHERE id = :id"),
            {"lost": lost, "id": doorstep.helper.id},
        )
    async with database.sessions() as session:
        await seal_rows(session, SEALED_TOKEN)
        await session.commit()
    async with database.sessions() as session:
        for ask in (hold, state_of):
            with pytest.raises(Fault, match="machtiging_ontbreekt"):
                await ask(session, doorstep.helper.id)


async def withdraw(doorstep):
    async with unit_of_work(doorstep.database.sessions) as session:
        await revoke(session, doorstep.machtiging.id, doorstep.people.mother, at=LATER)


async def test_a_revocation_waits_until_the_answer_under_way_has_been_committed(database):
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as reading:
        state = await hold(reading, doorstep.helper.id)
        assert state.machtiging.state is State.ACTIVE
        revoking = asyncio.create_task(withdraw(doorstep))
        await wait_until_blocked(database.sessions, revoking)
        await reading.commit()
        await revoking
    async with database.sessions() as session:
        assert (await hold(session, doorstep.helper.id)).machtiging.state is State.ENDED


async def test_reading_waits_for_a_revocation_under_way_and_then_sees_it(database):
    doorstep = await Doorstep.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await hold(session, doorstep.helper.id)

    async with database.sessions() as revoking:
        await revoke(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.commit()
    assert (await reading).machtiging.state is State.ENDED


async def test_a_revocation_that_is_rolled_back_lets_the_reader_through(database):
    doorstep = await Doorstep.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await hold(session, doorstep.helper.id)

    async with database.sessions() as revoking:
        await revoke(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.rollback()
    assert (await reading).machtiging.state is State.ACTIVE


async def test_writing_a_token_down_never_waits_for_a_revocation_under_way(database):
    # Who writes it down holds the consent, for which the revocation waits next: both would wait for each other.
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as revoking, database.sessions() as issuing:
        await revoke(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        await asyncio.wait_for(register(issuing, replace(doorstep.helper, id=TokenId(uuid7()))), 2)
        await issuing.commit()
        await revoking.commit()


async def test_readers_do_not_wait_for_each_other(database):
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as one, database.sessions() as other:
        assert await hold(one, doorstep.helper.id)
        assert await asyncio.wait_for(hold(other, doorstep.helper.id), 2)


async def test_who_comes_after_a_revocation_has_begun_waits_behind_it(database):
    # Otherwise a helper who asks without pause, always beside himself, could put the revocation off for ever.
    doorstep = await Doorstep.build(database, None)
    giver, token = doorstep.people.mother, doorstep.helper.id

    async def revoking() -> None:
        async with unit_of_work(database.sessions) as session:
            await revoke(session, doorstep.machtiging.id, giver, at=NOON)

    async def reading() -> State:
        async with unit_of_work(database.sessions) as session:
            return (await hold(session, token)).machtiging.state

    async with unit_of_work(database.sessions) as first:
        await hold(first, token)
        ending = asyncio.create_task(revoking())
        await wait_until_blocked(database.sessions, ending)
        late = asyncio.create_task(reading())
        await wait_until_blocked(database.sessions, ending, late)
    await ending
    assert await late is State.ENDED
