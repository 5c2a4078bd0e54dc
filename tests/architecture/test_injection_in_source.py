"""Injection, checked in the source. No input becomes SQL, a command, a template or a policy."""

import ast
import re
import tomllib
from typing import get_args

import pytest

from machtiging.storage.postgres_programs import Program
from tests.architecture.sources import PACKAGE, ROOT, calls, modules, name_of, nodes, tree

# Modules whose SQL contains own names (a role, a column), and no input.
OWN_NAMES_IN_SQL = {
    "machtiging/audit/seal.py",
    "machtiging/berichtenbox/queries.py",
    "machtiging/storage/migration_runner.py",
}
SQL_MAKERS = {"text", "literal_column", "exec_driver_sql", "DDL"}
NETWORK = {"httpx", "aiosmtplib", "socket", "smtplib", "urllib.request", "http.client", "requests"}


def imports(path):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def is_constant(node):
    """A literal, or literals joined at compile time."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_constant(node.left) and is_constant(node.right)
    return isinstance(node, ast.Constant)


def raw_sql(path):
    """Every call that turns text into SQL, with its first argument."""
    known = {name for name in imports(path) if name.startswith("sqlalchemy")}
    for name, node in calls(path):
        last = name.rsplit(".", 1)[-1]
        if known and last in SQL_MAKERS and name in {last, f"sa.{last}", f"sqlalchemy.{last}"} and node.args:
            yield node.args[0]


def test_row_1_sql_injection_sql_text_is_constant():
    built = {name_of(path) for path in modules() if any(not is_constant(arg) for arg in raw_sql(path))}
    assert built == OWN_NAMES_IN_SQL
    assert sum(1 for path in modules() for _ in raw_sql(path)) > 10, "the test no longer sees our SQL"


def test_row_1_sql_injection_interpolated_names_are_own_constants():
    names = set()
    for path in modules():
        if name_of(path) in OWN_NAMES_IN_SQL:
            for argument in raw_sql(path):
                names |= {
                    ast.unparse(part.value) for part in ast.walk(argument) if isinstance(part, ast.FormattedValue)
                }
    roles = {"role.value", "DatabaseRole.OWNER.value", "DatabaseRole.SERVICE.value", "DatabaseRole.SEALER.value"}
    columns = {"name", "', '.join(LINE_COLUMNS)", "', '.join(('i.' + name for name in LINE_COLUMNS))"}
    assert names == roles | columns


def test_row_1_sql_injection_no_query_is_formatted():
    words = ("select ", "insert into", "update ", "delete from")
    found = [
        (name_of(path), ast.unparse(node))
        for path in modules()
        if name_of(path) not in OWN_NAMES_IN_SQL
        for node in nodes(path)
        if isinstance(node, ast.JoinedStr | ast.BinOp)
        and any(
            isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.lower().startswith(words)
            for part in ast.walk(node)
        )
        and not is_constant(node)
    ]
    assert found == []


def test_row_4_command_injection_no_module_runs_a_shell():
    shells = {"subprocess", "os.system", "os.popen", "pty", "commands", "asyncio.create_subprocess_shell"}
    # The programs of the embedded database, by fixed names, with arguments from the settings of the installation. And
    # the build of the assets, which runs the pinned Node on our own files and is never imported by the service.
    starting = [name_of(p) for p in modules(migrations=True) if shells & set(imports(p))]
    assert starting == ["machtiging/storage/postgres_programs.py", "machtiging/web/frontend/build.py"]
    assert get_args(Program) == ("initdb", "pg_ctl")
    assert not any(re.search(r"shell\s*=", p.read_text()) for p in modules(migrations=True))
    runs = {"os.system", "os.popen", "os.execv", "asyncio.create_subprocess_shell", "asyncio.create_subprocess_exec"}
    assert [name_of(p) for p in modules(migrations=True) if any(f in runs for f, _ in calls(p))] == []


def test_row_3_template_injection_and_unescaped_output_are_absent():
    risky = {"from_string", "Markup", "mark_safe"}
    assert [name_of(p) for p in modules() if any(f.split(".")[-1] in risky for f, _ in calls(p))] == []
    trusting = [str(p) for p in PACKAGE.rglob("*.html") if "|safe" in p.read_text() or "autoescape" in p.read_text()]
    assert trusting == []


def test_row_26_ssrf_network_is_used_in_listed_modules_only():
    """Allowed: the configured broker and mail server, the demo, and requests to URLs of clients."""
    reaching = {name_of(p) for p in modules() if NETWORK & set(imports(p))}
    demo = {name for name in reaching if name.startswith(("machtiging/cli/", "machtiging/simulators/"))}
    assert reaching - demo == {
        "machtiging/app.py",
        "machtiging/identity/broker.py",
        "machtiging/notifications/mailer.py",
        "machtiging/web/outbound/http_client.py",
        "machtiging/web/outbound/ssrf_transport.py",
    }


def test_row_26_ssrf_redirects_are_not_followed():
    for path in modules():
        for _, node in calls(path):
            for keyword in node.keywords:
                if keyword.arg == "follow_redirects":
                    assert isinstance(keyword.value, ast.Constant), name_of(path)
                    assert keyword.value.value is False, name_of(path)


def test_row_52_timing_secrets_are_compared_in_constant_time():
    secret = ("token", "digest", "secret", "code_challenge", "csrf", "signature", "hmac")
    plain = [
        (name_of(path), ast.unparse(node))
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        and ".c." not in ast.unparse(node)  # a column: looked up by its hash, in the database
        and any(
            isinstance(side, ast.Name | ast.Attribute) and ast.unparse(side).split(".")[-1] in secret
            for side in (node.left, *node.comparators)
        )
    ]
    assert plain == []
    same = ast.unparse(tree(PACKAGE / "crypto" / "secrets.py"))
    assert "hmac.compare_digest" in same


@pytest.mark.parametrize(
    ("name", "more_than"), [("requirements.txt", 15), ("requirements-demo.txt", 4), ("tests/requirements.txt", 15)]
)
def test_row_68_supply_chain_requirements_are_pinned_with_hashes(name, more_than):
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.strip().startswith("#")]
    assert len(lines) > more_than
    for line in lines:
        requirement, *rest = line.split()
        assert "==" in requirement, line
        assert rest, line
        hashes = [word for word in rest if word.startswith("--hash=sha256:") and len(word) == 14 + 64]
        assert hashes, line
        assert "://" not in line, line
        assert "@" not in requirement, line
        assert not requirement.startswith("-"), line


def test_row_68_supply_chain_install_requires_hashes_and_wheels():
    installs = (ROOT / "Makefile").read_text()
    (pip,) = [line for line in installs.splitlines() if line.startswith("PIP :=")]
    assert "--require-hashes" in pip
    assert "--only-binary :all:" in pip
    others = [
        line for line in installs.splitlines() if "pip" in line and "install" in line and not line.startswith("PIP")
    ]
    assert all("--no-index" in line and "--no-deps" in line for line in others)


def test_row_68_supply_chain_demo_packages_are_not_in_production():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    production, demo = project["dependencies"], project["optional-dependencies"]["demo"]
    # setuptools builds the package, and is therefore pinned beside what the package imports
    assert names_in(lines_of("requirements.in")) == names_in(production) | {"setuptools"}
    assert names_in(lines_of("requirements-demo.in")) == names_in(demo)
    pinned = names_in(lines_of("requirements.txt"))
    assert names_in(production) <= pinned
    assert not names_in(demo) & pinned


def lines_of(name):
    """The lines of a requirements file that name a package."""
    lines = [line.strip() for line in (ROOT / name).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def names_in(requirements):
    return {re.split(r"[\[>=;]", line)[0] for line in requirements}


def test_row_68_supply_chain_vulnerable_versions_are_excluded():
    """Authlib before 1.9.9 accepts unsigned JSON tokens and public keys as secrets; `casbin` became `pycasbin`."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert "authlib>=1.9.9" in named
    pinned = dict(
        line.split()[0].split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line
    )
    assert tuple(map(int, pinned["authlib"].split("."))) >= (1, 9, 9)
    assert "casbin" not in pinned


def test_row_56_bijlage_is_never_parsed_or_decompressed():
    """A decompression bomb needs a parser. No module opens a PDF, an archive or an image."""
    openers = {"zipfile", "gzip", "zlib", "bz2", "lzma", "tarfile", "PIL", "pypdf", "fpdf", "pikepdf", "xml", "lxml"}
    found = {name_of(p) for p in modules() if any(name.split(".")[0] in openers for name in imports(p))}
    assert found == {"machtiging/cli/demo/pdf.py"}  # it makes the letters of the demo
