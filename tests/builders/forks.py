"""Many short-lived processes that all begin with the same imports: done once, in a process that then forks."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_READY = [
    "machtiging.app",
    "machtiging.simulators.app",
    "pytest_asyncio.plugin",
    "httpcore",
    "hypothesis",
    "tests.builders.black_box_counter",
    "tests.builders.black_box_ours",
    "tests.builders.black_box_spent",
    "tests.builders.database",
]


def _into(log: str, work: Callable[..., Any], *given: Any) -> None:
    # What was there before the fork stays: to look through it for garbage would also make a copy of it.
    gc.freeze()
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(work(*given))


@contextmanager
def forked(log: Path, work: Callable[..., Any], *given: Any) -> Iterator[Any]:
    """A process that does this work; stopped by its own pid when it is not done by the end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_READY)
    process = context.Process(target=_into, args=(str(log), work, *given))
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join(15)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
