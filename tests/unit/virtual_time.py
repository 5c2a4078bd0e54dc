"""Run a coroutine in virtual time. A sleep or time-out passes at once, and the loop's clock says that it passed.

Only for code that waits for timers, not for sockets or threads.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _VirtualSelector(selectors.DefaultSelector):
    """Adds up the time-outs instead of waiting for them."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "no timer is set: this would wait for ever"
        self.elapsed += timeout
        return super().select(0)


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.elapsed


def run_in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, in virtual time."""
    loop = _VirtualTimeLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
