"""Sealing: every committed journal line gets exactly one number in the hash chain."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.audit.journal import record
from machtiging.audit.queries import load_lines_for_person
from machtiging.audit.seal import run_sealer, seal_intake
from machtiging.audit.verification import verify_journal
from machtiging.kernel.errors import Fault
from tests.builders.database import bypass_triggers
from tests.builders.keys import load_keyring
from tests.builders.rows import JOURNAL, JOURNAL_INTAKE
from tests.storage.audit.journal_lines import SOMEBODY, make_journal_line, record_journal_lines


async def numbers(database):
    async with database.service.connect() as connection:
        return list(await JOURNAL.read_column(connection, "seq", order_by="seq"))


async def waiting(database):
    async with database.service.connect() as connection:
        return await JOURNAL_INTAKE.count(connection)


async def wait_until_sealed(database):
    for _ in range(500):
        if not await waiting(database):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was sealed in five seconds")


async def test_empty_journal_verifies_and_seals_nothing(database, clock):
    assert await seal_intake(database.sealer, load_keyring(), clock) == 0
    report = await verify_journal(database.service, load_keyring())
    assert (report.ok, report.lines, report.heads, report.head) == (True, 0, 0, None)


async def test_sealed_line_gets_the_next_number_and_leaves_the_intake(database, clock):
    await record_journal_lines(database, clock, 5)
    assert await seal_intake(database.sealer, load_keyring(), clock, batch=2) == 5
    assert await numbers(database) == [1, 2, 3, 4, 5]
    assert await waiting(database) == 0
    report = await verify_journal(database.service, load_keyring())
    assert (report.ok, report.lines, report.heads) == (True, 5, 3)


async def test_rolled_back_line_is_never_numbered(database, clock):
    async with database.sessions() as session:
        await record(session, make_journal_line(), at=clock.now())
        await session.rollback()
    await record_journal_lines(database, clock, 1)
    assert await seal_intake(database.sealer, load_keyring(), clock) == 1


async def test_late_committed_line_gets_a_later_number(database, clock):
    async with database.sessions() as late, database.sessions() as early:
        old = await record(late, make_journal_line(object_id="late"), at=clock.now())
        clock.advance(timedelta(seconds=1))
        young = await record(early, make_journal_line(object_id="early"), at=clock.now())
        await early.commit()
        assert await seal_intake(database.sealer, load_keyring(), clock) == 1
        await late.commit()
    assert await seal_intake(database.sealer, load_keyring(), clock) == 1
    async with database.sessions() as session:
        numbered = {line.id: line.seq for line in await load_lines_for_person(session, SOMEBODY)}
    assert numbered == {young: 1, old: 2}
    assert (await verify_journal(database.service, load_keyring())).ok


async def test_concurrent_writers_and_sealers_lose_no_line(database, clock):
    async def write(number):
        async with database.sessions() as session:
            await record(session, make_journal_line(object_id=str(number)), at=clock.now() - timedelta(seconds=number))
            await asyncio.sleep(0.001 * (number % 7))
            await (session.rollback() if number % 10 == 9 else session.commit())

    async def seal_now_and_then():
        for _ in range(10):
            await seal_intake(database.sealer, load_keyring(), clock, batch=7)
            await asyncio.sleep(0.005)

    await asyncio.gather(*(write(number) for number in range(60)), seal_now_and_then(), seal_now_and_then())
    await seal_intake(database.sealer, load_keyring(), clock)
    assert await numbers(database) == list(range(1, 55))
    async with database.sessions() as session:
        kept = {int(line.object_id) for line in await load_lines_for_person(session, SOMEBODY)}
    assert kept == {number for number in range(60) if number % 10 != 9}
    assert (await verify_journal(database.service, load_keyring())).ok


async def test_sealer_that_fails_before_commit_leaves_lines_waiting(database, clock):
    class Dies:
        def now(self):
            raise ConnectionError("killed")

    await record_journal_lines(database, clock, 3)
    with pytest.raises(ConnectionError):
        await seal_intake(database.sealer, load_keyring(), Dies())
    assert (await numbers(database), await waiting(database)) == ([], 3)
    assert await seal_intake(database.sealer, load_keyring(), clock) == 3


ODD = {
    "number": 10**40,
    "text": "é ' \" \\ \u2028 😀",
    "nested": [{"b": 1, "a": [True, None, ""]}],
}


async def test_extreme_values_are_sealed_and_verify(database, clock):
    await record_journal_lines(database, clock, 1, facts=ODD, capacity="", reason="é\r\n{")
    async with database.service.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) VALUES "
                "(gen_random_uuid(), 'infinity', 'x', 'done', 'y', '', '{\"a\": 1.1000000000000000000001}'),"
                "(gen_random_uuid(), '-infinity', 'x', 'done', 'y', '', '{\"b\": 1e400}'),"
                "(gen_random_uuid(), '4713-01-01 BC', 'x', 'done', 'y', '', '[]')"
            )
        )
    assert await seal_intake(database.sealer, load_keyring(), clock) == 4
    assert (await verify_journal(database.service, load_keyring())).ok


async def test_intake_line_with_id_of_sealed_line_is_reported(database, clock):
    await record_journal_lines(database, clock, 1)
    await seal_intake(database.sealer, load_keyring(), clock)
    async with database.service.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
                "SELECT id, occurred_at, act, outcome, 'another', request_id, facts FROM journal"
            )
        )
    await record_journal_lines(database, clock, 1)
    assert await seal_intake(database.sealer, load_keyring(), clock) == 1
    report = await verify_journal(database.service, load_keyring())
    assert [problem.kind for problem in report.problems] == ["verdwaald"]


async def test_sealing_after_truncated_hash_chain_is_a_fault(database, clock):
    await record_journal_lines(database, clock, 3)
    await seal_intake(database.sealer, load_keyring(), clock)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("DELETE FROM journal WHERE seq = 3"))
    await record_journal_lines(database, clock, 1)
    with pytest.raises(Fault, match="journaal_gebroken"):
        await seal_intake(database.sealer, load_keyring(), clock)
    assert await waiting(database) == 1


async def test_sealing_from_forged_head_is_a_fault(database, clock):
    await record_journal_lines(database, clock, 3)
    await seal_intake(database.sealer, load_keyring(), clock)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("UPDATE journal SET hash = decode(repeat('00', 32), 'hex') WHERE seq = 3"))
        await superuser.execute(text("UPDATE journal_head SET hash = decode(repeat('00', 32), 'hex')"))
    await record_journal_lines(database, clock, 1)
    with pytest.raises(Fault, match="journaal_gebroken"):
        await seal_intake(database.sealer, load_keyring(), clock)


async def test_background_sealer_seals_until_stopped_and_once_more(database, clock):
    stop = asyncio.Event()
    loop = asyncio.create_task(run_sealer(database.sealer, load_keyring(), clock, every=0.01, stop=stop))
    await record_journal_lines(database, clock, 2)
    await wait_until_sealed(database)
    await record_journal_lines(database, clock, 1)
    stop.set()
    await loop
    assert await numbers(database) == [1, 2, 3]


async def test_background_sealer_continues_after_a_failure(database, clock):
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("ALTER TABLE journal RENAME TO journal_away"))
    stop = asyncio.Event()
    loop = asyncio.create_task(run_sealer(database.sealer, load_keyring(), clock, every=0.01, stop=stop))
    await record_journal_lines(database, clock, 1)
    await asyncio.sleep(0.05)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(text("ALTER TABLE journal_away RENAME TO journal"))
    await wait_until_sealed(database)
    stop.set()
    await loop
    assert await numbers(database) == [1]
