"""Worker processes of the service: they share one port and end with their parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog

from machtiging.cli.errors import log_service_failure
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 10
_log = structlog.get_logger(__name__)


def create_worker_app() -> FastAPI:
    """Create the application for a uvicorn worker, with settings from the environment and JSON logs.

    A worker that cannot start logs the reason and ends. Then the parent ends, too.
    """
    from machtiging.app import create_app
    from machtiging.web.structured_logging import configure_logging

    exit_with_parent()
    try:
        configure_logging()
        return create_app(Settings())
    except Exception as error:  # noqa: BLE001 (outermost handler of a worker: the user sees no traceback)
        log_service_failure(error)
        from uvicorn.config import STARTUP_FAILURE

        sys.exit(STARTUP_FAILURE)


def exit_with_parent() -> None:
    """End this worker when its parent process ends. Does nothing without a parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after_parent, args=(parent.sentinel,), name="parent", daemon=True).start()


def _exit_after_parent(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    _log.error("parent_gone", detail="this worker ends: the process that started it is gone")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS + 2)  # current requests may finish
    os._exit(3)


def serve_in_workers(settings: Settings, workers: int, listener: socket.socket) -> None:
    """Run the workers on one socket until a signal. Raises Fault `dienst_start_niet` when one cannot start.

    They read the database URL from the environment, because they are new processes.
    """
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from machtiging.web.http_protocol import BoundedHttpProtocol

    # Each worker enforces its share of the rate limits. The setting may already count other machines.
    os.environ["MACHTIGING_PROCESSES"] = str(max(workers, settings.processes))
    config = uvicorn.Config(
        # By name: a worker imports it while it answers health checks. A function would be imported before.
        f"{create_worker_app.__module__}:{create_worker_app.__name__}",
        factory=True,
        workers=workers,
        loop="uvloop" if os.name != "nt" else "asyncio",
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    listener.set_inheritable(True)
    manager = Multiprocess(config, sockets=[listener])
    manager.run()
    listener.close()
    if any(process.exitcode == STARTUP_FAILURE for process in manager.processes):
        raise Fault("dienst_start_niet", private="a worker could not start")
