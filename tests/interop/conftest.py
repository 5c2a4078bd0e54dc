"""A database for servers that run beside the tests, and the tests of the pack, run as a stranger would run them."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from tests.conftest import admin, dsn

ROOT = Path(__file__).parents[2]
PACK = "tests/protocol/black_box"


@pytest.fixture(scope="session")
async def shared_database(postgres_url):
    """A migrated database for servers of ours; each registers clients of its own."""
    name = f"i_{uuid4().hex}"
    template = make_url(postgres_url).database
    await admin(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    yield dsn(postgres_url, name)
    await admin(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def run_pack(target: Path, *names: str) -> dict[str, str]:
    """Hold the pack (or the tests with these names) against a server; gives the outcome by test."""
    report = target.with_name("report.xml")
    chosen = ["-k", " or ".join(names)] if names else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PACK, f"--junitxml={report}", *chosen]
    environ = os.environ | {"MACHTIGING_TEST_TARGET": str(target)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-1000:]
    return {case.get("name", ""): outcome_of(case) for case in ET.parse(report).iter("testcase")}


def outcome_of(case: ET.Element) -> str:
    said = {child.tag for child in case}
    return "failed" if said & {"failure", "error"} else "skipped" if "skipped" in said else "passed"
