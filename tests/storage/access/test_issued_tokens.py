"""Issued tokens on a real database: registration, revocation, and the race with readers."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from machtiging.access.token_lookup import load_token, load_token_for_share
from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.access_tokens.token_revocation import revoke_token, revoke_tokens_of_grant, revoke_tokens_of_machtiging
from machtiging.access_tokens.tokens import insert_token
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging as look_up
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, MachtigingId, TokenId, uuid7
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import NOON, BearerWorld, make_token_facts
from tests.builders.database import bypass_triggers, record_queries, seal_rows, wait_until_blocked
from tests.builders.machtiging import grant_machtiging
from tests.builders.people import add_mother_and_son

LATER = NOON + timedelta(minutes=1)


async def test_registered_token_is_loaded_with_its_machtiging(rollback_database, session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    facts = make_token_facts(person_id=people.son, machtiging_id=held.id, grant_id=GrantId(uuid7()))
    await insert_token(session, facts)
    with record_queries(rollback_database) as statements:
        state = await load_token(session, facts.id)
        assert await load_token_for_share(session, facts.id) == state
    assert (state.facts, state.revoked_at) == (facts, None)
    assert state.representation.leaf == await look_up(session, held.id)
    assert len(statements) == 2
    assert ["FOR SHARE" in statement for statement in statements] == [False, True]


async def test_unknown_jti_is_not_found(session):
    assert await load_token(session, TokenId(uuid7())) is None
    assert await load_token_for_share(session, TokenId(uuid7())) is None


async def test_duplicate_jti_is_rejected(session):
    facts = make_token_facts(oin="00000099000000001000")
    await insert_token(session, facts)
    with pytest.raises(IntegrityError):
        await insert_token(session, facts)


async def test_token_without_subject_is_rejected(session):
    with pytest.raises(IntegrityError):
        await insert_token(session, make_token_facts())


async def test_revoking_by_token_grant_or_machtiging_revokes_only_those(session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    grant = GrantId(uuid7())
    one, granted, under, other = (
        make_token_facts(person_id=people.son, **changes)
        for changes in ({}, {"grant_id": grant}, {"machtiging_id": held.id}, {})
    )
    for facts in (one, granted, under, other):
        await insert_token(session, facts)
    assert await revoke_token(session, one.id, LATER) == 1
    assert await revoke_tokens_of_grant(session, grant, LATER) == 1
    assert await revoke_tokens_of_machtiging(session, held.id, LATER) == 1
    assert [(await load_token(session, f.id)).revoked_at for f in (one, granted, under, other)] == [LATER] * 3 + [None]


async def test_revoking_twice_changes_nothing(session):
    facts = make_token_facts(oin="00000099000000001000")
    await insert_token(session, facts)
    assert await revoke_token(session, facts.id, LATER) == 1
    assert await revoke_token(session, facts.id, LATER + timedelta(hours=1)) == 0
    assert await revoke_token(session, TokenId(uuid7()), LATER) == 0
    assert (await load_token(session, facts.id)).revoked_at == LATER


async def test_token_is_live_until_expiry_revocation_or_paused_machtiging(session):
    people = await add_mother_and_son(session)
    held = await grant_machtiging(session, people)
    facts = make_token_facts(person_id=people.son, machtiging_id=held.id)
    await insert_token(session, facts)
    state = await load_token(session, facts.id)
    assert state.is_active_at(NOON)
    assert not state.is_active_at(facts.expires_at)
    assert not replace(state, revoked_at=LATER).is_active_at(NOON)
    await pause_machtiging(session, held.id, people.mother, at=NOON)
    assert not (await load_token(session, facts.id)).is_active_at(NOON)


async def test_token_with_missing_machtiging_is_a_fault(database):
    # The foreign key forbids it. If it is bypassed, the token must not open the own box of the gemachtigde.
    bearer_world = await BearerWorld.build(database, None)
    async with bypass_triggers(database) as connection:
        lost = MachtigingId(uuid7())
        await connection.execute(
            text("UPDATE issued_token SET machtiging_id = :lost WHERE id = :id"),
            {"lost": lost, "id": bearer_world.helper.id},
        )
    async with database.sessions() as session:
        await seal_rows(session, SEALED_TOKEN)
        await session.commit()
    async with database.sessions() as session:
        for ask in (load_token_for_share, load_token):
            with pytest.raises(Fault, match="machtiging_ontbreekt"):
                await ask(session, bearer_world.helper.id)


async def withdraw(bearer_world):
    async with unit_of_work(bearer_world.database.sessions) as session:
        await revoke_machtiging(session, bearer_world.machtiging.id, bearer_world.people.mother, at=LATER)


async def test_revocation_waits_for_share_lock_of_reader(database):
    bearer_world = await BearerWorld.build(database, None)
    async with database.sessions() as reading:
        state = await load_token_for_share(reading, bearer_world.helper.id)
        assert state.representation.leaf.state is MachtigingState.ACTIVE
        revoking = asyncio.create_task(withdraw(bearer_world))
        await wait_until_blocked(database.sessions, revoking)
        await reading.commit()
        await revoking
    async with database.sessions() as session:
        state = await load_token_for_share(session, bearer_world.helper.id)
        assert state.representation.leaf.state is MachtigingState.ENDED


async def test_reader_waits_for_revocation_and_sees_it(database):
    bearer_world = await BearerWorld.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await load_token_for_share(session, bearer_world.helper.id)

    async with database.sessions() as revoking:
        await revoke_machtiging(revoking, bearer_world.machtiging.id, bearer_world.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.commit()
    assert (await reading).representation.leaf.state is MachtigingState.ENDED


async def test_rolled_back_revocation_is_not_seen(database):
    bearer_world = await BearerWorld.build(database, None)

    async def read():
        async with database.sessions() as session:
            return await load_token_for_share(session, bearer_world.helper.id)

    async with database.sessions() as revoking:
        await revoke_machtiging(revoking, bearer_world.machtiging.id, bearer_world.people.mother, at=LATER)
        reading = asyncio.create_task(read())
        await wait_until_blocked(database.sessions, reading)
        await revoking.rollback()
    assert (await reading).representation.leaf.state is MachtigingState.ACTIVE


async def test_registering_token_does_not_deadlock_with_revocation(database):
    # The issuer holds the lock of the consent, for which the revocation waits: they would deadlock.
    bearer_world = await BearerWorld.build(database, None)
    async with database.sessions() as revoking, database.sessions() as issuing:
        await revoke_machtiging(revoking, bearer_world.machtiging.id, bearer_world.people.mother, at=LATER)
        issued = replace(bearer_world.helper, id=TokenId(uuid7()))
        await asyncio.wait_for(insert_token(issuing, issued), 2)
        await issuing.commit()
        await revoking.commit()
        assert await load_token(issuing, issued.id) is not None


async def test_readers_share_the_lock(database):
    bearer_world = await BearerWorld.build(database, None)
    async with database.sessions() as one, database.sessions() as other:
        assert await load_token_for_share(one, bearer_world.helper.id)
        assert await asyncio.wait_for(load_token_for_share(other, bearer_world.helper.id), 2)


async def test_reader_queues_behind_waiting_revocation(database):
    # Without the advisory lock, overlapping reads of one gemachtigde could starve the revocation.
    bearer_world = await BearerWorld.build(database, None)
    giver, token = bearer_world.people.mother, bearer_world.helper.id

    async def revoking() -> None:
        async with unit_of_work(database.sessions) as session:
            await revoke_machtiging(session, bearer_world.machtiging.id, giver, at=NOON)

    async def reading() -> MachtigingState:
        async with unit_of_work(database.sessions) as session:
            return (await load_token_for_share(session, token)).representation.leaf.state

    async with unit_of_work(database.sessions) as first:
        await load_token_for_share(first, token)
        ending = asyncio.create_task(revoking())
        await wait_until_blocked(database.sessions, ending)
        late = asyncio.create_task(reading())
        await wait_until_blocked(database.sessions, ending, late)
    await ending
    assert await late is MachtigingState.ENDED
