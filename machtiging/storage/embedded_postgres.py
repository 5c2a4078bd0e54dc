"""Embedded PostgreSQL server for use without a configured database. From a wheel, on a unix socket, under `.data`.

The wheel brings the programs; starting, sharing and stopping is done here, because the wheel's own code fails in a
folder with a space, with a missing locale, for a second user of the machine, and after a kill -9.

Every process that uses the server holds a shared lock on one file. The last one to leave gets the exclusive lock and
stops the server. The operating system releases the lock of a killed process.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shlex
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from machtiging.kernel.errors import Fault
from machtiging.storage.postgres_programs import (
    extract_error_lines,
    grant_unprivileged_access,
    make_data_directory,
    run_program,
    start_fault,
)

# Appended to the server's configuration: keeps data out of its log.
_CONFIGURATION = """
# written by machtiging
max_connections = 100
password_encryption = 'scram-sha-256'
log_statement = 'none'
log_min_error_statement = 'panic'
log_parameter_max_length_on_error = 0
"""
# PostgreSQL's builtin locale: the sort order does not depend on the machine.
_LOCALE_OPTIONS = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# The path of a unix socket is at most 104 to 108 bytes; a comma would separate two hosts in a URL.
_SOCKET_PATH_PATTERN = re.compile(r"[A-Za-z0-9/_. +-]{1,80}")


class EmbeddedPostgres:
    """Starts the server, or attaches to the one of another process. Raises Fault if impossible."""

    def __init__(self, directory: Path, *, timeout: float = 5.0) -> None:
        """Set the data directory. `timeout`: seconds for the children of a killed server to exit."""
        self._directory = directory.resolve()
        self._timeout = timeout
        self._users_lock: IO[str] | None = None

    def start(self, extra_configuration: str = "") -> str:
        """Start or attach; return the URL for login role `postgres`. Only this OS user can reach it.

        Raises Fault `ingebouwde_database_start_niet` or `ingebouwde_database_loopt_nog`.
        """
        if os.name == "nt":
            cause = "it needs unix sockets. Name a PostgreSQL of your own in MACHTIGING_DATABASE_URL, or use WSL"
            raise start_fault(self._directory, cause)
        try:
            self._directory.parent.mkdir(parents=True, exist_ok=True)
            with _file_lock(self._lock_file("lock"), exclusive=True):
                self._ensure_running(extra_configuration)
                # Still under the lock: a process that stops now must see our lock.
                self._users_lock = self._users_lock or _take_lock(self._lock_file("users"), exclusive=False)
        except OSError as error:
            raise start_fault(self._directory, f"{error.filename}: {error.strerror}") from error
        atexit.register(self.stop)
        return _build_url(self._directory)

    def stop(self) -> None:
        """Release the server; stop it if unused. Raises Fault if it does not stop."""
        atexit.unregister(self.stop)
        use, self._users_lock = self._users_lock, None
        if use is None:
            return
        # Without its folder there is nothing to stop: a server without files ends by itself.
        with use, contextlib.suppress(FileNotFoundError), _file_lock(self._lock_file("lock"), exclusive=True):
            use.close()
            self._stop_if_unused()

    def _stop_if_unused(self) -> None:
        alone = _take_lock(self._lock_file("users"), exclusive=True, wait=False)
        if alone is None:
            return
        with alone:
            if find_server_pid(self._directory) is not None:
                run_program("pg_ctl", ("stop", "-w", "-m", "fast", "-D", str(self._directory)), self._directory)

    def _lock_file(self, name: str) -> Path:
        return self._directory.with_name(f"{self._directory.name}.{name}")

    def _ensure_running(self, extra_configuration: str) -> None:
        _remove_stale_pid_file(self._directory, self._timeout)
        if find_server_pid(self._directory) is not None:
            return
        make_data_directory(self._directory)
        grant_unprivileged_access(self._directory)
        if not (self._directory / "PG_VERSION").exists():
            initialise = ("-D", str(self._directory), "-U", "postgres", "--auth=trust", *_LOCALE_OPTIONS)
            run_program("initdb", initialise, self._directory)
            with (self._directory / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
                file.write(_CONFIGURATION + extra_configuration)
        self._run_server()

    def _run_server(self) -> None:
        log = self._directory / "log"
        log_start = log.stat().st_size if log.exists() else 0
        options = ["-c", "listen_addresses=", "-c", f'unix_socket_directories="{_socket_directory(self._directory)}"']
        # Relative, because pg_ctl puts these paths into a shell command in which some characters mean something.
        start = ("start", "-w", "-t", "60", "-D", ".", "-l", log.name, "-o", shlex.join(options))
        try:
            run_program("pg_ctl", start, self._directory)
        except Fault as fault:
            if not log.exists():
                raise
            with log.open(encoding="utf-8", errors="replace") as file:
                file.seek(log_start)
                raise start_fault(self._directory, extract_error_lines(file.read())) from fault


def find_server_pid(directory: Path) -> int | None:
    """Return the pid of the running server, from its pid file; None if not running."""
    try:
        process = psutil.Process(int(_pid_file_line(directory, 0)))
        if process.status() == psutil.STATUS_ZOMBIE or not _is_server_process(directory.resolve(), process):
            return None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return int(process.pid)


def _pid_file_line(directory: Path, number: int) -> str:
    return (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()[number].strip()


def _build_url(directory: Path) -> str:
    """Build the URL of the running server from the socket directory in its pid file."""
    return f"postgresql://postgres:@/postgres?host={quote(_pid_file_line(directory, 4), safe='/')}"


def _socket_directory(directory: Path) -> Path:
    """Return the directory of the socket. A private temporary one if the data directory's path does not fit."""
    if _SOCKET_PATH_PATTERN.fullmatch(str(directory)):
        return directory
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    elsewhere = Path(tempfile.gettempdir()) / f"machtiging-{os.geteuid()}-{name}"
    make_data_directory(elsewhere)
    if elsewhere.is_symlink() or elsewhere.stat().st_mode & 0o077 or elsewhere.stat().st_uid != directory.stat().st_uid:
        raise start_fault(directory, f"{elsewhere} belongs to another user")
    return elsewhere


def _take_lock(path: Path, *, exclusive: bool, wait: bool = True) -> IO[str] | None:
    """Lock a file until it is closed. Return None if it is locked and `wait` is False."""
    import fcntl

    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def _file_lock(path: Path, *, exclusive: bool) -> Iterator[None]:
    file = _take_lock(path, exclusive=exclusive)
    try:
        yield
    finally:
        if file is not None:
            file.close()


def _remove_stale_pid_file(directory: Path, timeout: float) -> None:
    """Remove the pid file of a killed server: its pid may be unreaped or reused.

    Only if none of its child processes is left: two servers on one directory would destroy the data. Raises Fault
    `ingebouwde_database_loopt_nog`.
    """
    file = directory / "postmaster.pid"
    if not file.exists() or find_server_pid(directory) is not None:
        return
    until = time.monotonic() + timeout
    while remaining := [one.pid for one in psutil.process_iter() if _is_server_process(directory, one)]:
        if time.monotonic() >= until:
            raise Fault("ingebouwde_database_loopt_nog", private=f"{directory}: {remaining} still run")
        time.sleep(0.02)
    for lock in (file, *directory.glob(".s.PGSQL.*.lock")):
        lock.unlink(missing_ok=True)


def _is_server_process(directory: Path, process: psutil.Process) -> bool:
    """Return True for a live PostgreSQL process with this working directory."""
    with contextlib.suppress(psutil.Error):
        return bool(process.name() == "postgres" and process.cwd() == str(directory))
    return False
