"""Watch the embedded PostgreSQL of a running service and restart it when it dies."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import TracebackType

import structlog

from machtiging.kernel.errors import Fault
from machtiging.storage.embedded import EmbeddedPostgres, running_pid

_LOOKED_AT_SECONDS = 0.5
MOST_TRIES = 5
_log = structlog.get_logger(__name__)


class DatabaseWatch:
    """Watch the server in a thread during the block. Raises Fault `ingebouwde_database_weg` on exit.

    When no restart succeeds it sends SIGTERM to this process, so that current requests finish.
    """

    def __init__(self, server: EmbeddedPostgres, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self._leaving = threading.Event()
        self._gone: Fault | None = None
        self._thread = threading.Thread(target=self._watch, name="database", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join()
        if self._gone is not None and error is None:
            raise self._gone

    def _watch(self) -> None:
        tries = 0
        while not self._leaving.wait(_LOOKED_AT_SECONDS if not tries else float(2**tries)):
            if running_pid(self._directory) is not None:
                tries = 0
                continue
            tries += 1
            if not self._start_again(is_last=tries >= MOST_TRIES):
                continue
            tries = 0
            if self._gone is not None:
                return

    def _start_again(self, *, is_last: bool) -> bool:
        """Restart the server. Returns true when it runs again, or this process was told to end."""
        try:
            if not (self._directory / "PG_VERSION").exists():
                is_last = True
                raise Fault("ingebouwde_database_start_niet", private=f"{self._directory}: its files are gone")
            self._server.start()
        except Fault as fault:
            _log.error("embedded_database_gone", code=fault.code, detail=fault.private, again=not is_last)
            if is_last:
                self._gone = Fault("ingebouwde_database_weg", private=fault.private)
                os.kill(os.getpid(), signal.SIGTERM)
            return is_last
        _log.warning("embedded_database_started_again")
        return True
