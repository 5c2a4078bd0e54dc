"""Worker processes report one outcome per test (tests/conftest.py): no failure is lost."""

import os
import re
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT

TESTS = """
import os
import pytest

@pytest.fixture
def no_start():
    raise RuntimeError("no start")

@pytest.fixture
def no_end():
    yield
    raise RuntimeError("no end")

def test_good(): pass
def test_bad(): assert False, "bad"
def test_start(no_start): pass
def test_end(no_end): pass
def test_needs(): pytest.skip("needs much")
def test_dies(): os._exit(3)
"""


@pytest.mark.whole
def test_failures_errors_and_crashed_workers_are_reported(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "tests.conftest", "-n", "1", "-c", "pytest.ini", "."]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    told = set(
        re.findall(r"^(FAILED|ERROR|SKIPPED).*?(test_it\S*).*?(bad|no start|no end|needs|crashed)", done.stdout, re.M)
    )
    assert {(what, why) for what, _, why in told} == {
        ("FAILED", "bad"),
        ("ERROR", "no start"),
        ("ERROR", "no end"),
        ("SKIPPED", "needs"),
        ("FAILED", "crashed"),
    }, done.stdout
    assert re.search(r"2 failed, 2 passed, 1 skipped, 2 errors", done.stdout)
