"""docs/threat-model.md: every attack has a row with an existing test."""

import ast
import re

import pytest

from tests.architecture.sources import ROOT, names_in, tree
from tests.conftest import SLOW_FOLDERS

TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.*) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[^`]+\.py)::(test_[^`]+)`")
ATTACKS = {int(number): (answer.strip(), tests) for number, _, answer, tests in ROW.findall(TEXT)}


def test_threat_model_rows_are_complete_and_in_order():
    assert [int(row[0]) for row in ROW.findall(TEXT)] == list(range(1, 69))


@pytest.mark.parametrize("number", range(1, 69))
def test_threat_model_row_has_answer_and_test_or_reason(number):
    answer, tests = ATTACKS[number]
    if not NAMED.search(tests):
        assert re.fullmatch(r"not yet \(.{10,}\)", tests), tests
    else:
        assert answer
        assert NAMED.sub("", tests).strip() == "", "something else stands between the tests"


def test_threat_model_names_existing_tests():
    named = set(NAMED.findall(TEXT))
    assert len(named) > 100
    missing = [(path, name) for path, name in sorted(named) if not (ROOT / path).is_file()]
    assert missing == []
    assert [(path, name) for path, name in sorted(named) if name not in names_in(ROOT / path)] == []


def in_make_test(path, name):
    """Check that `make test` runs it. No mark `whole` or `long` on folder, file or test."""
    marked = re.compile(r"pytest\.mark\.(whole|long)\b")
    if path.startswith(SLOW_FOLDERS):
        return False
    if not marked.search((ROOT / path).read_text(encoding="utf-8")):
        return True
    module = tree(ROOT / path)
    of_file = [
        node for node in module.body if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node.targets)
    ]
    of_test = [mark for node in module.body if getattr(node, "name", "") == name for mark in node.decorator_list]
    said = [ast.unparse(node) for node in of_file] + [
        ast.unparse(one) for one in of_test if "parametrize" not in ast.unparse(one)
    ]
    return not any(marked.search(one) for one in said)


@pytest.mark.parametrize("number", range(1, 69))
def test_threat_model_row_has_a_test_in_make_test(number):
    named = NAMED.findall(ATTACKS[number][1])
    assert not named or any(in_make_test(path, name) for path, name in named)


def test_bad_input_lines_name_a_test():
    lines = TEXT.split("## Bad input and bad luck")[1].strip().splitlines()[2:]
    assert len(lines) >= 15
    assert [line for line in lines if not NAMED.search(line)] == []


def test_numbered_tests_are_named_in_the_threat_model():
    numbered = re.compile(r"def test_row_(\d+)_")
    found = {
        int(number) for path in (ROOT / "tests").rglob("test_*.py") for number in numbered.findall(path.read_text())
    }
    assert found <= set(ATTACKS)
    assert [number for number in sorted(found) if not NAMED.search(ATTACKS[number][1])] == []
