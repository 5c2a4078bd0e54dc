"""Precompiled Core statements that run in an AsyncSession or directly on asyncpg.

Executing through a session costs several times the driver's own time. That would be a large part of a response of two
statements (docs/decisions/0005). So these are compiled once; the result is the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, cast

import asyncpg
from sqlalchemy import Insert, Select, Update
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from machtiging.storage.connections.guard import SET_CONFIG_SQL, SET_LOCAL

_DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]
ValueProcessor = Callable[[Any], Any]
ResultRow = Mapping[str, Any]


class AutocommitConnection:
    """An asyncpg connection in autocommit mode; see `storage.autocommit`.

    `transaction_settings` are set at the start of each transaction behind a pooler; empty without one.
    """

    __slots__ = ("_transaction_settings", "driver", "row_keys")

    def __init__(self, driver: asyncpg.Connection, row_keys: Any = None, transaction_settings: str = "") -> None:
        self.driver, self.row_keys = driver, row_keys
        self._transaction_settings = transaction_settings

    async def fetchrow(self, text: str, *arguments: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        if not self._transaction_settings:
            return await self.driver.fetchrow(text, *arguments)
        # A pooler may run a statement outside a transaction on any server connection.
        async with self.driver.transaction():
            await self.driver.fetchrow(SET_CONFIG_SQL, SET_LOCAL, self._transaction_settings)
            return await self.driver.fetchrow(text, *arguments)

    async def fetch(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run one statement and return all its rows."""
        if not self._transaction_settings:
            return list(await self.driver.fetch(text, *arguments))
        async with self.driver.transaction():
            await self.driver.fetchrow(SET_CONFIG_SQL, SET_LOCAL, self._transaction_settings)
            return list(await self.driver.fetch(text, *arguments))

    async def execute(self, text: str, *arguments: Any) -> None:
        """Run one statement without result rows."""
        await self.fetchrow(text, *arguments)


# Runs statements: a session with an open transaction, or a connection in autocommit mode.
Executor: TypeAlias = AsyncSession | AutocommitConnection


class _CompiledStatement(NamedTuple):
    text: str
    constants: Mapping[str, Any]
    parameters: tuple[tuple[str, ValueProcessor | None], ...]
    results: tuple[tuple[str, ValueProcessor], ...]


class Statement:
    """A Core statement with named bind parameters. `columns` names those of an INSERT without values."""

    def __init__(self, core: Select[Any] | Insert | Update, columns: Sequence[str] | None = None) -> None:
        self._core = core
        self._columns = columns

    async def one_or_none(self, executor: Executor, values: Mapping[str, Any]) -> ResultRow | None:
        """Return the only row by column name, or None. The statement must not give a second row."""
        if isinstance(executor, AsyncSession):
            rows = (await executor.execute(self._core, dict(values))).mappings()
            return cast(ResultRow | None, rows.one_or_none())
        found = await executor.fetchrow(self._compilation.text, *self._bind_arguments(values))
        return None if found is None else self._process_row(found)

    async def all(self, executor: Executor, values: Mapping[str, Any]) -> list[ResultRow]:
        """Return all rows by column name."""
        if isinstance(executor, AsyncSession):
            return [dict(row) for row in (await executor.execute(self._core, dict(values))).mappings()]
        found = await executor.fetch(self._compilation.text, *self._bind_arguments(values))
        return [self._process_row(row) for row in found]

    def _process_row(self, found: asyncpg.Record) -> ResultRow:
        row = dict(found)
        for name, processor in self._compilation.results:
            if row[name] is not None:
                row[name] = processor(row[name])
        return row

    async def execute(self, executor: Executor, values: Mapping[str, Any]) -> None:
        """Run a statement without result rows."""
        if isinstance(executor, AsyncSession):
            await executor.execute(self._core, dict(values))
        else:
            await executor.execute(self._compilation.text, *self._bind_arguments(values))

    def _bind_arguments(self, values: Mapping[str, Any]) -> list[Any]:
        arguments = {**self._compilation.constants, **values}
        return [
            arguments[name] if process is None else process(arguments[name])
            for name, process in self._compilation.parameters
        ]

    @cached_property
    def _compilation(self) -> _CompiledStatement:
        compiled = self._core.compile(dialect=_DIALECT, column_keys=self._columns)
        parameters = tuple((name, _bind_processor(compiled.binds[name].type)) for name in compiled.positiontup or ())
        selected = self._core.selected_columns if isinstance(self._core, Select) else ()
        results = ((column.key, _result_processor(column.type)) for column in selected if column.key)
        # Literals in the statement are sent as parameters too.
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        return _CompiledStatement(
            str(compiled), constants, parameters, tuple((name, process) for name, process in results if process)
        )


def _bind_processor(kind: TypeEngine[Any]) -> ValueProcessor | None:
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _result_processor(kind: TypeEngine[Any]) -> ValueProcessor | None:
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
