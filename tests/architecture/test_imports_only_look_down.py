"""The direction of imports, held by import-linter with the contracts in pyproject.toml."""

import subprocess
import sys

from tests.architecture.sources import PACKAGE, ROOT


def test_every_contract_of_import_linter_is_kept():
    ran = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout


def test_no_package_has_a_drawer_for_everything():
    drawers = {"service", "services", "utils", "util", "helpers", "common", "misc"}
    assert [p for p in PACKAGE.rglob("*.py") if p.stem in drawers] == []
