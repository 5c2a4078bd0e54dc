"""Several uvicorn servers in one event loop, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from machtiging.cli.processes.port_holders import describe_holders
from machtiging.kernel.errors import Fault
from machtiging.web.wire import BoundedHttp

_GRACE_SECONDS = 5
_CANNOT_LISTEN = {
    errno.EACCES: "poort_niet_toegestaan",
    errno.EPERM: "poort_niet_toegestaan",
    errno.EADDRNOTAVAIL: "adres_niet_van_deze_machine",
    errno.EAFNOSUPPORT: "adres_niet_van_deze_machine",
}


class Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals and startup failures to its caller.

    Two servers in one process would both handle Ctrl-C. Plain uvicorn ends the process when startup fails.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no signal handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving. Raises Fault `dienst_start_niet` when the application does not start."""
        try:
            await super().startup(sockets)
        except SystemExit as error:
            raise Fault("dienst_start_niet", private="the application failed while it was starting") from error


def listen(host: str, port: int) -> socket.socket:
    """Bind a TCP socket on an IPv4 or IPv6 address.

    Raises Fault `poort_bezet` (port in use), `poort_niet_toegestaan` (reserved port), `adres_niet_van_deze_machine` or
    `adres_onbekend`.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Fault("adres_onbekend", private=f"{place}: {error}") from error
    # A name may resolve to IPv4 and IPv6. Prefer IPv4: other programs try 127.0.0.1.
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    # asyncio sets TCP_NODELAY only when the protocol is named. Without it parts of an answer wait 40 ms.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
    except OSError as error:
        taken.close()
        code = _CANNOT_LISTEN.get(error.errno or 0, "poort_bezet")
        why = describe_holders(port) if error.errno == errno.EADDRINUSE else error.strerror
        raise Fault(code, private=f"{place}: {why}") from error
    return taken


@dataclass
class Servers:
    """The running servers and their stop event."""

    running: list[Quiet] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_stopped(self) -> None:
        """Wait for a stop signal, or for a server that ends by itself."""
        while not self.stopping.is_set() and all(server.started for server in self.running):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 1)


@contextlib.asynccontextmanager
async def serving(*apps: tuple[Any, socket.socket]) -> AsyncIterator[Servers]:
    """Run each application on its socket. On exit, finish current requests and close everything.

    Raises Fault `dienst_start_niet` when an application does not start.
    """
    servers = Servers()
    tasks: list[asyncio.Task[None]] = []
    with _signals(servers.stopping):
        try:
            for app, taken in apps:
                server = Quiet(_config(app))
                servers.running.append(server)
                tasks.append(asyncio.create_task(server.serve(sockets=[taken])))
                await _up(server, tasks[-1])
            yield servers
        finally:
            for server in servers.running:
                server.should_exit = True
            if tasks:
                await asyncio.wait(tasks, timeout=2 * _GRACE_SECONDS)
            for _, taken in apps:
                taken.close()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _up(server: Quiet, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            task.result()
            raise Fault("dienst_start_niet", private="the application was stopped while it was starting")
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def _signals(stopping: asyncio.Event) -> Generator[None]:
    """Set `stop_event` on SIGINT and SIGTERM. Outside the main thread no handler can be installed."""
    loop = asyncio.get_running_loop()
    taken: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stopping.set)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
