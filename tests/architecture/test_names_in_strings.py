"""Code in strings (scripts of tests, application factories) names what exists. No type checker reads it."""

import ast
import importlib
import re

import pytest

from machtiging.kernel.errors import Fault
from tests.architecture.sources import ROOT, modules, name_of, nodes

IMPORT_LINE = re.compile(r"^[ \t]*from (machtiging[\w.]*) import ([\w, ]+)$", re.MULTILINE)
REFERENCE = re.compile(r"(machtiging\.[\w.]+):(\w+)")
MENTION = re.compile(r"^(?!from |import ).*machtiging\.\w", re.MULTILINE)  # most files hold none: they are not parsed


def named_in(text):
    """The pairs of module and name that this text imports or refers to."""
    for module, names in IMPORT_LINE.findall(text):
        for name in names.split(","):
            yield module, name.split()[0]
    if reference := REFERENCE.fullmatch(text):
        yield reference.groups()


def missing_names(path):
    for node in nodes(path) if MENTION.search(path.read_text(encoding="utf-8")) else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "machtiging" in node.value:
            for module, name in named_in(node.value):
                if not hasattr(importlib.import_module(module), name):
                    yield f"{name_of(path)}:{node.lineno}", module, name


def test_names_in_strings_of_tests_and_code_exist():
    paths = (*modules(), *sorted((ROOT / "tests").rglob("*.py")))
    assert [missing for path in paths for missing in missing_names(path)] == []


@pytest.mark.parametrize(
    "source",
    ['f"""\n    import os\n    from %s import Fault, Gone\n    print({1})\n"""', '"%s:Gone"'],
    ids=["import line of a script", "reference to a factory"],
)
def test_name_in_string_that_does_not_exist_is_found(tmp_path, monkeypatch, source):
    monkeypatch.setattr("tests.architecture.test_names_in_strings.name_of", lambda path: path.name)
    (tmp_path / "script.py").write_text(source % Fault.__module__)
    assert [missing[1:] for missing in missing_names(tmp_path / "script.py")] == [(Fault.__module__, "Gone")]
