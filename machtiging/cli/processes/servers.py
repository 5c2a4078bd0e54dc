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
from machtiging.web.http_protocol import KEEP_ALIVE_SECONDS, BoundedHttpProtocol

_GRACE_SECONDS = 5
_FAULT_BY_ERRNO = {
    errno.EACCES: "poort_niet_toegestaan",
    errno.EPERM: "poort_niet_toegestaan",
    errno.EADDRNOTAVAIL: "adres_niet_van_deze_machine",
    errno.EAFNOSUPPORT: "adres_niet_van_deze_machine",
}


class ManagedServer(uvicorn.Server):
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


def bind_socket(host: str, port: int) -> socket.socket:
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
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        code = _FAULT_BY_ERRNO.get(error.errno or 0, "poort_bezet")
        why = describe_holders(port) if error.errno == errno.EADDRINUSE else error.strerror
        raise Fault(code, private=f"{place}: {why}") from error
    return listener


@dataclass
class RunningServers:
    """The running servers and their stop event."""

    servers: list[ManagedServer] = field(default_factory=list)
    stop_event: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_until_stopped(self) -> None:
        """Wait for a stop signal, or for a server that ends by itself."""
        while not self.stop_event.is_set() and all(server.started for server in self.servers):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop_event.wait(), 1)


@contextlib.asynccontextmanager
async def run_servers(*apps: tuple[Any, socket.socket]) -> AsyncIterator[RunningServers]:
    """Run each application on its socket. On exit, finish current requests and close everything.

    Raises Fault `dienst_start_niet` when an application does not start.
    """
    servers = RunningServers()
    tasks: list[asyncio.Task[None]] = []
    with stop_on_signals(servers.stop_event):
        try:
            for app, listener in apps:
                server = ManagedServer(_build_config(app))
                servers.servers.append(server)
                tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
                await _wait_until_started(server, tasks[-1])
            yield servers
        finally:
            for server in servers.servers:
                server.should_exit = True
            if tasks:
                await asyncio.wait(tasks, timeout=2 * _GRACE_SECONDS)
            for _, listener in apps:
                listener.close()


def _build_config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _wait_until_started(server: ManagedServer, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            task.result()
            raise Fault("dienst_start_niet", private="the application was stopped while it was starting")
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def stop_on_signals(stop_event: asyncio.Event) -> Generator[None]:
    """Set `stop_event` on SIGINT and SIGTERM. Outside the main thread no handler can be installed."""
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop_event.set)
            received.append(number)
    try:
        yield
    finally:
        for number in received:
            loop.remove_signal_handler(number)
