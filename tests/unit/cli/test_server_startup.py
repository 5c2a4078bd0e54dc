"""A failed startup is reported, and its socket is closed."""

import socket

import pytest

from machtiging.cli.processes.servers import bind_socket, run_servers
from machtiging.kernel.errors import Fault


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
