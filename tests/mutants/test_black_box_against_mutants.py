"""The black-box tests against mutants of our server. Each removed check is detected by its named tests."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.builders.database import create_database_clone, drop_database
from tests.interop.black_box_runner import BLACK_BOX, read_outcomes, run_black_box_here
from tests.interop.forkserver import forked_process
from tests.mutants import MUTANTS
from tests.protocol.black_box.our_server import described, serve, wait_until

pytestmark = pytest.mark.whole

_PARALLEL_MUTANTS = 2
_BLACK_BOX_TIMEOUT = 300
TEST = "test_mutant_is_detected_by_its_named_tests"
# A patch that no longer fits the code crashes. The tests fail then too, but not because the check is missing.
CRASH = re.compile(r"\b(AttributeError|NameError|TypeError)\b")
FUNCTIONS = "\n".join(path.read_text() for path in sorted((ROOT / BLACK_BOX).glob("test_*.py")))


def run_against_mutant(url: str, name: str, place: Path) -> dict[str, str]:
    target, config = described(url, place, mutant=name)
    report, log = place / "report.xml", place / "server.log"
    with forked_process(log, serve, str(config)) as server:
        wait_until(target.exists, lambda: not server.is_alive(), log)
        with forked_process(
            place / "black_box.log", run_black_box_here, str(target), MUTANTS[name].caught_by
        ) as black_box:
            black_box.join(_BLACK_BOX_TIMEOUT)
    assert report.exists(), (place / "black_box.log").read_text()[-3000:]
    assert CRASH.search(log.read_text()) is None, log.read_text()[-3000:]
    return read_outcomes(report)


@pytest.fixture(scope="module")
async def outcomes(request, template_url, tmp_path_factory):
    """The outcomes for each mutant of this run; each mutant has its own database."""
    names = {item.callspec.params["name"] for item in request.session.items if item.originalname == TEST}
    limit = asyncio.Semaphore(_PARALLEL_MUTANTS)

    def run_or_report(url: str, name: str, place: Path) -> dict[str, str]:
        try:
            return run_against_mutant(url, name, place)
        except AssertionError as error:  # this mutant could not run; the others can
            return {"": str(error)}

    async def run_on_clone(name: str) -> tuple[str, dict[str, str]]:
        async with limit:
            url = await create_database_clone(template_url)
            found = await asyncio.to_thread(run_or_report, url, name, tmp_path_factory.mktemp(name))
            await drop_database(url)
            return name, found

    return dict(await asyncio.gather(*map(run_on_clone, sorted(names))))


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_names_existing_black_box_tests(name):
    assert MUTANTS[name].caught_by
    assert [test for test in MUTANTS[name].caught_by if f"def {test}(" not in FUNCTIONS] == []


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_detected_by_its_named_tests(outcomes, name):
    """At least one case of every named test fails."""
    found = {test.split("[")[0] for test, outcome in outcomes[name].items() if outcome == "failed"}
    assert found >= set(MUTANTS[name].caught_by), outcomes[name]
