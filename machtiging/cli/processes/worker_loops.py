"""The loops of a worker in this process, until a signal."""

from __future__ import annotations

import asyncio

import structlog

from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings

_log = structlog.get_logger(__name__)


async def work_until_stopped(settings: Settings) -> None:
    """Run the loops of a worker until SIGINT or SIGTERM. Raises Fault `geen_schema` or `ander_schema`."""
    from machtiging.app import build_services, run_services
    from machtiging.cli.processes.servers import stop_on_signals

    stop = asyncio.Event()
    services = build_services(settings, settings.database_url or "", SystemClock())
    with stop_on_signals(stop):
        async with run_services(services, with_worker_loops=True):
            _log.info("working")
            await stop.wait()
