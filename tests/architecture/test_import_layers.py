"""The layers of imports: import-linter checks each import contract of pyproject.toml."""

import sys

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.architecture.sources import ROOT


def test_import_linter_contracts_are_kept(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])  # it adds the folder that it looks in
    ended = lint_imports(no_cache=True)
    told = capsys.readouterr().out
    assert ended == EXIT_STATUS_SUCCESS, told
    assert "0 broken" in told
