"""Reading our own source: modules as syntax trees, for the tests beside this file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "machtiging"
DEFINED = re.compile(r"^ *(?:async )?def (\w+)\(", re.MULTILINE)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of the tree, walked once for all tests."""
    return tuple(ast.walk(tree(path)))


@cache
def calls(path: Path) -> tuple[tuple[str, ast.Call], ...]:
    """Every call: the written name of the function, and the node."""
    return tuple((_written(node.func), node) for node in nodes(path) if isinstance(node, ast.Call))


def _written(node: ast.expr) -> str:
    """As `ast.unparse` writes it, which takes long over a mere name with dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
        return f"{_written(node.value)}.{node.attr}"
    return ast.unparse(node)


@cache
def modules(*, migrations: bool = False) -> tuple[Path, ...]:
    return tuple(sorted(p for p in PACKAGE.rglob("*.py") if migrations or "versions" not in p.parts))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def names_in(path: Path) -> frozenset[str]:
    """The function names of a module, read from its text (faster than its syntax tree)."""
    return frozenset(DEFINED.findall(path.read_text(encoding="utf-8")))


@cache
def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def all_modules() -> tuple[Path, ...]:
    """The modules of the service and of its tests, without the migrations."""
    tests = tuple(sorted((ROOT / "tests").rglob("*.py")))
    return modules() + tests


def place_of(path: Path, node: ast.AST) -> str:
    """The file and line of a node: `file:line`."""
    return f"{name_of(path)}:{getattr(node, 'lineno', 1)}"
