"""The embedded PostgreSQL: start, attach, stop, and a pid file that a crash left behind."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import asyncpg
import psutil
import pytest

from machtiging.kernel.errors import Fault
from machtiging.storage.embedded import EmbeddedPostgres, running_pid


@pytest.fixture
def place():
    directory = Path(tempfile.mkdtemp(prefix="machtiging-emb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield directory / "postgres"
    shutil.rmtree(directory, ignore_errors=True)


def ask(url, query):
    async def go():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(go())


def test_it_starts_stops_and_keeps_its_data(place):
    server = EmbeddedPostgres(place)
    url = server.start()
    assert int(ask(url, "SHOW server_version_num")) >= 150000
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert running_pid(place) is None
    again = EmbeddedPostgres(place)
    assert ask(again.start(), "SELECT one FROM kept") == 1
    again.stop()


@pytest.fixture(scope="module")
def running():
    """A server that was started as the service starts it: where it is, and its URL."""
    directory = Path(tempfile.mkdtemp(prefix="machtiging-emb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    server = EmbeddedPostgres(directory / "postgres")
    yield directory / "postgres", server.start()
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_it_listens_on_no_network_address(running):
    _, url = running
    assert ask(url, "SHOW listen_addresses") == ""


def test_only_its_own_user_can_reach_its_socket(running):
    place, _ = running
    assert place.stat().st_mode & 0o077 == 0


def test_a_second_process_attaches_and_the_server_lives_until_the_last_one_leaves(place):
    server = EmbeddedPostgres(place)
    url = server.start()
    pid = running_pid(place)
    script = f"""
        from pathlib import Path
        from machtiging.storage.embedded import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(place)!r}))
        print(server.start())
        server.stop()
    """
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == url
    assert running_pid(place) == pid
    assert ask(url, "SELECT 1") == 1
    server.stop()
    assert running_pid(place) is None


def test_it_recovers_what_was_committed_after_a_crash(place):
    script = f"""
        import asyncio, asyncpg, os, signal
        from pathlib import Path
        from machtiging.storage.embedded import EmbeddedPostgres, running_pid
        place = Path({str(place)!r})
        url = EmbeddedPostgres(place).start()
        async def go():
            c = await asyncpg.connect(url)
            await c.execute("CREATE TABLE kept AS SELECT 1 AS one")
        asyncio.run(go())
        print(running_pid(place), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    crashed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert crashed.returncode == -signal.SIGKILL
    postmaster = int(crashed.stdout.split()[0])
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while running_pid(place) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (place / "postmaster.pid").exists()
    server = EmbeddedPostgres(place)
    assert ask(server.start(), "SELECT one FROM kept") == 1
    server.stop()


def test_a_server_that_was_killed_and_not_reaped_does_not_pass_for_a_running_one(place):
    server = EmbeddedPostgres(place)
    server.start()
    server.stop()
    sleeper = subprocess.Popen(["sleep", "60"])
    sleeper.kill()
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    (place / "postmaster.pid").write_text(f"{sleeper.pid}\n{place}\n0\n5432\n{place}\n\n0 0\nready\n")
    assert running_pid(place) is None
    again = EmbeddedPostgres(place)
    assert ask(again.start(), "SELECT 1") == 1
    again.stop()
    sleeper.wait()


def test_a_directory_that_cannot_be_used_is_a_clear_fault(place):
    place.parent.mkdir(exist_ok=True)
    place.write_text("I am a file")
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(place).start()
    assert fault.value.code == "ingebouwde_database_start_niet"
    assert str(place) in fault.value.private
