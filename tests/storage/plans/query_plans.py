"""The query plan of each statement of a piece of work, on large tables."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import event, make_url

# Tables whose size somebody decides: agencies, clients that were let in, one line per migration, one lock, workers,
# versions of the policy and of bundles.
DO_NOT_GROW = {"agency", "dienst", "oauth_client", "initial_access_token", "alembic_version", "sealing_turn"}
DO_NOT_GROW |= {"worker_heartbeat", "policy_version", "bundle_version"}
# In a copy of a row whatever leads to another row, or must be unique, is made anew, unless it is absent.
_NEW = {"uuid": "gen_random_uuid()::text", "bytea": r"'\x' || encode(sha256((n || random()::text)::bytea), 'hex')"}
_COLUMNS = """
SELECT DISTINCT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND a.attnum = ANY(i.indkey)
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0
AND (t.typname = 'uuid' OR (t.typname = 'bytea' AND i.indisunique))
"""
_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class RecordedStatement:
    """One statement with the values that came with it."""

    statement: str
    values: tuple[Any, ...]


@asynccontextmanager
async def superuser(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that may do everything."""
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


async def grow(connection: asyncpg.Connection, table: str, times: int, **values: str) -> None:
    """Copy a row of a table so many times. `values` are SQL for columns, with `n` for the number of the copy."""
    new = {
        row["attname"]: f"CASE WHEN (one.t).{row['attname']} IS NOT NULL THEN {_NEW[row['typname']]} END"
        for row in await connection.fetch(_COLUMNS, table)
    }
    pairs = ", ".join(f"'{name}', {sql}" for name, sql in {**new, **values}.items())
    await connection.execute(
        f"INSERT INTO {table} OVERRIDING USER VALUE "
        f"SELECT (jsonb_populate_record(one.t, jsonb_build_object({pairs}))).* "
        f"FROM (SELECT t FROM {table} t LIMIT 1) one, generate_series(1, {times}) n"
    )


async def growing_tables(connection: asyncpg.Connection) -> set[str]:
    """Every table but those of which the size is somebody's decision."""
    return {row["relname"] for row in await connection.fetch(_TABLES)} - DO_NOT_GROW


@contextmanager
def recorded(*engines: Any) -> Iterator[list[RecordedStatement]]:
    """Record every statement with its values, in a session or directly on the driver."""
    heard: list[RecordedStatement] = []

    def in_a_session(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        many = values if isinstance(values, list) else [values]
        heard.append(RecordedStatement(statement, tuple(many[0])))

    def to_the_driver(record: Any) -> None:
        heard.append(RecordedStatement(record.query, tuple(record.args or ())))

    def lent(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.driver_connection.add_query_logger(to_the_driver)  # the same one twice is one

    for engine in engines:
        event.listen(engine.sync_engine, "before_cursor_execute", in_a_session)
        event.listen(engine.sync_engine, "checkout", lent)
    try:
        yield heard
    finally:
        for engine in engines:
            event.remove(engine.sync_engine, "before_cursor_execute", in_a_session)
            event.remove(engine.sync_engine, "checkout", lent)


async def plan_of(connection: asyncpg.Connection, said: RecordedStatement, *, run: bool = False) -> dict[str, Any]:
    """The plan that PostgreSQL makes. With `run` also what it took, in a transaction that is rolled back."""
    how = "ANALYZE, BUFFERS, FORMAT JSON" if run else "FORMAT JSON"
    transaction = connection.transaction()
    await transaction.start()
    try:
        found = json.loads(await connection.fetchval(f"EXPLAIN ({how}) {said.statement}", *said.values))
    finally:
        await transaction.rollback()
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def whole_tables_read(plan: dict[str, Any]) -> set[str]:
    """The tables of which a plan reads every row."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}


def buffers(plan: dict[str, Any]) -> int:
    """The blocks that a plan looked at."""
    return int(plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0))
