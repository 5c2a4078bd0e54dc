"""A statement of the hot path: written once with SQLAlchemy Core, said in a session or straight to the driver.

Building and sending a statement through a session costs several times what the driver needs for it. Where an answer
takes four statements that is most of the answer. So these are compiled once; what they mean is the same either way.
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

from machtiging.storage.connections.guard import LOCAL, SET_ALL

_DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]
Processor = Callable[[Any], Any]
Found = Mapping[str, Any]


class Straight:
    """The driver's own connection, where every statement stands by itself: see `storage.straight`.

    `set_local` holds the settings that each transaction begins with behind a pooler, or nothing.
    """

    __slots__ = ("_set_local", "driver", "row_keys")

    def __init__(self, driver: asyncpg.Connection, row_keys: Any = None, set_local: str = "") -> None:
        self.driver, self.row_keys = driver, row_keys
        self._set_local = set_local

    async def fetchrow(self, text: str, *arguments: Any) -> asyncpg.Record | None:
        """Run one statement and return its first row."""
        if not self._set_local:
            return await self.driver.fetchrow(text, *arguments)
        # A pooler may run what stands outside a transaction on any connection of the server.
        async with self.driver.transaction():
            await self.driver.fetchrow(SET_ALL, LOCAL, self._set_local)
            return await self.driver.fetchrow(text, *arguments)

    async def execute(self, text: str, *arguments: Any) -> None:
        """Run one statement that gives no rows."""
        await self.fetchrow(text, *arguments)


# What statements are said on: a transaction under way, or a connection where each is one of its own.
Work: TypeAlias = AsyncSession | Straight


class _Compiled(NamedTuple):
    text: str
    constants: Mapping[str, Any]
    parameters: tuple[tuple[str, Processor | None], ...]
    results: tuple[tuple[str, Processor], ...]


class Statement:
    """One Core statement with its bound parameters by name. `columns` names those of an INSERT without values."""

    def __init__(self, core: Select[Any] | Insert | Update, columns: Sequence[str] | None = None) -> None:
        self._core = core
        self._columns = columns

    async def one(self, work: Work, values: Mapping[str, Any]) -> Found | None:
        """The only row, by the names of its columns, or None. The caller's statement can give no second row."""
        if isinstance(work, AsyncSession):
            rows = (await work.execute(self._core, dict(values))).mappings()
            return cast(Found | None, rows.one_or_none())
        found = await work.fetchrow(self._compiled.text, *self._arguments(values))
        if found is None:
            return None
        row = dict(found)
        for name, processor in self._compiled.results:
            if row[name] is not None:
                row[name] = processor(row[name])
        return row

    async def run(self, work: Work, values: Mapping[str, Any]) -> None:
        """For a statement that gives no rows."""
        if isinstance(work, AsyncSession):
            await work.execute(self._core, dict(values))
        else:
            await work.execute(self._compiled.text, *self._arguments(values))

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        known = {**self._compiled.constants, **values}
        return [known[name] if process is None else process(known[name]) for name, process in self._compiled.parameters]

    @cached_property
    def _compiled(self) -> _Compiled:
        compiled = self._core.compile(dialect=_DIALECT, column_keys=self._columns)
        parameters = tuple((name, _into(compiled.binds[name].type)) for name in compiled.positiontup or ())
        selected = self._core.selected_columns if isinstance(self._core, Select) else ()
        results = ((column.key, _out_of(column.type)) for column in selected if column.key)
        # Words that stand in the statement itself travel as parameters too.
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        return _Compiled(
            str(compiled), constants, parameters, tuple((name, process) for name, process in results if process)
        )


def _into(kind: TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _out_of(kind: TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
