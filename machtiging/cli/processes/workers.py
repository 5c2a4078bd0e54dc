"""Processes of `serve --workers`: web processes that share one port, and the worker beside them.

All end with their parent.
"""

from __future__ import annotations

import contextlib
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

from machtiging.cli.errors import ExitCode, log_service_failure
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from fastapi import FastAPI

GRACE_SECONDS = 10
_WORKER_CHECK_SECONDS = 0.2
_WORKER_RESTART_SECONDS = 2.0
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


def run_worker_beside() -> None:
    """Run the worker of `serve --workers`, with settings from the environment and JSON logs."""
    from machtiging.cli.processes.event_loop import run_event_loop
    from machtiging.cli.processes.worker_loops import work_until_stopped
    from machtiging.web.structured_logging import configure_logging

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent sends SIGTERM
    exit_with_parent()
    try:
        configure_logging()
        run_event_loop(work_until_stopped(Settings()))
    except Exception as error:  # noqa: BLE001 (outermost handler of a worker: the user sees no traceback)
        log_service_failure(error)
        sys.exit(ExitCode.ENVIRONMENT)


class WorkerBeside:
    """The worker process beside the web processes. It is started again when it ends, with a pause."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name="worker", daemon=True)

    def __enter__(self) -> WorkerBeside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _keep_running(self) -> None:
        context = multiprocessing.get_context("spawn")
        while not self._stop.is_set():
            process = context.Process(target=run_worker_beside, name="worker")
            process.start()
            while process.is_alive() and not self._stop.is_set():
                self._stop.wait(_WORKER_CHECK_SECONDS)
            if self._stop.is_set():
                _end_process(process)
            else:
                _log.error("worker_gone", exit_code=process.exitcode, detail="it is started again")
                self._stop.wait(_WORKER_RESTART_SECONDS)


def _end_process(process: BaseProcess) -> None:
    """Let a process finish its round. Kill it when it needs too long."""
    process.terminate()
    process.join(GRACE_SECONDS + 2)
    if process.is_alive():
        process.kill()
        process.join()


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
    """Run the web processes on one socket, and a worker, until a signal.

    Raises Fault `dienst_start_niet` when a web process cannot start. They read the database URL from the environment,
    because they are new processes.
    """
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from machtiging.web.http_protocol import KEEP_ALIVE_SECONDS, BoundedHttpProtocol

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
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    listener.set_inheritable(True)
    beside = WorkerBeside() if settings.worker_inside else contextlib.nullcontext()
    # The web processes take no loops: one worker carries them, however many web processes there are.
    os.environ["MACHTIGING_WORKER_INSIDE"] = "false"
    manager = Multiprocess(config, sockets=[listener])
    with beside:
        manager.run()
    listener.close()
    if any(process.exitcode == STARTUP_FAILURE for process in manager.processes):
        raise Fault("dienst_start_niet", private="a worker could not start")
