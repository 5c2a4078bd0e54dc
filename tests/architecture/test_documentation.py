"""README.md and docs/: named commands, options, paths, settings and links exist."""

import re
from pathlib import Path

import pytest
import typer

import machtiging
from machtiging.cli import app
from machtiging.crypto.keystore import ENVIRONMENT_PREFIX
from machtiging.settings import Settings
from tests.architecture.sources import PACKAGE, ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "keys" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"\.?[\w-]+(/[\w.*-]+)*(/|/[\w*-]+|\.(py|md|csv|conf|toml|yaml|txt|json|in|ini))")
# Files that appear at set-up or at run time, and are in no checkout.
MADE_LATER = re.compile(r"\.(venv|data|cache)/.*|keys\.json|.*\.key")
# A word with a slash that is no path: the type of a token, of a body.
NO_PATH = re.compile(r"(application|text|multipart)/[\w+-]+")


def text(path):
    return path.read_text(encoding="utf-8")


def name(path):
    return str(path.relative_to(ROOT))


def commands_that_exist():
    for word, command in COMMANDS.commands.items():
        if hasattr(command, "commands"):
            yield from (f"{word} {below}" for below in command.commands)
        else:
            yield word


def commands_in_the_table():
    table = text(README).split("| command |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        first = line.split("|")[1]
        yield from (" ".join(w for w in said.split() if not w.isupper()) for said in CODE.findall(first))


def options_of(command):
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def every_option(command):
    return options_of(command).union(*(every_option(below) for below in getattr(command, "commands", {}).values()))


def test_readme_command_table_matches_the_command_line():
    told = list(commands_in_the_table())
    assert sorted(told) == sorted(commands_that_exist())
    assert len(told) > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documented_commands_and_options_exist(document):
    known, groups = set(commands_that_exist()), set(COMMANDS.commands)
    for said in re.findall(r"`(?:\.venv/bin/)?machtiging ([a-z][^`]*)`", text(document)):
        words = said.split()
        assert words[0] in groups, said
        if hasattr(COMMANDS.commands[words[0]], "commands"):
            assert " ".join(words[:2]) in known, said
    options = {word for said in CODE.findall(text(document)) for word in said.split() if word.startswith("--")}
    assert options <= every_option(COMMANDS) | {"--help"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documented_make_targets_exist(document):
    targets = set(re.findall(r"^([a-z][a-z-]*):", text(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text(document), re.MULTILINE))
    assert named <= targets
    assert named or document != README


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documented_environment_variables_are_settings(document):
    settings = {f"MACHTIGING_{field.upper()}" for field in Settings.model_fields}
    named = set(re.findall(r"\bMACHTIGING_[A-Z][A-Z0-9_]*", text(document)))
    assert {word for word in named - settings if not word.startswith(ENVIRONMENT_PREFIX)} == set()


def test_every_setting_has_a_description():
    assert [field for field, info in Settings.model_fields.items() if not (info.description or "").strip()] == []


def paths_in(document):
    for said in CODE.findall(text(document)):
        path = said.split("::")[0]
        if FILE.fullmatch(path) and not MADE_LATER.fullmatch(path) and not NO_PATH.fullmatch(path):
            yield path


def exists(path, document):
    """Check for the path at the root, in the package, and beside the document."""
    return any(any(place.glob(path.rstrip("/"))) for place in (ROOT, PACKAGE, document.parent))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documented_paths_exist(document):
    assert [path for path in paths_in(document) if not exists(path, document)] == []


def test_path_recognition_finds_known_paths():
    assert {"docs/operations.md", "machtiging/__init__.py", "policies/README.md"} <= set(paths_in(README))
    assert ".ci/run" in set(paths_in(README))
    assert not exists("docs/does-not-exist.md", README)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_documentation_links_resolve(document):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text(document))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_package_docstring_lists_every_package():
    the_map = (machtiging.__doc__ or "").split("import each other.")[1].split('"A helper')[0]
    told = [part for row in re.findall(r"^    (\w+(?:, \w+)*)  ", the_map, re.MULTILINE) for part in row.split(", ")]
    there = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(told) == sorted(there)


def test_documents_to_check_are_found():
    assert {Path(name(document)).name for document in DOCUMENTS} >= {"README.md", "operations.md", "threat-model.md"}
