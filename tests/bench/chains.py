"""Reading, listing, introspection and refresh: a chain of three beside one of one.

Reading and listing are measured again when the organisation has ten thousand clients.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from joserfc.jwk import ECKey

from machtiging.app import create_app
from tests.bench import rounds, statements
from tests.bench.load import Plan
from tests.bench.processes import MeasuredServer, Round, load
from tests.bench.reading import (
    CONNECTIONS,
    LIST_PATH,
    build_request,
    our_worker,
    request_for,
    settings_for,
    wait_until_sealed,
)
from tests.bench.rounds import Goal, Row
from tests.bench.seeds import OurSeeds
from tests.bench.tokens import TokenPeer, register_with_us
from tests.bench.world import BenchWorld, Holding, Reading, as_owner
from tests.storage.plans.query_plans import grow

CLIENTS = 10_000
_BESIDE = "chain of one"
_TENTH_LESS = Goal(">= 0.90 x a chain of one", at_least=0.9)
_TENTH_MORE = Goal("<= 1.10 x a chain of one", at_most=1.1)
_FIGURES = (
    ("answers per second", "/s", "per_second", _TENTH_LESS),
    # Milliseconds of one request are seconds of a thousand.
    ("worker's processor time per 1,000 requests", "s", "cpu_ms", _TENTH_MORE),
    ("median time to answer", "ms", "median_ms", None),
)
# The new rows of one client: a root, a link to the team and a link to the employee, each with its agreement.
_CLIENTS = """CREATE TEMPORARY TABLE client AS
    SELECT gen_random_uuid() AS citizen, gen_random_uuid() AS root, gen_random_uuid() AS middle,
        gen_random_uuid() AS leaf FROM generate_series(1, {count})"""
_LINK = """INSERT INTO machtiging OVERRIDING USER VALUE
    SELECT (jsonb_populate_record(link, jsonb_strip_nulls(jsonb_build_object(
        'id', client.{own}, 'parent_id', {parent}, 'vertegenwoordigde_id', client.citizen)))).*
    FROM machtiging link, client WHERE link.id = $1"""
_AGREEMENT = """INSERT INTO agreement OVERRIDING USER VALUE
    SELECT (jsonb_populate_record(agreed, jsonb_build_object('machtiging_id', client.{own}))).*
    FROM agreement agreed, client WHERE agreed.machtiging_id = $1"""
_ANCESTORS = """SELECT leaf.id AS leaf, middle.id AS middle, middle.parent_id AS root
    FROM machtiging leaf JOIN machtiging middle ON middle.id = leaf.parent_id WHERE leaf.id = $1"""


async def measure(world: BenchWorld, place: Path, *, quick: bool) -> list[Row]:
    """The rows of the table about chains."""
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    ids, person = await register_with_us(world, key)
    with our_worker(world, place) as worker:
        app = TokenPeer(worker, world.issuer, ids["app"], "/token", "/introspect", key)
        bench = _ChainBench(world, app, OurSeeds(world, person), place, quick=quick)
        rows = [*await bench.measure_reading(), *await bench.measure_tokens()]
        await _add_clients(world, CLIENTS)
        return [*rows, *await bench.measure_reading(f", at {CLIENTS:,} clients")]


async def _add_clients(world: BenchWorld, count: int) -> None:
    """Give the organisation so many clients more, each with a letter. Nobody reads them: their MACs are copies."""
    async with as_owner(world.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_CLIENTS.format(count=count))
        found = await connection.fetchrow(_ANCESTORS, world.chain_readings[0].holding.machtiging_id)
        assert found is not None
        for own, parent in (("root", "NULL::uuid"), ("middle", "client.root"), ("leaf", "client.middle")):
            await connection.execute(_LINK.format(own=own, parent=parent), found[own])
            await connection.execute(_AGREEMENT.format(own=own), found[own])
        await grow(connection, "bericht", count, sender_reference="'client-' || n")
        await connection.execute("ANALYZE")


@dataclass(frozen=True)
class _Side:
    """The letters of one length of chain, and who reads them."""

    readings: list[Reading]

    @property
    def holdings(self) -> list[Holding]:
        return list(dict.fromkeys(reading.holding for reading in self.readings))


class _ChainBench:
    def __init__(self, world: BenchWorld, app: TokenPeer, seeds: OurSeeds, place: Path, *, quick: bool) -> None:
        self._world, self._app, self._seeds, self._place = world, app, seeds, place
        self._rounds, self._total, self._refreshes = (3, 600, 150) if quick else (9, 1500, 300)
        self._sides = (_Side(world.chain_readings), _Side(world.readings))

    @property
    def _worker(self) -> MeasuredServer:
        return self._app.server

    async def measure_reading(self, how: str = "") -> list[Row]:
        """Read a letter, and list a box."""
        rows = []
        for part, path in (("read", None), ("list", LIST_PATH)):
            rows += await self._compare(f"{part} under a chain of three{how}", partial(self._read, path), self._total)
            counts = [len(await self._count_reading(side, path)) for side in self._sides]
            rows.append(_compare_statements(f"{part} under a chain of three{how}", counts))
        return rows

    async def measure_tokens(self) -> list[Row]:
        """Introspect a token, and refresh one."""
        tokens = {id(side): await self._issue_tokens(side) for side in self._sides}

        async def introspect(side: _Side, total: int) -> list[str]:
            live = tokens[id(side)]
            return [self._app.introspection(live[number % len(live)]) for number in range(total)]

        rows = []
        for part, requests, total in (
            ("introspect", introspect, self._total),
            ("refresh", self._refresh, self._refreshes),
        ):
            rows += await self._compare(f"{part} under a chain of three", requests, total)
            counts = [len(await self._count_posts(await requests(side, 3))) for side in self._sides]
            rows.append(_compare_statements(f"{part} under a chain of three", counts))
        return rows

    async def _compare(
        self, part: str, requests: Callable[[_Side, int], Awaitable[list[str]]], total: int
    ) -> list[Row]:
        async def measure_side(side: _Side) -> Round:
            plan = Plan(self._worker.port, CONNECTIONS, total, 200, await requests(side, total))
            result = await load(self._worker, plan, self._place)
            await wait_until_sealed(self._world)
            return result

        three, one = await rounds.interleave(self._rounds, [partial(measure_side, side) for side in self._sides])
        return [
            rounds.compare(
                part, what, unit, [getattr(r, name) for r in three], _BESIDE, [getattr(r, name) for r in one], goal
            )
            for what, unit, name, goal in _FIGURES
        ]

    async def _read(self, path: str | None, side: _Side, _total: int) -> list[str]:
        if path is None:
            return [request_for(self._world, reading) for reading in side.readings]
        return [build_request(self._world, path, reading.token) for reading in side.readings]

    async def _refresh(self, side: _Side, total: int) -> list[str]:
        tokens = await self._seeds.refresh_tokens(self._app.client_id, total, None, side.holdings)
        return [self._app.refreshing(token) for token in tokens]

    async def _issue_tokens(self, side: _Side) -> list[str]:
        """An access token of the app for each machtiging."""
        wires = await self._refresh(side, len(side.holdings))
        return [str((await self._app.ask_successfully(wire))["access_token"]) for wire in wires]

    async def _count_reading(self, side: _Side, path: str | None) -> list[str]:
        reading = side.readings[-1]
        app = create_app(settings_for(self._world))
        _, later = await statements.of_one_request(app, path or f"{LIST_PATH}/{reading.bericht_id}", reading.token)
        return later

    async def _count_posts(self, wires: list[str]) -> list[str]:
        app = create_app(settings_for(self._world))
        found = await statements.of_posts(app, wires)
        await statements.dispose(app)
        return found


def _compare_statements(part: str, counts: list[int]) -> Row:
    three, one = (float(count * 1_000) for count in counts)
    return rounds.compare(part, "statements per 1,000 requests", "", [three], _BESIDE, [one], _TENTH_MORE)
