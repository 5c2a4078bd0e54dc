"""The autocommit connection: commit per statement, failures, and the same rows as a session."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import bindparam, column, insert, literal_column, select, table, text, update
from sqlalchemy import types as kinds
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import Fault, NotFound
from machtiging.kernel.ids import uuid7
from machtiging.storage.autocommit import autocommit_connection
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.statement import Statement
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.rows import AGENCIES, JOURNAL_INTAKE

AGENCY = table("agency", column("oin", kinds.Text), column("name", kinds.Text), column("active", kinds.Boolean))
INSERT_AGENCY = Statement(insert(AGENCY), ("oin", "name", "active"))
SELECT_NAME = Statement(select(AGENCY.c.name).where(AGENCY.c.oin == bindparam("oin"), AGENCY.c.name != "nooit"))
# Longer than the 15 KiB up to which the driver keeps a statement by default, as the statement of an authority is.
LONG = Statement(select(*(literal_column("1").label(f"{'long' * 14}_{number}") for number in range(300))))
USES_OF_LONG = """SELECT count(*), sum(generic_plans + custom_plans)
    FROM pg_prepared_statements WHERE statement LIKE 'SELECT 1 AS longlong%'"""
OIN = "00000099000000000001"
PROEF = {"oin": OIN, "name": "Proef", "active": True}
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def single_connection_sessions(database):
    """Sessions on one pooled connection, which every user reuses."""
    engine = make_engine(database.url, DatabaseRole.SERVICE, pool_size=1)
    yield make_sessions(engine)
    await engine.dispose()


async def names(sessions):
    async with unit_of_work(sessions) as session:
        return await AGENCIES.read_column(session, "name")


async def test_autocommit_statement_is_committed_when_it_returns(database, single_connection_sessions):
    async with autocommit_connection(single_connection_sessions) as work:
        await INSERT_AGENCY.execute(work, PROEF)
        assert await names(database.sessions) == ["Proef"]


@pytest.mark.parametrize("error", [NotFound("weg"), Fault("stuk"), ValueError("onverwacht"), asyncio.CancelledError()])
async def test_autocommit_statement_stays_committed_after_an_error(single_connection_sessions, error):
    with pytest.raises(type(error)):
        async with autocommit_connection(single_connection_sessions) as work:
            await INSERT_AGENCY.execute(work, PROEF)
            raise error
    assert await names(single_connection_sessions) == ["Proef"]


async def test_failed_autocommit_statement_is_a_fault_without_detail(single_connection_sessions):
    with pytest.raises(Fault) as fault:
        async with autocommit_connection(single_connection_sessions) as work:
            await INSERT_AGENCY.execute(work, PROEF)
            await INSERT_AGENCY.execute(work, PROEF)
    assert (fault.value.code, fault.value.message) == ("opslag_niet_bereikbaar", None)
    assert "Proef" not in str(fault.value.private)
    assert await names(single_connection_sessions) == ["Proef"]


async def test_broken_autocommit_connection_is_a_fault_and_is_replaced(single_connection_sessions):
    with pytest.raises(Fault, match="opslag_niet_bereikbaar"):
        async with autocommit_connection(single_connection_sessions) as work:
            work.driver.terminate()
            await INSERT_AGENCY.execute(work, PROEF)
    assert await names(single_connection_sessions) == []


async def test_open_transaction_is_not_returned_to_the_pool(single_connection_sessions):
    for _ in range(2):
        async with autocommit_connection(single_connection_sessions) as work:
            await work.driver.execute("BEGIN")
            await INSERT_AGENCY.execute(work, PROEF)
    assert await names(single_connection_sessions) == []


async def test_connection_of_cancelled_statement_is_closed(database, single_connection_sessions):
    backends = []

    async def slow():
        async with autocommit_connection(single_connection_sessions) as work:
            backends.append(await work.driver.fetchval("SELECT pg_backend_pid()"))
            await work.driver.execute("SELECT pg_advisory_xact_lock(1)")

    async with unit_of_work(database.sessions) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(1)"))
        task = asyncio.create_task(slow())
        await wait_until_blocked(database.sessions, task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with autocommit_connection(single_connection_sessions) as work:
        assert await work.driver.fetchval("SELECT pg_backend_pid()") not in backends


async def test_autocommit_connection_uses_the_service_role(single_connection_sessions):
    async with autocommit_connection(single_connection_sessions) as work:
        assert await work.driver.fetchval("SELECT current_user") == DatabaseRole.SERVICE.value
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with work.driver.transaction():
                await work.driver.execute("DELETE FROM journal_intake")


async def test_select_gives_same_row_in_session_and_autocommit(single_connection_sessions):
    what = table("agency", column("oin", kinds.Text), column("name", kinds.Text))
    both = Statement(
        select(
            what.c.name,
            bindparam("id", type_=kinds.Uuid).label("id"),
            bindparam("at", type_=kinds.DateTime(timezone=True)).label("at"),
            bindparam("words", type_=ARRAY(kinds.Text)).label("words"),
            bindparam("facts", type_=JSONB).label("facts"),
            bindparam("nothing", type_=JSONB(none_as_null=True)).label("nothing"),
            bindparam("sealed", type_=kinds.LargeBinary).label("sealed"),
        ).where(what.c.oin == bindparam("oin"))
    )
    values = {"id": uuid7(), "at": AT, "words": ["a", "b"], "facts": {"n": 1, "é": [True]}, "nothing": None}
    values |= {"sealed": b"\x00\xff", "oin": OIN}
    async with autocommit_connection(single_connection_sessions) as work:
        await INSERT_AGENCY.execute(work, PROEF)
        short = await both.one_or_none(work, values)
    async with unit_of_work(single_connection_sessions) as session:
        long = await both.one_or_none(session, values)
    assert short is not None
    assert long is not None
    del values["oin"]
    assert dict(short) == dict(long) == values | {"name": "Proef"}


async def test_update_gives_same_result_in_session_and_autocommit(single_connection_sessions):
    rename = Statement(update(AGENCY).where(AGENCY.c.oin == bindparam("which")).values(name=bindparam("new")))
    async with unit_of_work(single_connection_sessions) as session:
        await INSERT_AGENCY.execute(session, PROEF)
        await rename.execute(session, {"which": OIN, "new": "Anders"})
        assert (await SELECT_NAME.one_or_none(session, {"oin": OIN}))["name"] == "Anders"
    async with autocommit_connection(single_connection_sessions) as work:
        await rename.execute(work, {"which": OIN, "new": "Weer anders"})
        assert (await SELECT_NAME.one_or_none(work, {"oin": OIN}))["name"] == "Weer anders"


async def test_journal_line_is_the_same_in_session_and_autocommit(single_connection_sessions):
    line = NewJournalLine(
        JournalAct.TOKEN_GEWEIGERD, JournalOutcome.REFUSED, "proef", actor_id=uuid7(), facts={"niveau": "laag"}
    )
    async with autocommit_connection(single_connection_sessions) as work:
        await record(work, line, at=AT)
    async with unit_of_work(single_connection_sessions) as session:
        await record(session, line, at=AT)
        one, other = (dict(row._mapping) for row in await JOURNAL_INTAKE.read(session))
    for line in (one, other):
        del line["id"], line["request_id"], line["trace_id"], line["intake_number"]
    assert one == other
    assert one["facts"] == {"niveau": "laag"}


async def test_long_autocommit_statement_is_prepared_once(single_connection_sessions):
    async with autocommit_connection(single_connection_sessions) as work:
        for _ in range(3):
            assert len(await LONG.one_or_none(work, {})) == 300
        prepared, used = await work.driver.fetchrow(USES_OF_LONG)
    assert (prepared, used) == (1, 3)
