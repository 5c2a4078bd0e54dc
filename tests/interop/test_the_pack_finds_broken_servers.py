"""The black-box tests, held against ours with one guard taken away at a time: each must be noticed by name."""

import asyncio
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from tests.builders.black_box_ours import ours
from tests.builders.mutants import MUTANTS
from tests.interop.conftest import PACK, run_pack

_AT_ONCE = 2
FUNCTIONS = "\n".join(path.read_text() for path in sorted((ROOT / PACK).glob("test_*.py")))


def broken(url: str, name: str, place: Path) -> dict[str, str]:
    with ours(url, place, mutant=name) as target:
        return run_pack(target, *MUTANTS[name].caught_by)


@pytest.fixture(scope="module")
async def outcomes(shared_database, tmp_path_factory):
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[str, dict[str, str]]:
        async with gate:
            return name, await asyncio.to_thread(broken, shared_database, name, tmp_path_factory.mktemp(name))

    return dict(await asyncio.gather(*map(one, MUTANTS)))


@pytest.mark.parametrize("name", MUTANTS)
def test_every_broken_server_is_said_to_be_found_by_a_test_that_exists(name):
    assert MUTANTS[name].caught_by
    assert [test for test in MUTANTS[name].caught_by if f"def {test}(" not in FUNCTIONS] == []


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_server_is_found_by_each_test_that_says_so(outcomes, name):
    """At least one case of every named test fails."""
    found = {test.split("[")[0] for test, outcome in outcomes[name].items() if outcome == "failed"}
    assert found >= set(MUTANTS[name].caught_by), outcomes[name]
