"""The embedded PostgreSQL: start, attach, stop, and a stale pid file."""

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
from machtiging.storage.embedded_postgres import EmbeddedPostgres, find_server_pid


def make_data_directory():
    return Path(tempfile.mkdtemp(prefix="machtiging-emb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


@pytest.fixture
def data_directory():
    directory = make_data_directory()
    yield directory / "postgres"
    shutil.rmtree(directory, ignore_errors=True)


STARTED: list[EmbeddedPostgres] = []


def start(directory):
    """Start or attach until the module is done; returns the URL."""
    STARTED.append(EmbeddedPostgres(directory))
    return STARTED[-1].start()


@pytest.fixture(scope="module")
def running_server_directory():
    """The directory of a running server. A test that stops it must start it again."""
    directory = make_data_directory()
    start(directory / "postgres")
    yield directory / "postgres"
    for server in STARTED:
        server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def sleeping_process():
    """An idle process of the tests, in place of another program."""
    sleeper = subprocess.Popen(["sleep", "60"])
    yield sleeper
    sleeper.kill()
    sleeper.wait()


def ask(url, query):
    async def go():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(go())


def test_embedded_server_keeps_data_after_restart(data_directory):
    server = EmbeddedPostgres(data_directory)
    url = server.start()
    assert int(ask(url, "SHOW server_version_num")) >= 150000
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert find_server_pid(data_directory) is None
    again = EmbeddedPostgres(data_directory)
    assert ask(again.start(), "SELECT one FROM kept") == 1
    again.stop()


def test_embedded_server_listens_on_no_network_address(running_server_directory):
    assert ask(start(running_server_directory), "SHOW listen_addresses") == ""


def test_embedded_server_socket_is_private_to_its_user(running_server_directory):
    assert running_server_directory.stat().st_mode & 0o077 == 0


def test_embedded_server_is_shared_and_stops_with_its_last_user(data_directory):
    first, second = EmbeddedPostgres(data_directory), EmbeddedPostgres(data_directory)
    url = first.start()
    pid = find_server_pid(data_directory)
    assert second.start() == url
    first.stop()
    assert find_server_pid(data_directory) == pid
    assert ask(url, "SELECT 1") == 1
    second.stop()
    assert find_server_pid(data_directory) is None


def test_embedded_server_stopped_twice_keeps_running_for_others(running_server_directory):
    first, second = EmbeddedPostgres(running_server_directory), EmbeddedPostgres(running_server_directory)
    first.start()
    url = second.start()
    first.stop()
    first.stop()
    assert ask(url, "SELECT 1") == 1


@pytest.mark.whole
def test_embedded_server_of_killed_user_is_stopped_by_the_last(data_directory):
    script = f"""
        import os, signal
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        EmbeddedPostgres(Path({str(data_directory)!r})).start()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True)
    pid, server = find_server_pid(data_directory), EmbeddedPostgres(data_directory)
    assert pid is not None
    server.start()
    assert find_server_pid(data_directory) == pid
    server.stop()
    assert find_server_pid(data_directory) is None


@pytest.mark.whole
def test_embedded_server_stops_when_its_only_process_exits(data_directory):
    script = f"""
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        EmbeddedPostgres(Path({str(data_directory)!r})).start()
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True)
    assert find_server_pid(data_directory) is None


@pytest.mark.parametrize(
    "name",
    ["with a space", "comma,and;more", 'quote\'d "twice"', "back\\slash", "$HOME `id`", "één ü 例", "%41 %", "x" * 120],
)
@pytest.mark.whole
def test_embedded_server_in_directory_with_special_characters_starts(data_directory, name):
    server = EmbeddedPostgres(data_directory.parent / name / "postgres")
    url = server.start()
    assert ask(url, "SHOW data_directory") == str(data_directory.parent / name / "postgres")
    server.stop()
    assert find_server_pid(data_directory.parent / name / "postgres") is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LANG", "nl_NL.UTF-8"),
        ("LC_ALL", "xx_XX.UTF-8"),
        ("LC_MESSAGES", "nonsense"),
        ("LANGUAGE", "nl"),
        ("PGPORT", "70000"),
        ("PGDATA", "/nonexistent"),
        ("PGOPTIONS", "-c nonsense=1"),
        ("PGHOST", "example.invalid"),
    ],
)
@pytest.mark.whole
def test_embedded_server_ignores_locale_and_libpq_environment(data_directory, variable, value, monkeypatch):
    monkeypatch.setenv(variable, value)
    server = EmbeddedPostgres(data_directory)
    url = server.start()
    monkeypatch.delenv(variable)
    assert ask(url, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(url, "SELECT lower('ÉÜ') || (SELECT setting FROM pg_settings WHERE name = 'lc_messages')") == "éüC"
    server.stop()


@pytest.mark.whole
def test_embedded_server_under_strict_umask_starts(data_directory):
    script = f"""
        import os
        from pathlib import Path
        os.umask(0o077)
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(data_directory)!r}) / "strict" / "postgres")
        print(server.start())
        server.stop()
    """
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True)
    assert ended.returncode == 0, ended.stderr
    assert (data_directory / "strict" / "postgres").stat().st_mode & 0o077 == 0


def test_pid_file_of_another_process_is_ignored(running_server_directory, sleeping_process):
    url = start(running_server_directory)
    postmaster = psutil.Process(find_server_pid(running_server_directory))
    os.kill(postmaster.pid, signal.SIGKILL)
    postmaster.wait(10)
    file = running_server_directory / "postmaster.pid"
    file.write_text("\n".join([str(sleeping_process.pid), *file.read_text().splitlines()[1:]]) + "\n")
    assert find_server_pid(running_server_directory) is None
    assert start(running_server_directory) == url
    assert sleeping_process.poll() is None


@pytest.mark.parametrize("setting", ["shared_buffers = 'lots'", "nonsense = 1", "port = 99999"])
@pytest.mark.whole
def test_embedded_server_start_failure_is_reported_in_one_line(data_directory, setting):
    server = EmbeddedPostgres(data_directory)
    server.start()
    server.stop()
    with (data_directory / "postgresql.auto.conf").open("a") as file:
        file.write(setting + "\n")
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(data_directory).start()
    assert fault.value.code == "ingebouwde_database_start_niet"
    assert setting.split()[0] in fault.value.private
    assert "\n" not in fault.value.private


@pytest.mark.whole
def test_embedded_server_is_shared_between_processes(data_directory):
    server = EmbeddedPostgres(data_directory)
    url = server.start()
    pid = find_server_pid(data_directory)
    script = f"""
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(data_directory)!r}))
        print(server.start())
        server.stop()
    """
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == url
    assert find_server_pid(data_directory) == pid
    assert ask(url, "SELECT 1") == 1
    server.stop()
    assert find_server_pid(data_directory) is None


@pytest.mark.whole
def test_embedded_server_recovers_committed_data_after_crash(data_directory):
    script = f"""
        import asyncio, asyncpg, os, signal
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres, find_server_pid
        place = Path({str(data_directory)!r})
        url = EmbeddedPostgres(place).start()
        async def go():
            c = await asyncpg.connect(url)
            await c.execute("CREATE TABLE kept AS SELECT 1 AS one")
        asyncio.run(go())
        print(find_server_pid(place), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    crashed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert crashed.returncode == -signal.SIGKILL
    postmaster = int(crashed.stdout.split()[0])
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while find_server_pid(data_directory) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (data_directory / "postmaster.pid").exists()
    server = EmbeddedPostgres(data_directory)
    assert ask(server.start(), "SELECT one FROM kept") == 1
    server.stop()


def wait_for_zombie(process):
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)


def test_zombie_postmaster_is_not_reported_as_running(running_server_directory, sleeping_process):
    ask(start(running_server_directory), "CREATE TABLE committed AS SELECT 1 AS one")
    os.kill(find_server_pid(running_server_directory), signal.SIGKILL)
    wait_for_zombie(sleeping_process)
    # Reaping of the postmaster depends on the parent of the tests: use the pid of a known zombie.
    file = running_server_directory / "postmaster.pid"
    file.write_text("\n".join([str(sleeping_process.pid), *file.read_text().splitlines()[1:]]) + "\n")
    assert find_server_pid(running_server_directory) is None
    assert ask(start(running_server_directory), "SELECT one FROM committed") == 1


def test_data_directory_with_orphaned_backends_is_rejected(data_directory, sleeping_process):
    data_directory.mkdir()
    wait_for_zombie(sleeping_process)
    (data_directory / "postmaster.pid").write_text(f"{sleeping_process.pid}\n")
    (data_directory / "postgres").symlink_to(shutil.which("sleep"))
    child = subprocess.Popen(["sleep", "60"], executable=data_directory / "postgres", cwd=data_directory)
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(data_directory, timeout=0).start()
    child.kill()
    child.wait()
    assert fault.value.code == "ingebouwde_database_loopt_nog"
    assert str(child.pid) in fault.value.private
    assert (data_directory / "postmaster.pid").exists()


def test_unusable_data_directory_is_a_fault(data_directory):
    data_directory.parent.mkdir(exist_ok=True)
    data_directory.write_text("I am a file")
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(data_directory).start()
    assert fault.value.code == "ingebouwde_database_start_niet"
    assert str(data_directory) in fault.value.private
