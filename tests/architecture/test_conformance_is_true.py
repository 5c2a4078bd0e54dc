"""docs/conformance.md and the README's table name tests and folders: each must exist, and each name stands once."""

import re

import pytest

from tests.architecture.sources import ROOT, names_in

TEXT = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ((?:fapi2-|oidcc-)[^ |]+) \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[^`]+\.py)::(test_[^`]+)`")
ROWS = ROW.findall(TEXT)
SPECIFICATION = re.compile(r"^\| ([^|]+) \| (works|in part: [^|]{10,}) \| ((?:`tests/[^`]+`,? ?)+) \|$", re.MULTILINE)


def test_every_module_of_the_three_plans_stands_there_once():
    """How many modules each plan had when the list was made."""
    modules = [module for module, _, _ in ROWS]
    assert len(set(modules)) == len(modules)
    assert sum(module.startswith("fapi2-security-profile-final-") for module in modules) == 78
    assert sum(module.startswith("oidcc-") for module in modules) == 38


@pytest.mark.parametrize(("module", "covered", "result"), ROWS, ids=[row[0] for row in ROWS])
def test_every_row_has_a_result_and_a_test_or_a_reason(module, covered, result):
    assert re.fullmatch(r"as expected|(differs|not applicable): .{10,}", result), result
    if not result.startswith("not applicable"):
        assert NAMED.search(covered)
    assert NAMED.sub("", covered).strip() in ("", "-")


def test_the_table_of_clients_that_others_wrote_says_of_each_a_test_or_why_not():
    table = TEXT.split("## Clients that others wrote")[1].split("|---|---|---|")[1]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    assert len(rows) == table.strip().count("\n") + 1
    asked = " ".join(what for what, _, _ in rows).lower()
    wanted = ("discovery", "pushed", "pkce", "dpop", "private_key_jwt", "refresh", "introspection", "exchange", "ciba")
    assert [word for word in (*wanted, "logout", "registration") if word not in asked] == []
    for what, npm, pypi in rows:
        for cell in (npm, pypi):
            assert NAMED.search(cell) or re.match(r"no: .{10,}", cell), (what, cell)
    named = {name for _, name in NAMED.findall(table)}
    assert names_in(ROOT / "tests" / "interop" / "test_idpyoidc.py") <= named


def test_every_test_that_is_named_exists():
    named = set(NAMED.findall(TEXT))
    assert len(named) > 60
    assert [(path, name) for path, name in sorted(named) if not (ROOT / path).is_file()] == []
    assert [(path, name) for path, name in sorted(named) if name not in names_in(ROOT / path)] == []


def test_the_readme_names_for_each_specification_a_folder_with_tests():
    table = README.split("| specification |")[1].split("\n\n")[0]
    lines = table.splitlines()[2:]
    rows = SPECIFICATION.findall(table)
    assert len(rows) == len(lines) >= 20
    for _, _, folders in rows:
        for folder in re.findall(r"`([^`]+)`", folders):
            assert any((ROOT / folder).glob("test_*.py")), folder


def test_the_black_box_tests_know_nothing_of_ours():
    """Else they could not be held against any other server."""
    outside = ("black_box.py", "black_box_counter.py", "black_box_steps.py")
    files = [
        *(ROOT / "tests" / "protocol" / "black_box").glob("test_*.py"),
        *(ROOT / "tests" / "builders" / name for name in outside),
    ]
    assert len(files) > 16
    assert [path.name for path in files if re.search(r"^\s*(from|import) machtiging", path.read_text(), re.M)] == []
