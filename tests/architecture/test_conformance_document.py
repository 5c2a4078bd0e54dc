"""docs/conformance.md and the README's table: named tests and folders exist, each module is listed once."""

import re

import pytest

from tests.architecture.sources import ROOT, names_in

TEXT = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ((?:fapi2-|oidcc-)[^ |]+) \| (.+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[^`]+\.py)::(test_[^`]+)`")
ROWS = ROW.findall(TEXT)
SPECIFICATION = re.compile(r"^\| ([^|]+) \| (works|in part: [^|]{10,}) \| ((?:`tests/[^`]+`,? ?)+) \|$", re.MULTILINE)


def test_conformance_table_lists_every_module_once():
    """The number of modules per plan when the list was made."""
    modules = [module for module, _, _ in ROWS]
    assert len(set(modules)) == len(modules)
    assert sum(module.startswith("fapi2-security-profile-final-") for module in modules) == 78
    assert sum(module.startswith("oidcc-") for module in modules) == 38


@pytest.mark.parametrize(("module", "covered", "result"), ROWS, ids=[row[0] for row in ROWS])
def test_conformance_row_has_result_and_test_or_reason(module, covered, result):
    assert re.fullmatch(r"as expected|(differs|not applicable): .{10,}", result), result
    if not result.startswith("not applicable"):
        assert NAMED.search(covered)
    assert NAMED.sub("", covered).strip() in ("", "-")


def test_third_party_client_table_has_a_test_or_reason_per_cell():
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


def test_conformance_document_names_existing_tests():
    named = set(NAMED.findall(TEXT))
    assert len(named) > 60
    assert [(path, name) for path, name in sorted(named) if not (ROOT / path).is_file()] == []
    assert [(path, name) for path, name in sorted(named) if name not in names_in(ROOT / path)] == []


def test_readme_specification_table_names_existing_test_folders():
    table = README.split("| specification |")[1].split("\n\n")[0]
    lines = table.splitlines()[2:]
    rows = SPECIFICATION.findall(table)
    assert len(rows) == len(lines) >= 20
    for _, _, folders in rows:
        for folder in re.findall(r"`([^`]+)`", folders):
            assert any((ROOT / folder).glob("test_*.py")), folder


def test_black_box_tests_import_nothing_of_machtiging():
    """Otherwise they could not run against another server."""
    folder = ROOT / "tests" / "protocol" / "black_box"
    files = [
        *folder.glob("test_*.py"),
        ROOT / "tests" / "builders" / "messages.py",
        folder / "authorization_server.py",
        folder / "ciba_desk.py",
        folder / "client_requests.py",
    ]
    assert len(files) > 16
    assert [path.name for path in files if re.search(r"^\s*(from|import) machtiging", path.read_text(), re.M)] == []
