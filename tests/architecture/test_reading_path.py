"""The reading path of the map and of README.md is what a request runs."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import machtiging
from machtiging.web.framework_internals import list_routes
from tests.architecture.sources import PACKAGE, ROOT, nodes
from tests.builders.letters import make_pdf
from tests.builders.server import make_full_application_world

MAP = machtiging.__doc__ or ""
README = (ROOT / "README.md").read_text(encoding="utf-8")
PATH = re.findall(r"^    \d\. ([\w/]+\.py) +([\w.]+) ", MAP, re.MULTILINE)
PATH_FILES = [file for file, _ in PATH]
ALSO_FILES = re.findall(r"[\w/]+\.py", MAP.split("also runs code in")[1])
ROUTE = "/api/v1/berichten/{berichtId}"


@pytest.fixture
async def own_calls(database, clock, tmp_path) -> list[tuple[str, str]]:
    """Our functions that run while a helper reads a letter, by first call."""
    world = await make_full_application_world(database.url, clock, tmp_path)
    bericht_id = await world.deliver_letter(("brief.pdf", make_pdf(), "application/pdf"))
    called: dict[tuple[str, str], None] = {}

    def note_call(frame: Any, event: str, _argument: Any) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(PACKAGE):
            called.setdefault((file.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname))

    async with world.client(await world.issue_helper_token()) as client:
        await client.get("/health/live")  # builds the middleware
        sys.setprofile(note_call)
        try:
            answer = await client.get(ROUTE.format(berichtId=bericht_id))
        finally:
            sys.setprofile(None)
    for engine in world.app.state.services.engines:
        await engine.dispose()
    assert answer.status_code == 200
    return list(called)


async def test_reading_path_and_skipped_files_are_the_files_that_a_request_runs(own_calls):
    """If this fails: correct the lists in `machtiging/__init__.py`, and README.md for a file to read."""
    ran = {file for file, _ in own_calls}
    assert {"not named": ran - {*PATH_FILES, *ALSO_FILES}, "not run": {*PATH_FILES, *ALSO_FILES} - ran} == {
        "not named": set(),
        "not run": set(),
    }


async def test_reading_path_names_functions_in_the_order_of_their_calls(own_calls):
    assert [call for call in own_calls if call in PATH] == PATH


async def test_reading_path_begins_at_the_module_of_the_route(database, clock, tmp_path):
    app = (await make_full_application_world(database.url, clock, tmp_path)).app
    found = [route for path, route in list_routes(app) if path == ROUTE]
    (route,) = [route for route in found if "GET" in route.methods]
    assert route.endpoint.__module__.replace(".", "/") + ".py" == f"machtiging/{PATH_FILES[0]}"
    for engine in app.state.services.engines:
        await engine.dispose()


def imported_files(file: str) -> set[str]:
    """The modules of ours that this one imports from."""
    found = [node for node in nodes(PACKAGE / file) if isinstance(node, ast.ImportFrom) and node.module]
    names = {f"{node.module}.{name.name}" for node in found for name in node.names} | {str(n.module) for n in found}
    return {name.removeprefix("machtiging.").replace(".", "/") + ".py" for name in names}


@pytest.mark.parametrize("number", range(1, len(PATH)))
def test_reading_path_file_is_imported_by_an_earlier_one(number):
    assert PATH_FILES[number] in set().union(*(imported_files(file) for file in PATH_FILES[:number]))


def test_reading_path_lists_are_well_formed():
    named = [*PATH_FILES, *ALSO_FILES]
    assert len(PATH_FILES) == 8
    assert sorted(set(named)) == sorted(named)
    assert [file for file in named if not (PACKAGE / file).is_file()] == []


def test_reading_path_in_readme_is_that_of_the_map():
    section = README.split("## Read the code")[1].split("\n## ")[0]
    told = re.findall(r"^\d\. `([\w/]+\.py)`, `([\w.]+)`", section, re.MULTILINE)
    assert told == PATH
