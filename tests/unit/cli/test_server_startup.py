"""A failed startup is reported, and its socket is closed."""

import socket

import pytest
from uvicorn.importer import import_from_string

from machtiging.cli.processes.servers import bind_socket, run_servers
from machtiging.cli.processes.workers import create_worker_app, serve_in_workers
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings


async def refuses(scope, receive, send):
    """An ASGI application whose startup fails."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the keys are gone"})


async def test_failed_application_startup_is_a_fault_and_frees_the_port():
    taken = bind_socket("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(Fault) as fault:
        async with run_servers((refuses, taken)):
            raise AssertionError("it came up")
    assert fault.value.code == "dienst_start_niet"
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_worker_configuration_names_the_application_factory(monkeypatch):
    """The workers are new processes and import the factory by its name. A renamed function must still be found."""
    configurations = []

    class NoWorkers:
        processes = ()

        def __init__(self, configuration, sockets):
            configurations.append(configuration)

        def run(self):
            """Start nothing."""

    monkeypatch.setattr("uvicorn.supervisors.Multiprocess", NoWorkers)
    monkeypatch.setenv("MACHTIGING_PROCESSES", "1")  # serve_in_workers sets it; this puts it back
    serve_in_workers(Settings(), 2, bind_socket("127.0.0.1", 0))
    assert [import_from_string(one.app) for one in configurations] == [create_worker_app]
