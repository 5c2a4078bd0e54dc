"""Private interfaces of libraries. As we rely on them, used in one place, and listed in docs/vocabulary.md.

A failure of the first test after an upgrade names the library, the interface, our file and what to look at.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.private_interfaces import PRIVATE_INTERFACES, PrivateInterface, find_assigned_names, is_self
from tests.architecture.sources import ROOT, modules, name_of, nodes, tree

HEADING = "## Private interfaces of libraries"
# Names that begin with an underscore and are documented: of a named tuple, of a row of SQLAlchemy, of `os`.
DOCUMENTED = frozenset({"_mapping", "_replace", "_asdict", "_fields", "_make", "_exit", "_value_", "_missing_"})
ASGI_SCOPE_KEYS = frozenset(
    {"type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "headers"}
    | {"client", "server", "extensions", "state"}
)
_ATTRIBUTE_FUNCTIONS = frozenset({"getattr", "setattr", "hasattr", "delattr"})


def read_table_rows() -> list[list[str]]:
    """The cells of the table in the document: library, interface, files, reason, what to do."""
    _, heading, section = (ROOT / "docs" / "vocabulary.md").read_text().partition(HEADING)
    assert heading, f"docs/vocabulary.md has no heading {HEADING!r}"
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize("entry", PRIVATE_INTERFACES, ids=lambda entry: f"{entry.library}-{entry.interface}")
async def test_private_interface_is_as_we_rely_on_it(entry):
    change = await entry.find_change()
    assert change is None, entry.describe_change(change, {row[1]: row[4] for row in read_table_rows()}[entry.interface])


async def test_changed_interface_is_reported_with_library_version_file_and_advice(monkeypatch):
    import fastapi
    from fastapi import routing

    (entry,) = [one for one in PRIVATE_INTERFACES if "iter_route_contexts" in one.names]
    monkeypatch.setattr(routing, "iter_route_contexts", lambda routes, deep: iter(routes))
    message = entry.describe_change(await entry.find_change() or "", "Look there.")
    assert f"fastapi {fastapi.__version__}" in message
    assert "takes ('routes', 'deep')" in message
    assert "machtiging/web/framework_internals.py. Look there." in message
    monkeypatch.delattr(routing, "iter_route_contexts")
    assert "is gone" in str(await entry.find_change())


async def test_failed_check_of_an_interface_is_reported_by_its_name():
    async def library_does_something() -> None:
        raise AssertionError("it does something else")

    entry = PrivateInterface("pytest", "x", ("a.py",), checks=(library_does_something,))
    assert await entry.find_change() == "`library_does_something` fails with AssertionError: it does something else"


def test_document_and_checks_list_the_same_interfaces():
    rows = [(row[0], row[1], tuple(re.findall(r"`([^`]+)`", row[2]))) for row in read_table_rows()]
    listed = [
        (entry.library, entry.interface, tuple(file.removeprefix("machtiging/") for file in entry.files))
        for entry in PRIVATE_INTERFACES
    ]
    assert sorted(rows) == sorted(listed)
    assert [row for row in read_table_rows() if len(row) != 5 or not all(row)] == []


def test_every_interface_has_a_check():
    assert [entry.interface for entry in PRIVATE_INTERFACES if not (entry.objects or entry.checks)] == []


def iterate_used_names(written: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Every name that a module takes from elsewhere. Imported, an attribute, a named argument, a key of a scope."""
    for node in written:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, part) for part in split_imported_names(node))
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in _ATTRIBUTE_FUNCTIONS:
            yield from ((node.lineno, one.value) for one in node.args[1:2] if isinstance(one, ast.Constant))
        yield from iterate_scope_keys(node)


def split_imported_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The parts of every dotted name that is imported from a library."""
    module = getattr(node, "module", None) or ""
    parts = [part for name in [module, *(alias.name for alias in node.names)] for part in name.split(".") if part]
    return [] if parts[0] in {"machtiging", "tests"} | sys.stdlib_module_names else parts


def iterate_scope_keys(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Keys of a scope that are not in the ASGI specification, as `scope[key]`."""
    owner, key = None, None
    if isinstance(node, ast.Subscript):
        owner, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        owner, key = node.func.value, node.args[0]
    name = getattr(owner, "attr", getattr(owner, "id", ""))
    if name == "scope" and isinstance(key, ast.Constant) and key.value not in ASGI_SCOPE_KEYS:
        yield node.lineno, f"scope[{key.value}]"


def find_misplaced_uses(path: str, written: Iterable[ast.AST]) -> list[str]:
    """Uses of a listed interface outside the files that may use it."""
    places = {name: entry.files for entry in PRIVATE_INTERFACES for name in entry.names}
    return [
        f"{path}:{line} {name}"
        for line, name in iterate_used_names(written)
        if name in places and path not in places[name]
    ]


def find_foreign_underscores(path: str, written: Iterable[ast.AST], own: frozenset[str]) -> list[str]:
    """Underscore names of others, and non-standard scope keys, that are not listed for this file."""
    listed = {name for entry in PRIVATE_INTERFACES if path in entry.files for name in entry.names}
    found = []
    for node in written:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [(node.lineno, part) for part in split_imported_names(node) if part.startswith("_")]
        elif isinstance(node, ast.Attribute) and not is_self(node.value):
            found += [(node.lineno, node.attr)] if is_private(node.attr) and node.attr not in own else []
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in _ATTRIBUTE_FUNCTIONS:
            names = [one.value for one in node.args[1:2] if isinstance(one, ast.Constant)]
            found += [(node.lineno, name) for name in names if is_private(name) and name not in own]
        found += iterate_scope_keys(node)
    return [f"{path}:{line} {name}" for line, name in found if name not in DOCUMENTED | listed]


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def collect_own_names(paths: Iterable[Path]) -> frozenset[str]:
    """Underscore names that our own code defines."""
    found: set[str] = set()
    for node in (node for path in paths for node in nodes(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} if is_self(node.value) else set()
    return frozenset(filter(is_private, found))


def test_listed_interfaces_are_used_in_their_own_file_only():
    assert [
        found for path in modules(migrations=True) for found in find_misplaced_uses(name_of(path), nodes(path))
    ] == []


def test_code_uses_no_underscore_name_of_a_library_that_is_not_listed():
    """Our own underscore names stay in their module (ruff, SLF001), so here none is excepted."""
    nothing: frozenset[str] = frozenset()
    found = [find_foreign_underscores(name_of(path), nodes(path), nothing) for path in modules(migrations=True)]
    assert [one for each in found for one in each] == []


def test_tests_use_no_underscore_name_of_a_library_that_is_not_listed():
    paths = [path for path in sorted((ROOT / "tests").rglob("*.py")) if "node_modules" not in path.parts]
    own = collect_own_names([*modules(), *paths])
    assert [one for path in paths for one in find_foreign_underscores(name_of(path), nodes(path), own)] == []


def test_every_listed_name_is_used_in_its_file():
    used = {
        file: {name for _, name in iterate_used_names(nodes(ROOT / file))}
        for entry in PRIVATE_INTERFACES
        for file in entry.files
    }
    assert [
        (entry.interface, name)
        for entry in PRIVATE_INTERFACES
        for name in entry.names - {"await_only", "pgcode"}  # listed so that they stay away
        if not any(name in used[file] for file in entry.files)
    ] == []


def iterate_library_classes() -> Iterator[tuple[type, list[type]]]:
    """Our classes that extend a class of a library other than pydantic, with those."""
    for path in modules():
        if not any(isinstance(node, ast.ClassDef) and node.bases for node in tree(path).body):
            continue
        module = importlib.import_module(name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                above = [one for one in kind.__mro__[1:] if is_of_library(one)]
                yield kind, above


def is_of_library(kind: type) -> bool:
    """pydantic and SQLModel keep underscore names of a model apart by themselves."""
    first = kind.__module__.split(".")[0]
    return first not in {"machtiging", "pydantic", "pydantic_settings", "sqlmodel"} | sys.stdlib_module_names


def find_shared_underscores(kind: type, above: Iterable[type]) -> set[str]:
    """Underscore names of our class that a library class above it has too."""
    theirs = {name for one in above for name in {*vars(one), *find_assigned_names(one)} if is_private(name)}
    written = ast.walk(ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))))
    ours = {node.attr for node in written if isinstance(node, ast.Attribute) and is_self(node.value)}
    return theirs & (ours | {name for name in vars(kind) if name != "_abc_impl"})


def test_subclass_of_a_library_class_shares_no_underscore_name_that_is_not_listed():
    listed = {(file, name) for entry in PRIVATE_INTERFACES for file in entry.files for name in entry.names}
    found = {
        (kind.__module__.replace(".", "/") + ".py", name)
        for kind, above in iterate_library_classes()
        for name in find_shared_underscores(kind, above)
    }
    assert found - listed == set()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("from httpx._client import x", "_client"),
        ("from httpx import _client", "_client"),
        ("import uvicorn._types", "_types"),
        ("connection._protocol", "_protocol"),
        ("getattr(request, '_receive')", "_receive"),
        ("scope['router']", "scope[router]"),
        ("request.scope.get('fastapi_inner')", "scope[fastapi_inner]"),
    ],
)
def test_unlisted_underscore_name_is_found(written, expected):
    found = find_foreign_underscores("machtiging/x.py", list(ast.walk(ast.parse(written))), frozenset())
    assert found == [f"machtiging/x.py:1 {expected}"]


@pytest.mark.parametrize(
    "written",
    ["self._own", "row._mapping", "scope['path']", "from machtiging.access.policy_engine import _build_enforcer"],
)
def test_own_or_documented_underscore_name_is_accepted(written):
    assert find_foreign_underscores("machtiging/x.py", list(ast.walk(ast.parse(written))), frozenset()) == []


@pytest.mark.parametrize(
    "written",
    ["app.user_middleware", "from sqlalchemy.util import await_", "f(async_creator_fn=x)", "getattr(e, 'sqlstate')"],
)
def test_listed_interface_in_another_file_is_found(written):
    assert len(find_misplaced_uses("machtiging/x.py", list(ast.walk(ast.parse(written))))) == 1


def test_underscore_name_shared_with_a_library_class_is_found():
    class Above:
        def __init__(self) -> None:
            self._client = None

    class Below(Above):
        def read(self) -> object:
            return self._client

    assert find_shared_underscores(Below, [Above]) == {"_client"}
