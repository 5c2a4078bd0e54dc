"""Debian's PgBouncer before a test's database, and a proxy that changes client messages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from sqlalchemy import make_url

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
MISSING = "PgBouncer is not here: install the Debian package pgbouncer"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def server_of(url: str) -> tuple[str, int]:
    """The address of the server of this database: a socket directory or a host."""
    parsed = make_url(url)
    return str(parsed.query.get("host") or parsed.host), parsed.port or 5432


@contextlib.contextmanager
def pgbouncer(url: str, passwords: Mapping[str, str], **settings: object) -> Iterator[int]:
    """Run PgBouncer in front of the server of this URL for these logins. Gives its port."""
    assert Path(PROGRAM).exists(), MISSING
    place, port = Path(tempfile.mkdtemp(prefix="machtiging-pgb-")), _free_port()
    host, behind = server_of(url)
    own = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "scram-sha-256"}
    own |= {"auth_file": place / "users.txt", "pool_mode": "session", "default_pool_size": 10, **settings}
    (place / "users.txt").write_text("".join(f'"{name}" "{password}"\n' for name, password in passwords.items()))
    lines = [f"{name} = {value}" for name, value in own.items()]
    (place / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={host} port={behind}\n[pgbouncer]\n" + "\n".join(lines)
    )
    log = (place / "log").open("wb")
    as_whom = {}
    if os.geteuid() == 0:
        # It refuses to run as root, and the embedded server's socket is its user's alone.
        owner = Path(host).stat() if host.startswith("/") else place.stat()
        as_whom = {"user": owner.st_uid or 65534, "group": owner.st_gid or 65534, "extra_groups": []}
        for path in (place, *place.iterdir()):
            os.chown(path, as_whom["user"], -1)
    running = subprocess.Popen([PROGRAM, place / "pgbouncer.ini"], stdout=log, stderr=log, **as_whom)
    try:
        _wait_until_it_listens(running, port, place / "log")
        yield port
    finally:
        running.terminate()
        running.wait(10)
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def _wait_until_it_listens(running: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@contextlib.asynccontextmanager
async def middlebox(url: str, said: bytes, instead: bytes) -> AsyncIterator[int]:
    """A proxy that passes everything on, but says something else to the server. Both of one length. Gives its port."""
    assert len(said) == len(instead)
    host, behind = server_of(url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, changed: bool) -> None:
        while piece := await reader.read(65536):
            writer.write(piece.replace(said, instead) if changed and said else piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            there, back = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{behind}")
        else:
            there, back = await asyncio.open_connection(host, behind)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pump(reader, back, changed=True), pump(there, writer, changed=False))
        back.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
