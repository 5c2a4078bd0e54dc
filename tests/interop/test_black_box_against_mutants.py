"""The black-box tests against mutants of our server: each removed check is detected by its named tests."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from tests.architecture.sources import ROOT
from tests.builders.black_box_ours import described, serve, wait_until
from tests.builders.database import admin, dsn
from tests.builders.forks import forked
from tests.builders.mutants import MUTANTS
from tests.builders.pack import PACK, hold_pack_against, outcomes_in

_AT_ONCE = 2
_PATIENCE = 300
TEST = "test_mutant_is_detected_by_its_named_tests"
FUNCTIONS = "\n".join(path.read_text() for path in sorted((ROOT / PACK).glob("test_*.py")))


def broken(url: str, name: str, place: Path) -> dict[str, str]:
    target, config = described(url, place, mutant=name)
    report, log = place / "report.xml", place / "server.log"
    with forked(log, serve, str(config)) as server:
        wait_until(target.exists, lambda: not server.is_alive(), log)
        with forked(place / "pack.log", hold_pack_against, str(target), MUTANTS[name].caught_by) as pack:
            pack.join(_PATIENCE)
    assert report.exists(), (place / "pack.log").read_text()[-3000:]
    return outcomes_in(report)


@pytest.fixture(scope="module")
async def outcomes(request, postgres_url, tmp_path_factory):
    """The outcomes for each mutant of this run; each mutant has its own database."""
    asked = {item.callspec.params["name"] for item in request.session.items if item.originalname == TEST}
    gate, template = asyncio.Semaphore(_AT_ONCE), make_url(postgres_url).database

    def outcome(url: str, name: str, place: Path) -> dict[str, str]:
        try:
            return broken(url, name, place)
        except AssertionError as error:  # this mutant could not run; the others can
            return {"": str(error)}

    async def one(name: str) -> tuple[str, dict[str, str]]:
        async with gate:
            own = f"m_{uuid4().hex}"
            await admin(postgres_url, f'CREATE DATABASE "{own}" TEMPLATE "{template}" STRATEGY FILE_COPY')
            url = dsn(postgres_url, own)
            found = await asyncio.to_thread(outcome, url, name, tmp_path_factory.mktemp(name))
            await admin(postgres_url, f'DROP DATABASE "{own}" WITH (FORCE)')
            return name, found

    return dict(await asyncio.gather(*map(one, sorted(asked))))


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
