"""The data key of an organisation: made once, and read without a lock."""

import asyncio

from sqlalchemy import text

from machtiging.identity.data_keys import ensure_data_key
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers, wait_until_blocked
from tests.builders.keys import load_keyring

KEYS = load_keyring()
LOCK_PARTY = text("SELECT FROM party WHERE id = :id FOR NO KEY UPDATE")


async def load_key(database, organisation):
    async with unit_of_work(database.sessions) as session:
        return await ensure_data_key(session, KEYS, organisation)


async def read_wrapped_key(database, organisation):
    async with database.sessions() as session:
        return await session.scalar(text("SELECT data_key_wrapped FROM party WHERE id = :id"), {"id": organisation})


async def test_existing_data_key_is_read_without_a_lock(world, database):
    organisation = await world.register()
    async with unit_of_work(database.sessions) as session:
        await session.execute(LOCK_PARTY, {"id": organisation})
        key = await asyncio.wait_for(load_key(database, organisation), 5)
    assert key.encrypt(b"x", "employee", "1", "naam")


async def test_missing_data_key_is_made_once_by_concurrent_calls(world, database):
    organisation = await world.register()
    async with bypass_triggers(database) as connection:
        without = text("UPDATE party SET data_key_wrapped = NULL, kek_version = NULL WHERE id = :id")
        await connection.execute(without, {"id": organisation})
    async with unit_of_work(database.sessions) as session:
        first = await ensure_data_key(session, KEYS, organisation)
        second = asyncio.create_task(load_key(database, organisation))
        await wait_until_blocked(database.sessions, second)
    sealed = first.encrypt(b"x", "employee", "1", "naam")
    assert (await second).decrypt(sealed, "employee", "1", "naam") == b"x"
    assert await read_wrapped_key(database, organisation) is not None
