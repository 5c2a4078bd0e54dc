"""What a costly set-up leaves in the database: made once in a process, laid back in the tests after it.

A stage is a step of a set-up that does the same at the same moment of the tests' clock every time. The first test that
asks for it takes the step; the rows that came and went are kept, with whatever the step gave. From then on they are
laid back as they were, in one statement. Where that cannot be done, since what the step would change is not there or
what it would add is in the way, the step is taken after all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

Made = TypeVar("Made")
Rows = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Stage:
    """A step that was taken: the statement that does it again, and what it gave."""

    statement: str = field(repr=False)
    gave: Any = field(repr=False)


@dataclass
class Stages:
    """The stages of one test, on the database that it was lent; `owner` is a connection that may do anything."""

    owner: asyncpg.Connection
    # Left out of how it reads: the event loop asks every task how it reads, and this grows with every stage.
    known: dict[Hashable, Stage | None] = field(repr=False)
    tables: tuple[str, ...] = field(repr=False)
    _asked: Counter[Hashable] = field(default_factory=Counter)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def laid(self, name: Hashable, take: Callable[[], Awaitable[Made]], *, if_same: bool = False) -> Made:
        """What the step gives, taken or laid back. A second time in one test is a stage of its own.

        `if_same`: laid back only where every row of the database is what it was when the step was taken.
        """
        async with self._one_at_a_time:
            self._asked[name] += 1
            key = (name, await self._print() if if_same else self._asked[name])
            stage = self.known.get(key)
            if stage is None:
                return await self._taken(key, take)
            try:
                await self.owner.fetch(stage.statement)
            except asyncpg.PostgresError:
                return await take()
            return stage.gave

    async def _taken(self, key: Hashable, take: Callable[[], Awaitable[Made]]) -> Made:
        before = await self._rows()
        gave = await take()
        after = await self._rows()
        self.known[key] = Stage(again(before - after, after - before), gave)
        return gave

    async def _rows(self) -> Rows:
        return Counter((row["place"], row["content"]) for row in await self.owner.fetch(self._all))

    async def _print(self) -> str | None:
        one = "string_agg(place || content, '|' ORDER BY place, content COLLATE \"C\")"
        return await self.owner.fetchval(f"SELECT md5({one}) FROM ({self._all}) AS every")

    @property
    def _all(self) -> str:
        parts = (f"SELECT '{name}' AS place, t::text AS content FROM public.{name} t" for name in self.tables)
        return " UNION ALL ".join(parts)


def again(went: Rows, came: Rows) -> str:
    """One statement that takes these rows away, each of which must be there, and adds those; all of it or nothing.

    For a connection that asks no trigger and no key. What only adds is a statement that the server need read once.
    """
    added: dict[str, list[str]] = {}
    for name, row in came:
        added.setdefault(name, []).append(_quoted(row))
    new = [
        f"INSERT INTO public.{name} SELECT t.* FROM unnest(ARRAY[{','.join(rows)}]::public.{name}[]) t"
        for name, rows in added.items()
    ]
    if not went:
        return (
            f"WITH {', '.join(f'new_{number} AS ({one})' for number, one in enumerate(new))} SELECT"
            if new
            else "SELECT"
        )
    gone = [
        f"DELETE FROM public.{name} t WHERE t::text = {_quoted(row)}; IF NOT FOUND THEN RAISE 'not there'; END IF"
        for name, row in went
    ]
    return f"DO $again$ BEGIN {'; '.join([*gone, *new])}; END $again$"


def _quoted(row: str) -> str:
    assert "$again$" not in row
    return "E'" + row.replace("\\", "\\\\").replace("'", "''") + "'"


async def laid(
    stages: Stages | None, name: Hashable, take: Callable[[], Awaitable[Made]], *, if_same: bool = False
) -> Made:
    """The same, where there may be no stages: on a database that is not the one used test after test."""
    return await take() if stages is None else await stages.laid(name, take, if_same=if_same)
