"""`serve --workers N` under kill -9: its workers end with it, and who comes after is told who holds the port."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest

from machtiging.cli.processes.port_holders import describe_holders
from machtiging.cli.servers import listen
from machtiging.kernel.errors import Fault
from tests.builders.access import POLICIES
from tests.builders.crypto import a_key_directory

pytestmark = pytest.mark.whole


def a_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Served:
    """`machtiging serve` as a process of its own."""

    def __init__(self, database_url, place, *words, **changes):
        self.port = a_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MACHTIGING_")},
            "MACHTIGING_PORT": str(self.port),
            "MACHTIGING_ISSUER": f"http://localhost:{self.port}",
            "MACHTIGING_KEYS_DIR": str(place / "keys"),
            "MACHTIGING_POLICIES_DIR": str(POLICIES),
            "MACHTIGING_DATABASE_URL": database_url,
            "MACHTIGING_DATABASE_POOL_SIZE": "2",
            "MACHTIGING_SMTP_PORT": "1",
            **changes,
        }
        self.log = (place / f"log-{self.port}").open("wb")
        self.process = self.run(*words)

    def run(self, *words):
        command = [sys.executable, "-m", "machtiging", "serve", *words]
        return subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)

    def told(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    async def is_ready(self):
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=5)
            except httpx.HTTPError:
                return False
        return answer.status_code == 200

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)


async def becomes(what, patience=90):
    async with asyncio.timeout(patience):
        for _ in iter(int, 1):
            if await what():
                return
            await asyncio.sleep(0.1)


@pytest.fixture
def serve(database, tmp_path):
    a_key_directory(tmp_path / "keys")
    started = []

    def begin(*words, **changes):
        started.append(Served(database.url, tmp_path, *words, **changes))
        return started[-1]

    yield begin
    for one in started:
        left = one.family() if one.process.poll() is None else []
        one.process.kill()
        one.process.wait()
        for child in left:
            child.kill()
        one.log.close()


async def test_workers_whose_parent_was_killed_end_and_free_the_port(serve):
    served = serve("--workers", "2")
    await becomes(served.is_ready)
    workers = served.family()
    assert len(workers) >= 2
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 30)
    assert alive == []
    listen("127.0.0.1", served.port).close()


async def test_second_serve_on_the_same_port_is_told_who_holds_it(serve):
    served = serve("--workers", "2")
    await becomes(served.is_ready)
    second = served.run()
    assert await asyncio.to_thread(second.wait, 60) == 3
    assert "machtiging already runs there" in served.told()


async def test_orphaned_workers_that_still_listen_are_named_with_how_to_end_them(serve):
    served = serve("--workers", "2")
    await becomes(served.is_ready)
    workers = served.family()
    for worker in workers:
        worker.suspend()  # so that they cannot see that their parent is gone
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    try:
        with pytest.raises(Fault, match="workers of an earlier serve") as refused:
            listen("127.0.0.1", served.port)
        assert "kill " in refused.value.private
    finally:
        for worker in workers:
            worker.kill()


def test_other_program_that_holds_the_port_is_named(tmp_path):
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


async def test_worker_that_cannot_start_ends_serve_with_a_sentence_and_no_traceback(serve, tmp_path):
    served = serve("--workers", "2", MACHTIGING_CLIENT_CA_FILE=str(tmp_path / "none.pem"))
    assert await asyncio.to_thread(served.process.wait, 90) == 3
    assert "Traceback" not in served.told()
    assert "does not come up" in served.told()


async def test_terminated_serve_ends_its_workers_and_exits_with_zero(serve):
    served = serve("--workers", "2")
    await becomes(served.is_ready)
    workers = served.family()
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 60) == 0
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 10)
    assert alive == []
