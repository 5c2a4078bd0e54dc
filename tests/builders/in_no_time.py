"""An event loop in which nobody waits: when all that is left to do is to wait, it is that much later at once.

For what happens in memory only. Time passes by waiting alone, so that it does not matter how fast the machine is.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Later(selectors.DefaultSelector):
    """Does not wait for what may come but counts how long it would have waited."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "all wait for ever"
        self.passed += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._later = _Later()
        super().__init__(self._later)

    def time(self) -> float:
        return self._later.passed


def in_no_time(begun: Coroutine[Any, Any, T]) -> T:
    """What it gives back in the end, after however long."""
    loop = _Loop()
    try:
        return loop.run_until_complete(begun)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
