"""Run the black-box tests (tests/protocol/black_box) against the server that a target file describes."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLACK_BOX = "tests/protocol/black_box"


def _files_with(names: Sequence[str]) -> list[str]:
    """The files that hold these tests."""
    files = {path: path.read_text() for path in sorted((ROOT / BLACK_BOX).glob("test_*.py"))}
    return [str(path) for path, text in files.items() if any(f"def {name}(" in text for name in names)]


def _arguments(target: Path, names: Sequence[str]) -> list[str]:
    report = target.with_name("report.xml")
    chosen = [*_files_with(names), "-k", " or ".join(names)] if names else [BLACK_BOX]
    return [
        "-q",
        "--assert=plain",
        "--tb=native",
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        f"--rootdir={ROOT}",
        *chosen,
    ]


def run_black_box_here(target: str, names: Sequence[str] = ()) -> int:
    """Run the tests with these names, or all, in this process. The outcomes are in `report.xml` beside the target."""
    os.environ["MACHTIGING_TEST_TARGET"] = target
    os.chdir(ROOT)
    return int(pytest.main(_arguments(Path(target), names)))


def run_black_box(target: Path, *names: str) -> dict[str, str]:
    """Run the tests with these names, or all, in a process of their own. Returns the outcome by test."""
    environ = os.environ | {"MACHTIGING_TEST_TARGET": str(target)}
    command = [sys.executable, "-m", "pytest", *_arguments(target, names)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-1000:]
    return read_outcomes(target.with_name("report.xml"))


def read_outcomes(report: Path) -> dict[str, str]:
    """Read a JUnit report: the outcome by test."""
    return {case.get("name", ""): _outcome(case) for case in ET.parse(report).iter("testcase")}


def _outcome(case: ET.Element) -> str:
    said = {child.tag for child in case}
    return "failed" if said & {"failure", "error"} else "skipped" if "skipped" in said else "passed"
