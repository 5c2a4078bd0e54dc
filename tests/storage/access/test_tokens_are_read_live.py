"""Issued tokens on a real database: what is known of them, how they are closed, and the race with a revocation."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.access.tables import SEALED_TOKEN
from machtiging.access.tokens import (
    insert_token,
    load_token,
    load_token_for_share,
    revoke_token,
    revoke_tokens_of_grant,
    revoke_tokens_of_machtiging,
)
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging as look_up
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.termination import revoke_machtiging
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
    await insert_token(session, facts)
    async with counting_statements(rollback_database) as statements:
        state = await load_token(session, facts.id)
        assert await load_token_for_share(session, facts.id) == state
    assert (state.facts, state.revoked_at, state.machtiging) == (facts, None, await look_up(session, held.id))
    assert len(statements) == 2
    assert ["FOR SHARE" in statement for statement in statements] == [False, True]


async def test_an_unknown_jti_is_nothing(session):
    assert await load_token(session, TokenId(uuid7())) is None
    assert await load_token_for_share(session, TokenId(uuid7())) is None


async def test_the_same_jti_is_not_registered_twice(session):
    facts = token_facts(oin="00000099000000001000")
    await insert_token(session, facts)
    with pytest.raises(IntegrityError):
        await insert_token(session, facts)


async def test_a_token_of_nobody_is_not_registered(session):
    with pytest.raises(IntegrityError):
        await insert_token(session, token_facts())


async def test_closing_by_token_by_grant_and_by_machtiging_closes_those_and_no_others(session):
    people = await mother_and_son(session)
    held = await an_accepted_machtiging(session, people)
    grant = GrantId(uuid7())
    one, granted, under, other = (
        token_facts(person_id=people.son, **changes)
        for changes in ({}, {"grant_id": grant}, {"machtiging_id": held.id}, {})
    )
    for facts in (one, granted, under, other):
        await insert_token(session, facts)
    assert await revoke_token(session, one.id, LATER) == 1
    assert await revoke_tokens_of_grant(session, grant, LATER) == 1
    assert await revoke_tokens_of_machtiging(session, held.id, LATER) == 1
    assert [(await load_token(session, f.id)).revoked_at for f in (one, granted, under, other)] == [LATER] * 3 + [None]


async def test_closing_again_changes_nothing(session):
    facts = token_facts(oin="00000099000000001000")
    await insert_token(session, facts)
    assert await revoke_token(session, facts.id, LATER) == 1
    assert await revoke_token(session, facts.id, LATER + timedelta(hours=1)) == 0
    assert await revoke_token(session, TokenId(uuid7()), LATER) == 0
    assert (await load_token(session, facts.id)).revoked_at == LATER


async def test_a_token_lives_until_it_expires_is_closed_or_its_machtiging_rests(session):
    people = await mother_and_son(session)
    held = await an_accepted_machtiging(session, people)
    facts = token_facts(person_id=people.son, machtiging_id=held.id)
    await insert_token(session, facts)
    state = await load_token(session, facts.id)
    assert state.is_active_at(NOON)
    assert not state.is_active_at(facts.expires_at)
    assert not replace(state, revoked_at=LATER).is_active_at(NOON)
    await pause_machtiging(session, held.id, people.mother, at=NOON)
    assert not (await load_token(session, facts.id)).is_active_at(NOON)


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
        for ask in (load_token_for_share, load_token):
            with pytest.raises(Fault, match="machtiging_ontbreekt"):
                await ask(session, doorstep.helper.id)


async def withdraw(doorstep):
    async with unit_of_work(doorstep.database.sessions) as session:
        await revoke_machtiging(session, doorstep.machtiging.id, doorstep.people.mother, at=LATER)


async def test_a_revocation_waits_until_the_answer_under_way_has_been_committed(database):
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as reading:
        state = await load_token_for_share(reading, doorstep.helper.id)
        assert state.machtiging.state is MachtigingState.ACTIVE
        revoking = asyncio.create_task(withdraw(doorstep))
        await wait_until_blocked(database.sessions, revoking)
        await reading.commit()
        await revoking
    async with database.sessions() as session:
        assert (await load_token_for_share(session, doorstep.helper.id)).machtiging.state is MachtigingState.ENDED


async def test_reading_waits_for_a_revocation_under_way_and_then_sees_it(database):
    doorstep = await Doorstep.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await load_token_for_share(session, doorstep.helper.id)

    async with database.sessions() as revoking:
        await revoke_machtiging(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.commit()
    assert (await reading).machtiging.state is MachtigingState.ENDED


async def test_a_revocation_that_is_rolled_back_lets_the_reader_through(database):
    doorstep = await Doorstep.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await load_token_for_share(session, doorstep.helper.id)

    async with database.sessions() as revoking:
        await revoke_machtiging(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.rollback()
    assert (await reading).machtiging.state is MachtigingState.ACTIVE


async def test_writing_a_token_down_never_waits_for_a_revocation_under_way(database):
    # Who writes it down holds the consent, for which the revocation waits next: both would wait for each other.
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as revoking, database.sessions() as issuing:
        await revoke_machtiging(revoking, doorstep.machtiging.id, doorstep.people.mother, at=LATER)
        await asyncio.wait_for(insert_token(issuing, replace(doorstep.helper, id=TokenId(uuid7()))), 2)
        await issuing.commit()
        await revoking.commit()


async def test_readers_do_not_wait_for_each_other(database):
    doorstep = await Doorstep.build(database, None)
    async with database.sessions() as one, database.sessions() as other:
        assert await load_token_for_share(one, doorstep.helper.id)
        assert await asyncio.wait_for(load_token_for_share(other, doorstep.helper.id), 2)


async def test_who_comes_after_a_revocation_has_begun_waits_behind_it(database):
    # Otherwise a helper who asks without pause, always beside himself, could put the revocation off for ever.
    doorstep = await Doorstep.build(database, None)
    giver, token = doorstep.people.mother, doorstep.helper.id

    async def revoking() -> None:
        async with unit_of_work(database.sessions) as session:
            await revoke_machtiging(session, doorstep.machtiging.id, giver, at=NOON)

    async def reading() -> MachtigingState:
        async with unit_of_work(database.sessions) as session:
            return (await load_token_for_share(session, token)).machtiging.state

    async with unit_of_work(database.sessions) as first:
        await load_token_for_share(first, token)
        ending = asyncio.create_task(revoking())
        await wait_until_blocked(database.sessions, ending)
        late = asyncio.create_task(reading())
        await wait_until_blocked(database.sessions, ending, late)
    await ending
    assert await late is MachtigingState.ENDED
