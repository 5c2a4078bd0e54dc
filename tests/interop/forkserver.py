"""Run a function in a forked process. `multiprocessing.forkserver` imports the service once for all of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PRELOADED = [
    "machtiging.app",
    "machtiging.simulators.app",
    "pytest_asyncio.plugin",
    "httpcore",
    "hypothesis",
    "tests.protocol.black_box.ciba_desk",
    "tests.protocol.black_box.our_server",
    "tests.protocol.black_box.expired_credentials",
    "tests.builders.database",
]


@contextmanager
def forked_process(log: Path, function: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    """A process that runs this function and writes its output to `log`. Terminated at the end if it still runs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run_with_log, args=(str(log), function, *arguments))
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


def _run_with_log(log: str, function: Callable[..., Any], *arguments: Any) -> None:
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(function(*arguments))
