"""Greenlets of SQLAlchemy: synchronous code that waits for coroutines on the same connection.

SQLAlchemy documents only `run_sync`, which gives no way to await a coroutine of our own. So these two functions come
from `sqlalchemy.util` (docs/vocabulary.md, "Private interfaces of libraries").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.util import await_, greenlet_spawn

_T = TypeVar("_T")


async def run_in_greenlet(function: Callable[..., _T], *arguments: Any) -> _T:
    """Run a synchronous function that may call `await_in_greenlet`. No thread is used."""
    return await greenlet_spawn(function, *arguments)


def await_in_greenlet(awaitable: Awaitable[_T]) -> _T:
    """Await a coroutine inside `run_in_greenlet`. Raises MissingGreenlet elsewhere."""
    return await_(awaitable)
