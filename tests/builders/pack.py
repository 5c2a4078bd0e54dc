"""The black-box tests, run as a stranger would run them: against a server that a file describes."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACK = "tests/protocol/black_box"


def _with(names: Sequence[str]) -> list[str]:
    """The files with these tests: the others need not be read."""
    files = {path: path.read_text() for path in sorted((ROOT / PACK).glob("test_*.py"))}
    return [str(path) for path, text in files.items() if any(f"def {name}(" in text for name in names)]


def _arguments(target: Path, names: Sequence[str]) -> list[str]:
    report = target.with_name("report.xml")
    chosen = [*_with(names), "-k", " or ".join(names)] if names else [PACK]
    return [
        "-q",
        "--assert=plain",
        "--tb=native",  # most of these tests are meant to fail, and to draw each failure takes longer than the test
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        f"--rootdir={ROOT}",
        *chosen,
    ]


def hold_pack_against(target: str, names: Sequence[str] = ()) -> int:
    """Run it in this process, or only the tests with these names; the outcomes are in `report.xml` beside the file."""
    os.environ["MACHTIGING_TEST_TARGET"] = target
    os.chdir(ROOT)
    return int(pytest.main(_arguments(Path(target), names)))


def run_pack(target: Path, *names: str) -> dict[str, str]:
    """Run it in a process of its own; gives the outcome by test."""
    environ = os.environ | {"MACHTIGING_TEST_TARGET": str(target)}
    command = [sys.executable, "-m", "pytest", *_arguments(target, names)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-1000:]
    return outcomes_in(target.with_name("report.xml"))


def outcomes_in(report: Path) -> dict[str, str]:
    """The outcome by test."""
    return {case.get("name", ""): _outcome(case) for case in ET.parse(report).iter("testcase")}


def _outcome(case: ET.Element) -> str:
    said = {child.tag for child in case}
    return "failed" if said & {"failure", "error"} else "skipped" if "skipped" in said else "passed"
