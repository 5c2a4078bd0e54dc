"""Rows of a journalled table, written as an act does or by SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, text, update

from machtiging.audit.journal import record
from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.audit.state_facts import state_facts
from machtiging.oauth.tables import SEALED_INITIAL_ACCESS_TOKEN
from machtiging.storage.row_mac import seal_row
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON
from tests.builders.rows import INITIAL_ACCESS_TOKENS
from tests.storage.audit.journal_lines import make_journal_line

TABLE = SEALED_INITIAL_ACCESS_TOKEN.table
JOURNALLED = JournalledTable(SEALED_INITIAL_ACCESS_TOKEN)
ONE, OTHER, THIRD = (bytes(31) + bytes([number]) for number in (1, 2, 3))


def make_row(**changes: Any) -> dict[str, Any]:
    row = {"token_hash": ONE, "note": "n", "uses_left": 1, "refused": 0, "created_at": NOON, "expires_at": NOON}
    return row | {"withdrawn_at": None} | changes


async def write_row(session: Any, at: Any, **changes: Any) -> dict[str, Any]:
    """Insert or change a row, with its journal line, as an act does. Returns the row."""
    row = seal_row(session, SEALED_INITIAL_ACCESS_TOKEN, make_row(**changes))
    same_key = TABLE.c.token_hash == row["token_hash"]
    exists = await session.scalar(select(TABLE.c.token_hash).where(same_key).with_for_update())
    await session.execute(insert(TABLE).values(row) if exists is None else update(TABLE).where(same_key).values(row))
    facts = state_facts([(SEALED_INITIAL_ACCESS_TOKEN, row)])
    await record(session, make_journal_line(facts=facts), at=at)
    return row


async def write_rows(database: Any, clock: Any, *hashes: bytes) -> None:
    """Write these rows, and mark the table as stated."""
    async with database.sessions.begin() as session:
        for token_hash in hashes:
            await write_row(session, clock.now(), token_hash=token_hash)
        await mark_finished(session, JOURNALLED, at=clock.now(), operator=None)


async def read_row(database: Any, token_hash: bytes = ONE) -> dict[str, Any]:
    return dict((await INITIAL_ACCESS_TOKENS.read_one(database, token_hash=token_hash))._mapping)


async def put_row(database: Any, row: dict[str, Any]) -> None:
    """Put a row into the database as somebody with SQL and without the key does."""
    async with bypass_triggers(database) as superuser:
        await superuser.execute(
            text("DELETE FROM initial_access_token WHERE token_hash = :hash"), {"hash": row["token_hash"]}
        )
        await superuser.execute(insert(TABLE).values(row))
