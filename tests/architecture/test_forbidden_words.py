"""Calls that open a hole or hide a failure, and words that would mean the wrong thing."""

import ast
import re

import pytest

from machtiging.kernel.glossary import TERMS
from tests.architecture.sources import PACKAGE, ROOT, calls, modules, name_of, nodes

# Where the outermost handler stands, and only there, everything may be caught.
EDGES = {
    "machtiging/web/problems.py",
    "machtiging/storage/embedded_postgres.py",
    "machtiging/access/policy_engine.py",
    "machtiging/supervision.py",
    "machtiging/cli/__init__.py",
    "machtiging/cli/processes/workers.py",
}


def test_http_exceptions_are_made_in_web_only():
    assert [
        name_of(p) for p in modules() if "web" not in p.parts and any(f.endswith("HTTPException") for f, _ in calls(p))
    ] == []


def test_everything_is_caught_at_the_edges_only():
    broad = {
        name_of(path)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    }
    assert broad == EDGES


@pytest.mark.parametrize("call", ["enable_enforce", "eval", "exec", "compile"])
def test_no_call_that_switches_the_decision_off_or_runs_text(call):
    # Patterns, and the text of a statement of ours: neither becomes code of this program.
    harmless = {"re.compile", "self._core.compile"}
    assert [
        name_of(p) for p in modules() if any(f.split(".")[-1] == call and f not in harmless for f, _ in calls(p))
    ] == []


def test_time_comes_from_the_clock_alone():
    takers = {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
    found = {name_of(p) for p in modules(migrations=True) if any(f in takers for f, _ in calls(p))}
    assert found <= {"machtiging/kernel/clock.py"}


def test_words_of_the_glossary_are_not_translated_in_names():
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


def test_every_term_of_the_glossary_is_used():
    text = "\n".join(p.read_text().lower() for p in PACKAGE.rglob("*.py") if p.name != "glossary.py")
    assert [term.word for term in TERMS if term.word not in text] == []


def test_no_committed_file_names_a_registry_a_path_of_a_machine_or_a_private_key():
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
