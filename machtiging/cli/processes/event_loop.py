"""The event loop of a process: uvloop where there is one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any


def run_event_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine in a new event loop."""
    if os.name == "nt":
        asyncio.run(coroutine)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)
