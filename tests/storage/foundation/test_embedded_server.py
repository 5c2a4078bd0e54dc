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
from machtiging.storage.embedded_postgres import EmbeddedPostgres, find_server_pid


def a_directory():
    return Path(tempfile.mkdtemp(prefix="machtiging-emb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


@pytest.fixture
def place():
    directory = a_directory()
    yield directory / "postgres"
    shutil.rmtree(directory, ignore_errors=True)


STARTED: list[EmbeddedPostgres] = []


def start(directory):
    """Start or attach until the module is done; returns the URL."""
    STARTED.append(EmbeddedPostgres(directory))
    return STARTED[-1].start()


@pytest.fixture(scope="module")
def home():
    """Where a server runs that was started as the service starts it. Who stops it, starts it again."""
    directory = a_directory()
    start(directory / "postgres")
    yield directory / "postgres"
    for server in STARTED:
        server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def asleep():
    """A process that is not ours to wait for, and does nothing."""
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


def test_it_starts_stops_and_keeps_its_data(place):
    server = EmbeddedPostgres(place)
    url = server.start()
    assert int(ask(url, "SHOW server_version_num")) >= 150000
    ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert find_server_pid(place) is None
    again = EmbeddedPostgres(place)
    assert ask(again.start(), "SELECT one FROM kept") == 1
    again.stop()


def test_it_listens_on_no_network_address(home):
    assert ask(start(home), "SHOW listen_addresses") == ""


def test_only_its_own_user_can_reach_its_socket(home):
    assert home.stat().st_mode & 0o077 == 0


def test_embedded_server_that_runs_is_attached_to_and_outlives_all_users_but_the_last(place):
    first, second = EmbeddedPostgres(place), EmbeddedPostgres(place)
    url = first.start()
    pid = find_server_pid(place)
    assert second.start() == url
    first.stop()
    assert find_server_pid(place) == pid
    assert ask(url, "SELECT 1") == 1
    second.stop()
    assert find_server_pid(place) is None


def test_embedded_server_stopped_twice_is_left_to_its_other_users(home):
    first, second = EmbeddedPostgres(home), EmbeddedPostgres(home)
    first.start()
    url = second.start()
    first.stop()
    first.stop()
    assert ask(url, "SELECT 1") == 1


@pytest.mark.whole
def test_embedded_server_whose_user_was_killed_is_stopped_by_the_last_that_lives(place):
    script = f"""
        import os, signal
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        EmbeddedPostgres(Path({str(place)!r})).start()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True)
    pid, server = find_server_pid(place), EmbeddedPostgres(place)
    assert pid is not None
    server.start()
    assert find_server_pid(place) == pid
    server.stop()
    assert find_server_pid(place) is None


@pytest.mark.whole
def test_embedded_server_is_stopped_when_the_only_process_that_used_it_ends_without_saying_so(place):
    script = f"""
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        EmbeddedPostgres(Path({str(place)!r})).start()
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True)
    assert find_server_pid(place) is None


@pytest.mark.parametrize(
    "name",
    ["with a space", "comma,and;more", 'quote\'d "twice"', "back\\slash", "$HOME `id`", "één ü 例", "%41 %", "x" * 120],
)
@pytest.mark.whole
def test_embedded_server_in_a_folder_with_any_name_starts_and_stops(place, name):
    server = EmbeddedPostgres(place.parent / name / "postgres")
    url = server.start()
    assert ask(url, "SHOW data_directory") == str(place.parent / name / "postgres")
    server.stop()
    assert find_server_pid(place.parent / name / "postgres") is None


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
def test_embedded_server_takes_no_locale_and_no_setting_of_libpq_from_the_environment(
    place, variable, value, monkeypatch
):
    monkeypatch.setenv(variable, value)
    server = EmbeddedPostgres(place)
    url = server.start()
    monkeypatch.delenv(variable)
    assert ask(url, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(url, "SELECT lower('ÉÜ') || (SELECT setting FROM pg_settings WHERE name = 'lc_messages')") == "éüC"
    server.stop()


@pytest.mark.whole
def test_embedded_server_under_a_strict_umask_starts(place):
    script = f"""
        import os
        from pathlib import Path
        os.umask(0o077)
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(place)!r}) / "strict" / "postgres")
        print(server.start())
        server.stop()
    """
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True)
    assert ended.returncode == 0, ended.stderr
    assert (place / "strict" / "postgres").stat().st_mode & 0o077 == 0


def test_pid_file_that_names_another_process_is_not_taken_for_a_running_server(home, asleep):
    url = start(home)
    postmaster = psutil.Process(find_server_pid(home))
    os.kill(postmaster.pid, signal.SIGKILL)
    postmaster.wait(10)
    file = home / "postmaster.pid"
    file.write_text("\n".join([str(asleep.pid), *file.read_text().splitlines()[1:]]) + "\n")
    assert find_server_pid(home) is None
    assert start(home) == url
    assert asleep.poll() is None


@pytest.mark.parametrize("setting", ["shared_buffers = 'lots'", "nonsense = 1", "port = 99999"])
@pytest.mark.whole
def test_embedded_server_that_cannot_start_says_the_cause_in_one_line(place, setting):
    server = EmbeddedPostgres(place)
    server.start()
    server.stop()
    with (place / "postgresql.auto.conf").open("a") as file:
        file.write(setting + "\n")
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(place).start()
    assert fault.value.code == "ingebouwde_database_start_niet"
    assert setting.split()[0] in fault.value.private
    assert "\n" not in fault.value.private


@pytest.mark.whole
def test_a_second_process_attaches_and_the_server_lives_until_the_last_one_leaves(place):
    server = EmbeddedPostgres(place)
    url = server.start()
    pid = find_server_pid(place)
    script = f"""
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(place)!r}))
        print(server.start())
        server.stop()
    """
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True
    ).stdout
    assert output.strip() == url
    assert find_server_pid(place) == pid
    assert ask(url, "SELECT 1") == 1
    server.stop()
    assert find_server_pid(place) is None


@pytest.mark.whole
def test_it_recovers_what_was_committed_after_a_crash(place):
    script = f"""
        import asyncio, asyncpg, os, signal
        from pathlib import Path
        from machtiging.storage.embedded_postgres import EmbeddedPostgres, running_pid
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
    while find_server_pid(place) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (place / "postmaster.pid").exists()
    server = EmbeddedPostgres(place)
    assert ask(server.start(), "SELECT one FROM kept") == 1
    server.stop()


def until_a_zombie(process):
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)


def test_a_server_that_was_killed_and_not_reaped_does_not_pass_for_a_running_one(home, asleep):
    ask(start(home), "CREATE TABLE committed AS SELECT 1 AS one")
    os.kill(find_server_pid(home), signal.SIGKILL)
    until_a_zombie(asleep)
    # Whether the postmaster itself is reaped is up to who started the tests: its pid is that of one who surely is not.
    file = home / "postmaster.pid"
    file.write_text("\n".join([str(asleep.pid), *file.read_text().splitlines()[1:]]) + "\n")
    assert find_server_pid(home) is None
    assert ask(start(home), "SELECT one FROM committed") == 1


def test_a_directory_in_which_children_of_a_killed_server_are_left_is_not_started_in(place, asleep):
    place.mkdir()
    until_a_zombie(asleep)
    (place / "postmaster.pid").write_text(f"{asleep.pid}\n")
    (place / "postgres").symlink_to(shutil.which("sleep"))
    child = subprocess.Popen(["sleep", "60"], executable=place / "postgres", cwd=place)
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(place, timeout=0).start()
    child.kill()
    child.wait()
    assert fault.value.code == "ingebouwde_database_loopt_nog"
    assert str(child.pid) in fault.value.private
    assert (place / "postmaster.pid").exists()


def test_a_directory_that_cannot_be_used_is_a_clear_fault(place):
    place.parent.mkdir(exist_ok=True)
    place.write_text("I am a file")
    with pytest.raises(Fault) as fault:
        EmbeddedPostgres(place).start()
    assert fault.value.code == "ingebouwde_database_start_niet"
    assert str(place) in fault.value.private
