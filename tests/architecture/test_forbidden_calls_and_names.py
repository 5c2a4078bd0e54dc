"""Forbidden calls (eval, broad except, current time) and forbidden names."""

import ast
import re

import pytest

from machtiging.kernel.glossary import TERMS
from tests.architecture.sources import PACKAGE, ROOT, calls, modules, name_of, nodes

# Modules with an outermost handler, which may catch everything.
EDGES = {
    "machtiging/web/errors/handlers.py",
    "machtiging/storage/embedded_postgres.py",
    "machtiging/access/policy_engine.py",
    "machtiging/access/tenant_policy/engine.py",
    "machtiging/access/entitlements/engine.py",
    "machtiging/supervision.py",
    "machtiging/delegation/assignment_tasks/execution.py",
    "machtiging/cli/__init__.py",
    "machtiging/cli/processes/workers.py",
}


def test_http_exceptions_are_raised_in_web_only():
    assert [
        name_of(p) for p in modules() if "web" not in p.parts and any(f.endswith("HTTPException") for f, _ in calls(p))
    ] == []


def test_broad_except_is_used_in_listed_modules_only():
    broad = {
        name_of(path)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    }
    assert broad == EDGES


@pytest.mark.parametrize("call", ["enable_enforce", "eval", "exec", "compile"])
def test_eval_exec_compile_and_enable_enforce_are_not_called(call):
    # Patterns, the text of a statement of ours, the template of a document: none becomes code of this program.
    harmless = {"re.compile", "self._core.compile", "typesetter.compile"}
    assert [
        name_of(p) for p in modules() if any(f.split(".")[-1] == call and f not in harmless for f, _ in calls(p))
    ] == []


def test_current_time_is_read_in_the_clock_module_only():
    takers = {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
    found = {name_of(p) for p in modules(migrations=True) if any(f in takers for f, _ in calls(p))}
    assert found <= {"machtiging/kernel/clock.py"}


def test_glossary_terms_are_not_translated_in_names():
    names = {
        (name_of(path), node.name)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    never = re.compile(rf"(^|_)({'|'.join(word for term in TERMS for word in term.never)})s?(_|$)")
    wrong = [
        (path, name)
        for path, name in names
        if never.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) and not name.startswith(("mail", "Mail"))
    ]
    assert wrong == []


def test_every_glossary_term_is_used():
    text = "\n".join(p.read_text().lower() for p in PACKAGE.rglob("*.py") if p.name != "glossary.py")
    assert [term.word for term in TERMS if term.word not in text] == []


def test_tracked_files_hold_no_registry_local_path_or_private_key():
    hosts = r"py" + r"pi\.org|python" + r"hosted|registry\.npm" + r"js|deb\.deb" + r"ian\.org"
    paths = r"/(?<![A-Za-z0-9_.]/)(work|home|root)/[a-z]"
    keys = r"BEGIN (EC |RSA )?PRIVATE" + r" KEY"
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("needs a git checkout: it reads the list of tracked files")
    found = []
    for name in tracked.stdout.split("\n"):
        path = ROOT / name
        if not name or not path.is_file() or path.suffix in {".png", ".woff2", ".pdf"}:
            continue
        text = path.read_text(errors="replace")
        found += [(name, m.group(0)) for pattern in (hosts, paths, keys) for m in re.finditer(pattern, text)]
    assert found == []
