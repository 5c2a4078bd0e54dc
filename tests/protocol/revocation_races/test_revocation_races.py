"""Revocation races: after a committed revocation no dependent row of the machtiging is active."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from sqlalchemy import text

from machtiging.delegation import termination
from machtiging.delegation.code_renewal import CodeToReplace, renew_code
from machtiging.delegation.queries import load_open_code
from machtiging.kernel.errors import Conflict
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS
from tests.builders.rows import MACHTIGINGSCODES
from tests.protocol.revocation_races.concurrent_writes import (
    REFERRING,
    UNENDED,
    WRITERS,
    moments,
    revoke,
    revoked,
    unended,
    wait_for_lock_or_end,
)

# writer -> the table that it writes last; locking it keeps the writer from its commit
LAST = {
    "consent": "authorization_code",
    "ask at a counter": "notification",
    "answer at a counter": "backchannel_request",
}


# What a machtiging consists of, what came before it, what is written under it, and what no act makes yet.
# A link under it is not ended with it: its authority is. A verification code is then answered with "no".
WITHOUT_ACCESS = {
    *("agreement", "assignment", "help_request", "helper_name", "helper_note", "client_search_key"),
    *("handover_item", "machtigingsverzoek", "organisation_stop_notice", "statutory_relation"),
    "verification_code",
}


async def test_tables_that_refer_to_a_machtiging_are_all_tested(oauth) -> None:
    async with unit_of_work(oauth.sessions) as session:
        found = set(await session.scalars(REFERRING))
    assert found == set(UNENDED) | WITHOUT_ACCESS


@pytest.mark.parametrize("writer", WRITERS)
async def test_row_written_before_revocation_is_ended(oauth, writer) -> None:
    held = await oauth.grant_machtiging()
    write = await WRITERS[writer](oauth, held)
    assert (await write()).status_code in (200, 303)
    assert await unended(oauth) != {}
    await revoked(oauth, held)
    assert await unended(oauth) == {}


@pytest.mark.parametrize("by_helper", [False, True], ids=["withdrawn", "given back"])
@pytest.mark.parametrize("writer", LAST)
async def test_revocation_waits_for_concurrent_row_and_ends_it(oauth, writer, by_helper) -> None:
    held = await oauth.grant_machtiging()
    write = await WRITERS[writer](oauth, held)
    async with oauth.sessions() as shut:
        await shut.execute(text(f"LOCK TABLE {LAST[writer]} IN SHARE MODE"))
        writing = asyncio.create_task(write())
        await wait_until_blocked(oauth.sessions, writing)
        revoking = asyncio.create_task(revoked(oauth, held, by_helper=by_helper))
        await wait_until_blocked(oauth.sessions, writing, revoking)
        await shut.rollback()
    assert (await writing).status_code in (200, 303)
    await revoking
    assert await unended(oauth) == {}


@pytest.mark.parametrize("writer", WRITERS)
async def test_row_concurrent_with_revocation_is_not_written(oauth, writer) -> None:
    held = await oauth.grant_machtiging()
    write = await WRITERS[writer](oauth, held)
    async with unit_of_work(oauth.sessions) as session:
        await revoke(oauth, session, held)
        writing = asyncio.create_task(write())
        await wait_for_lock_or_end(oauth, writing)
    await writing
    assert await unended(oauth) == {}


async def test_code_renewal_concurrent_with_withdrawal_is_rejected(oauth) -> None:
    offered, people, at = await oauth.committed.offer(), oauth.committed.people, oauth.clock.now()
    async with unit_of_work(oauth.sessions) as session:
        code = await load_open_code(session, offered.machtiging_id)

    async def renewed():
        async with unit_of_work(oauth.sessions) as session:
            replaced = CodeToReplace(offered.machtiging_id, code.id)
            await renew_code(session, load_keyring(), MACHTIGING_LIMITS, people.giver, replaced, at=at)

    async with unit_of_work(oauth.sessions) as session:
        await termination.revoke_machtiging(session, offered.machtiging_id, people.mother, at=at)
        renewing = asyncio.create_task(renewed())
        await wait_until_blocked(oauth.sessions, renewing)
    with pytest.raises(Conflict, match="machtiging_beeindigd"):
        await renewing
    assert await unended(oauth) == {}
    async with unit_of_work(oauth.sessions) as session:
        assert await MACHTIGINGSCODES.count(session) == 1


@pytest.mark.parametrize("seed", range(4))
async def test_no_row_is_active_after_any_interleaving_of_revocation(oauth, seed) -> None:
    rng, held = Random(seed), await oauth.grant_machtiging()
    names = rng.sample(list(WRITERS), 5)
    writes = [await WRITERS[name](oauth, held) for name in names]

    async def later(pause, act):
        await asyncio.sleep(pause)
        return await act()

    acts = [*writes, lambda: revoked(oauth, held)]
    await asyncio.gather(*(later(pause, act) for pause, act in zip(moments(rng, len(acts)), acts, strict=True)))
    assert await unended(oauth) == {}, names
