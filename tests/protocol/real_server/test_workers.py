"""`serve --workers N`. Workers end with a killed parent; a second serve names the process on the port."""

import asyncio
import signal
import subprocess
import sys

import psutil
import pytest

from machtiging.cli.processes.port_holders import describe_holders
from machtiging.cli.processes.servers import bind_socket
from machtiging.kernel.errors import Fault
from tests.builders.keys import make_key_directory
from tests.builders.rows import WORKER_HEARTBEATS
from tests.protocol.real_server.serve_process import ServeProcess, wait_until

pytestmark = pytest.mark.whole


@pytest.fixture
def start_server(database, tmp_path):
    make_key_directory(tmp_path / "keys")
    started = []

    def begin(*words, **changes):
        started.append(ServeProcess(tmp_path, MACHTIGING_DATABASE_URL=database.url, **changes))
        started[-1].start(*words)
        return started[-1]

    yield begin
    for one in started:
        one.kill()


async def test_workers_of_killed_parent_end_and_free_the_port(start_server):
    served = start_server("--workers", "2")
    await wait_until(served.is_ready)
    workers = served.workers()
    assert len(workers) == 3  # two web processes and the worker beside them
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 60)
    assert alive == []
    bind_socket("127.0.0.1", served.port).close()


async def test_killed_worker_beside_the_web_processes_is_started_again(start_server, database):
    served = start_server("--workers", "2")

    async def read_worker_ids():
        async with database.sessions() as session:
            return set(await WORKER_HEARTBEATS.read(session, "id"))

    async def is_one_there():
        return len(await read_worker_ids()) == 1

    await wait_until(served.is_ready)
    await wait_until(is_one_there)
    before = await read_worker_ids()
    for process in served.workers():
        process.kill()

    async def is_another_there():
        return len(await read_worker_ids() - before) == 1

    await wait_until(is_another_there)
    await wait_until(served.is_ready)


async def test_second_serve_on_same_port_names_the_process(start_server):
    served = start_server("--workers", "2")
    await wait_until(served.is_ready)
    second = served.run()
    assert await asyncio.to_thread(second.wait, 60) == 3
    assert "machtiging already runs there" in served.read_output()


async def test_orphaned_workers_are_named_with_a_kill_command(start_server):
    served = start_server("--workers", "2")
    await wait_until(served.is_ready)
    workers = served.workers()
    for worker in workers:
        worker.suspend()  # suspended, so they do not notice that their parent died
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    try:
        with pytest.raises(Fault, match="workers of an earlier serve") as refused:
            bind_socket("127.0.0.1", served.port)
        assert "kill " in refused.value.private
    finally:
        for worker in workers:
            worker.kill()


def test_other_program_on_the_port_is_named(tmp_path):
    listens = "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
    program = f"import socket, time; {listens}"
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        told = describe_holders(int(other.stdout.readline()))
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert "another program listens there" in told
    assert str(other.pid) in told


async def test_worker_that_cannot_start_ends_serve_with_a_message(start_server, tmp_path):
    served = start_server("--workers", "2", MACHTIGING_CLIENT_CA_FILE=str(tmp_path / "none.pem"))
    assert await asyncio.to_thread(served.process.wait, 90) == 3
    assert "Traceback" not in served.read_output()
    assert "does not come up" in served.read_output()


async def test_terminated_serve_ends_its_workers_and_exits_0(start_server):
    served = start_server("--workers", "2")
    await wait_until(served.is_ready)
    workers = served.workers()
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 60) == 0
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 60)
    assert alive == []
