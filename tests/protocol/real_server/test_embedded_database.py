"""The embedded PostgreSQL dies under a running service. It is restarted, or the service exits with a message."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from machtiging.storage.embedded_postgres import find_server_pid
from tests.protocol.real_server.serve_process import ServeProcess, folder_in_memory, wait_until

pytestmark = pytest.mark.whole


@pytest.fixture
def directory():
    made = folder_in_memory("machtiging-own-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(params=[(), ("--workers", "2")], ids=["one process", "workers"])
async def serve_process(request, directory):
    made = ServeProcess(directory, MACHTIGING_DATA_DIR=str(directory / "data"))
    for words in (["keys", "generate"], ["migrate"]):
        command = [sys.executable, "-m", "machtiging", *words]
        await asyncio.to_thread(subprocess.run, command, env=made.environment, check=True, capture_output=True)
    made.start(*request.param)
    await wait_until(made.is_ready)
    yield made
    made.kill()


def home(serve_process):
    return serve_process.place / "data" / "postgres"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
async def test_embedded_database_killed_is_restarted_and_service_ready(serve_process, number):
    before = find_server_pid(home(serve_process))
    os.kill(before, number)

    async def runs_again():
        return find_server_pid(home(serve_process)) not in {None, before}

    await wait_until(runs_again)
    await wait_until(serve_process.is_ready)
    after = find_server_pid(home(serve_process))
    serve_process.process.terminate()
    assert await asyncio.to_thread(serve_process.process.wait, 60) == 0
    assert not psutil.pid_exists(after) or find_server_pid(home(serve_process)) is None


async def test_embedded_database_that_cannot_restart_ends_the_service_with_a_message(serve_process):
    (home(serve_process) / "global").rename(home(serve_process) / "globaal")
    os.kill(find_server_pid(home(serve_process)), signal.SIGKILL)
    assert await asyncio.to_thread(serve_process.process.wait, 120) == 3
    assert "could not be started again" in serve_process.read_output()
    assert "Traceback" not in serve_process.read_output()


async def test_embedded_database_with_deleted_files_is_not_recreated(serve_process):
    pid = find_server_pid(home(serve_process))
    os.kill(pid, signal.SIGKILL)
    shutil.rmtree(home(serve_process), ignore_errors=True)
    assert await asyncio.to_thread(serve_process.process.wait, 120) == 3
    assert not (home(serve_process) / "PG_VERSION").exists()
