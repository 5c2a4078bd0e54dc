"""A thousand clients beside sixty, and a million machtigingen beside ten thousand.

The pages come from the real application, in this process. `python -m tests.bench.caseload [--quick] [--rows N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
from fastapi import FastAPI
from rich.console import Console
from sqlalchemy import make_url

from machtiging.app import create_app
from machtiging.crypto.keyring import KeyRing, generate_key_ring
from machtiging.identity.csrf import CSRF_HEADER
from machtiging.identity.session import SESSION_COOKIE
from machtiging.settings import Environment, Settings
from machtiging.web.structured_logging import configure_logging
from tests.bench import rounds, statements
from tests.bench.caseload_world import BenchOffice, OfficeSize, Say, add_background, case_reference, make_office
from tests.bench.reading import UNLIMITED
from tests.bench.rounds import Goal, MeasurementFailed, Row
from tests.bench.world import as_owner, database, sessions_of
from tests.builders.people import start_login_session
from tests.storage.plans.query_plans import recorded

_PART = "caseload"
_ISSUER = "http://localhost:8000"
_SMALL = OfficeSize("90000001", clients=120, employees=20, own=60, letters=50, unassigned=60)
_LARGE = OfficeSize("90000002", clients=10_000, employees=500, own=1_000, letters=50, unassigned=500)
_QUICK = replace(_LARGE, clients=2_000, employees=50)
MILLION = 1_000_000
_THREE_TIMES = Goal("<= 3 x with 60 clients", at_most=3.0)
_GROWTH = Goal("<= 1.3 x without the others", at_most=1.3)
_MOST_STATEMENTS = 4
_TABLE = "/werk/clienten"
_PAGES = (
    ("inbox of all clients", "/werk"),
    ("inbox, by what ends soon, unread", "/werk?volgorde=einddatum&ongelezen=ja"),
    ("client table by unread, with counts", _TABLE),
    ("client table by end date", f"{_TABLE}?volgorde=einddatum"),
    ("client table by assigned since", f"{_TABLE}?volgorde=toegewezen"),
    ("client table by case reference", f"{_TABLE}?volgorde=zaakkenmerk"),
    ("client table, ends within 30 days", f"{_TABLE}?toon=bijna-voorbij"),
    ("search a surname", f"{_TABLE}?zoek=linden"),
    ("search a case reference", f"{_TABLE}?zoek={case_reference(7)}"),
    ("client page", f"{_TABLE}/{{leaf}}"),
)
_BY_NAME = f"{_TABLE}?volgorde=naam"
_ASSIGNING = "/api/v1/toewijzingen"
_AROUND = ("BEGIN", "COMMIT", "ROLLBACK", "SET ")
_CACHE = Path(__file__).parents[2] / ".cache" / "bench"


@dataclass
class _Desk:
    """The first employee of an organisation, logged in on one application."""

    app: FastAPI
    office: BenchOffice
    http: httpx.AsyncClient
    turn: int = 0

    async def open_page(self, path: str) -> float:
        """Open a page and return the seconds that it took. Raises MeasurementFailed."""
        began = time.perf_counter()
        answer = await self.http.get(path.format(leaf=self.office.leaves[7]))
        seconds = time.perf_counter() - began
        if answer.status_code != httpx.codes.OK or "/werk" not in answer.text:
            raise MeasurementFailed(f"{path}: {answer.status_code} {answer.text[:300]}")
        return seconds

    async def open_pages(self, path: str, times: int) -> float:
        """Open it so many times; the milliseconds of one."""
        return sum([await self.open_page(path) for _ in range(times)]) / times * 1000

    async def assign(self) -> float:
        """Assign all clients without a reader to the next employee; the milliseconds of one client."""
        self.turn += 1
        listed = await self.http.get(_ASSIGNING)
        items = [
            {"machtigingId": str(one), "medewerkerId": str(self.office.employees[self.turn])}
            for one in self.office.unassigned
        ]
        began = time.perf_counter()
        headers = {CSRF_HEADER: listed.headers[CSRF_HEADER], "Origin": _ISSUER}
        answer = await self.http.post(_ASSIGNING, json={"toewijzingen": items}, headers=headers)
        seconds = time.perf_counter() - began
        results = answer.json().get("resultaten", [])
        if len(results) != len(items) or any(one["resultaat"] != "toegewezen" for one in results):
            raise MeasurementFailed(f"assign: {answer.status_code} {answer.text[:300]}")
        return seconds / len(items) * 1000


@asynccontextmanager
async def _open_desks(url: str, keys: Path, offices: Sequence[BenchOffice]) -> AsyncIterator[list[_Desk]]:
    named = {"issuer": _ISSUER, "database_url": url, "keys_dir": keys}
    app = create_app(Settings(env=Environment.TEST, **named, **UNLIMITED))
    desks = []
    async with AsyncExitStack() as stack:
        for office in offices:
            token = await start_login_session(app.state.services, office.worker, kvk=office.size.kvk)
            headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Accept": "text/html,application/json"}
            transport = httpx.ASGITransport(app=app)
            client = httpx.AsyncClient(transport=transport, base_url=_ISSUER, headers=headers, timeout=600)
            desks.append(_Desk(app, office, await stack.enter_async_context(client)))
        try:
            yield desks
        finally:
            await statements.dispose(app)


async def measure(place: Path, *, quick: bool, rows: int, say: Say) -> tuple[list[Row], list[str]]:
    """The rows of the table about a caseload, and the remarks below it."""
    configure_logging("WARNING")  # this process shows a table, not requests
    keys = place / "keys-caseload"
    generate_key_ring(keys)
    async with database(place / "caseload") as url:
        keyring = KeyRing.load(keys)
        async with sessions_of(url, keyring) as sessions:
            sizes = (_SMALL, _QUICK if quick else _LARGE)
            offices = [await make_office(sessions, keyring, size, say) for size in sizes]
        async with as_owner(url) as connection:
            await connection.execute("VACUUM ANALYZE")
        grown = await _copy_database(url)
        say("Comparing with sixty clients ...")
        async with _open_desks(url, keys, offices) as (small, large):
            bench = _CaseloadBench(small, large, quick=quick, say=say)
            remarks = await bench.count_statements()
            compared = await bench.compare_sizes()
        await add_background(grown, offices[1], rows, say)
        say("Comparing with the others in the database ...")
        async with _open_desks(url, keys, offices) as (_, alone), _open_desks(grown, keys, offices) as (_, crowded):
            bench = _CaseloadBench(alone, crowded, quick=quick, say=say)
            return compared + await bench.compare_growth(rows), remarks


async def _copy_database(url: str) -> str:
    """Copy the database beside itself, and return the address of the copy."""
    address = make_url(url)
    name = f"{address.database}_grown"
    async with as_owner(address.set(database="template1").render_as_string(hide_password=False)) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{address.database}"')
    return address.set(database=name).render_as_string(hide_password=False)


@dataclass
class _CaseloadBench:
    """Two desks to compare."""

    first: _Desk
    second: _Desk
    quick: bool
    say: Say

    async def compare_sizes(self) -> list[Row]:
        """Compare every page with the same of the smaller office."""
        number = f"{self.second.office.size.own:,} clients"
        found = [
            await self._compare_page(f"{what}, {number}", path, "60 clients", _THREE_TIMES) for what, path in _PAGES
        ]
        found.append(
            await self._compare_page(
                f"clients of the organisation, {self.second.office.size.clients:,}",
                "/organisatie",
                "120 clients",
                _THREE_TIMES,
            )
        )
        return [*found, await self._compare_names(), await self._compare_assigning()]

    async def compare_growth(self, rows: int) -> list[Row]:
        """Compare every page with the same in a database with so many machtigingen."""
        beside = f"{self.first.office.size.clients:,}"
        return [
            await self._compare_page(f"{what}, {rows:,} machtigingen", path, beside, _GROWTH) for what, path in _PAGES
        ]

    async def count_statements(self) -> list[str]:
        """Count the statements of each page, with few clients and with many."""
        lines = ["Statements of a page of the caseload, with the session and without BEGIN and COMMIT:"]
        for what, path in (*_PAGES, ("client table by name", _BY_NAME)):
            counts = [await _count_statements(desk, path) for desk in (self.first, self.second)]
            verdict = "" if max(counts) <= _MOST_STATEMENTS else f" NOT at most {_MOST_STATEMENTS}"
            lines.append(f"  {what}: {counts[0]} with 60 clients, {counts[1]} with many{verdict}")
        return lines

    async def _compare_page(self, what: str, path: str, beside: str, goal: Goal) -> Row:
        self.say(f"{what} ...")
        times = 1 if self.quick else 3
        sides = [partial(desk.open_pages, path, times) for desk in (self.second, self.first)]
        ours, theirs = await rounds.interleave(3 if self.quick else 7, sides)
        return rounds.compare(_PART, what, "ms", ours, beside, theirs, goal)

    async def _compare_names(self) -> Row:
        desk, times = self.second, 1 if self.quick else 3
        sides = [partial(desk.open_pages, path, times) for path in (_BY_NAME, f"{_TABLE}?volgorde=einddatum")]
        ours, theirs = await rounds.interleave(3 if self.quick else 7, sides)
        what = f"client table by name, {desk.office.size.own:,} clients"
        return rounds.compare(_PART, what, "ms", ours, "by end date", theirs)

    async def _compare_assigning(self) -> Row:
        self.say("Assigning ...")
        ours, theirs = await rounds.interleave(2 if self.quick else 4, [self.second.assign, self.first.assign])
        many, few = (len(desk.office.unassigned) for desk in (self.second, self.first))
        what = f"assign {many} in one call, for one client"
        return rounds.compare(_PART, what, "ms", ours, f"assign {few}", theirs, _THREE_TIMES)


async def _count_statements(desk: _Desk, path: str) -> int:
    """Count the statements of a page that was opened before."""
    await desk.open_page(path)
    with recorded(*desk.app.state.services.engines) as heard:
        await desk.open_page(path)
        await asyncio.sleep(0)  # the driver tells what it was told a moment later
    return len([one for one in heard if not one.statement.startswith(_AROUND)])


def main() -> None:
    """Measure only this part."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.caseload", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer clients and rounds")
    parser.add_argument("--rows", type=int, default=MILLION, help="machtigingen in the grown database")
    asked = parser.parse_args()
    os.chdir(_CACHE.parents[1])
    _CACHE.mkdir(parents=True, exist_ok=True)
    console = Console(width=max(Console().width, 170))
    place = Path(tempfile.mkdtemp(prefix="run-", dir=_CACHE))
    try:
        rows, remarks = asyncio.run(measure(place, quick=asked.quick, rows=asked.rows, say=console.print))
    except MeasurementFailed as failed:
        raise SystemExit(f"Nothing was measured: {failed}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    console.print(rounds.build_table(rows))
    console.print("\n".join(remarks), highlight=False, markup=False)


if __name__ == "__main__":
    main()
