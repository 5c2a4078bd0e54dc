"""A production installation as docs/operations.md describes it: without the extra `demo`, on its own PostgreSQL."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys

import httpx
import pytest
from sqlalchemy import make_url

from machtiging.cli.demo.optional_packages import DEMO_PACKAGES
from machtiging.storage.embedded_postgres import EmbeddedPostgres
from machtiging.web.frame.assets import asset_url
from tests.architecture.sources import ROOT
from tests.builders.database import run_as_superuser
from tests.builders.settings import OPERATOR_CONTENT
from tests.protocol.real_server.serve_process import ServeProcess, folder_in_memory, wait_until

pytestmark = pytest.mark.long

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
INSTALL_COMMANDS = re.findall(r"^## Installing\n.*?```sh\n(.*?)```", OPERATIONS, re.MULTILINE | re.DOTALL)[0]
LOGINS = re.findall(r"^CREATE ROLE (\w+) +LOGIN .*?;.*?(MACHTIGING_\w+)$", OPERATIONS, re.MULTILINE)
CREATE_LOGINS = re.findall(r"^(CREATE ROLE \w+ +LOGIN .*?);", OPERATIONS, re.MULTILINE)
CHECKOUT = ("machtiging", "policies", "pyproject.toml", "README.md", "LICENSE", "requirements.txt")


class CleanEnvironment:
    """A folder with a checkout, and the environment that was made in it."""

    def __init__(self, place):
        self.place = place
        self.command = str(place / ".venv" / "bin" / "machtiging")

    def run(self, *words, timeout=120, **settings):
        """Run a program in the folder; the only settings of ours are these."""
        ours = ("MACHTIGING_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return subprocess.run(
            words, cwd=self.place, env=kept | settings, capture_output=True, text=True, timeout=timeout
        )


@pytest.fixture(scope="module")
def clean_environment(tmp_path_factory):
    """The service installed by the commands of the documents, in a folder of its own."""
    made = CleanEnvironment(tmp_path_factory.mktemp("installation"))
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, made.place / name)
    python = INSTALL_COMMANDS.replace("python3.11", sys.executable)
    installed = made.run("sh", "-euc", python, timeout=900)
    assert installed.returncode == 0, installed.stderr
    return made


@pytest.fixture
def server_url():
    """The URL of a new PostgreSQL server, which has no role of ours yet."""
    directory = folder_in_memory("machtiging-own-pg-")
    server = EmbeddedPostgres(directory / "data")
    yield server.start()
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def settings(server_url, tmp_path):
    """The settings of production: https, and a login for each task."""
    address = make_url(server_url).set(password="...", database="machtiging")
    urls = {name: address.set(username=login).render_as_string(hide_password=False) for login, name in LOGINS}
    assert len(urls) == len(CREATE_LOGINS) == 3
    files = {name: tmp_path / f"{name}.yaml" for name in ("help_points_file", "service_changes_file")}
    for path in files.values():
        path.touch()
    help_for_people = {f"MACHTIGING_{name.upper()}": str(value) for name, value in (OPERATOR_CONTENT | files).items()}
    return (
        urls
        | help_for_people
        | {
            "MACHTIGING_ENV": "production",
            "MACHTIGING_ISSUER": "https://machtigen.example",
            "MACHTIGING_BROKER_ISSUER": "https://inloggen.example",
        }
    )


def is_refused(ended, *texts):
    told = " ".join(ended.stderr.split())
    assert ended.returncode == 3
    assert "(extra_demo_ontbreekt)" in told
    assert "pip install 'machtiging[demo]'" in told
    assert all(text in told for text in texts)
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("package", DEMO_PACKAGES)
def test_production_installation_has_no_package_of_the_demo(package, clean_environment):
    python = str(clean_environment.place / ".venv" / "bin" / "python")
    ended = clean_environment.run(python, "-c", f"import {package}")
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr


@pytest.mark.parametrize("command", ["demo", "story"])
def test_demo_in_production_installation_is_refused(command, clean_environment):
    is_refused(clean_environment.run(clean_environment.command, command), *DEMO_PACKAGES)


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_command_without_database_url_in_production_installation_is_refused(command, clean_environment):
    is_refused(clean_environment.run(clean_environment.command, command), "MACHTIGING_DATABASE_URL")


async def test_production_installation_migrates_serves_and_stops(clean_environment, server_url, settings, tmp_path):
    served = ServeProcess(tmp_path, clean_environment.command, PYTHONPATH="", **settings)

    async def run_command(*words):
        keys = {"MACHTIGING_KEYS_DIR": str(tmp_path / "keys")}
        ended = await asyncio.to_thread(clean_environment.run, clean_environment.command, *words, **keys, **settings)
        assert ended.returncode == 0, ended.stderr

    create_migrating_login, *create_other_logins = CREATE_LOGINS
    await run_as_superuser(server_url, create_migrating_login, f"CREATE DATABASE machtiging OWNER {LOGINS[0][0]}")
    await run_command("keys", "generate")
    await run_command("migrate")
    await run_as_superuser(server_url, *create_other_logins)
    try:
        served.start()
        await wait_until(served.is_ready)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served.port}", trust_env=False) as client:
            for path in ("/", asset_url("portal.css"), "/.well-known/openid-configuration", "/api/v1/openapi.json"):
                assert (await client.get(path)).status_code == 200, path
        second = served.run()
        assert await asyncio.to_thread(second.wait, 60) == 3
        assert f"machtiging already runs there (process {served.process.pid})" in served.read_output()
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(served.process.wait, 60) == 0
    finally:
        served.kill()
    await run_command("audit", "verify")
