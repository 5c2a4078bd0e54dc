"""Who starts the service hears that it did not start; the socket is free again."""

import socket

import pytest

from machtiging.cli.processes.servers import bind_socket, run_servers
from machtiging.kernel.errors import Fault


async def refuses(scope, receive, send):
    """An application that cannot begin."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the keys are gone"})


async def test_an_application_that_cannot_begin_is_a_fault_and_its_address_is_free_again():
    taken = bind_socket("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(Fault) as fault:
        async with run_servers((refuses, taken)):
            raise AssertionError("it came up")
    assert fault.value.code == "dienst_start_niet"
    with socket.create_server(("127.0.0.1", port)):
        pass
