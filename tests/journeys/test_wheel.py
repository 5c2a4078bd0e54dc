"""The wheel in a clean environment serves a styled page, without Node."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import venv
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import ROOT, Installation

pytestmark = pytest.mark.long
PIP = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
HASHED = ["--require-hashes", "--only-binary", ":all:"]


@pytest.fixture(scope="module")
def clean_environment(tmp_path_factory) -> Path:
    """The Python of an environment with the pinned requirements and the wheel."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*build, "--no-build-isolation", "--wheel-dir", place, ROOT], check=True, timeout=300)
    venv.create(place / "env", with_pip=True)
    python = place / "env" / "bin" / "python"
    files = ["-r", ROOT / "requirements.txt", "-r", ROOT / "requirements-demo.txt"]
    subprocess.run([python, *PIP, *HASHED, *files], check=True, timeout=600)
    subprocess.run([python, *PIP, "--no-index", "--no-deps", next(place.glob("*.whl"))], check=True, timeout=300)
    return python


def test_wheel_in_a_clean_environment_serves_a_styled_page(clean_environment, tmp_path):
    installation = Installation(tmp_path)
    log = tmp_path / "log"
    environment = installation.environment() | {"PATH": str(clean_environment.parent)}
    with log.open("w") as written:
        command = [clean_environment, "-m", "machtiging", "demo"]
        installation.process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=written, stderr=written)
    try:
        deadline = time.monotonic() + 300
        while "Ctrl-C stops" not in log.read_text():
            assert installation.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        page = httpx.get(installation.url + "/", timeout=60).text
        assets = re.findall(r'(?:href|src)="(/static/[^"#]+)', page)
        assert len(set(assets)) == 3, assets
        for path in assets:
            answer = httpx.get(installation.url + path, timeout=60)
            assert answer.status_code == 200, path
            assert "immutable" in answer.headers["cache-control"]
    finally:
        installation.stop()
