"""Part 2: reading one message over HTTP beside the floor. What a worker holds in memory and asks the database."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from machtiging.access.policy_engine import Policy
from machtiging.app import create_app
from machtiging.settings import Environment, Settings
from machtiging.web.structured_logging import configure_logging
from tests.bench import floor, rounds, statements
from tests.bench.load import Plan
from tests.bench.processes import MeasuredServer, Round, free_port, load, server
from tests.bench.rounds import Goal, MeasurementFailed
from tests.bench.world import BenchWorld, Reading, as_owner

CONNECTIONS = 8
LIST_PATH = "/api/v1/berichten"
_PART = "read a message"
_HALF = Goal(">= 0.50 x floor", at_least=0.5)
_MEMORY_MIB = 150
_FIGURES = (
    ("answers per second", "/s", "per_second", _HALF),
    ("worker's processor time", "ms", "cpu_ms", None),
    ("median time to answer", "ms", "median_ms", None),
    ("99th percentile", "ms", "p99_ms", None),
    ("load generator's processor time", "ms", "client_cpu_ms", None),
)
_COPY_TO_FLOOR = """INSERT INTO floor_bericht
    SELECT id, ontvanger_id, afzender_oin, dienst_code, published_at, received_at, $2 FROM bericht WHERE id = $1"""
_POLICIES = Path("policies")
_SERVE = (sys.executable, "-m", "machtiging", "serve")


# The load comes from one address with few tokens: what is measured is what counting costs, not what it refuses.
_KINDS = ("token", "person", "address")
UNLIMITED = {f"{kind}_requests_per_minute": 10_000_000 for kind in _KINDS} | {
    f"{kind}_requests_in_flight": 10_000 for kind in _KINDS
}


def settings_for(world: BenchWorld) -> Settings:
    """The service as it is delivered, on the world of the measurement."""
    named = {"issuer": world.issuer, "database_url": world.url, "keys_dir": world.keys}
    return Settings(env=Environment.TEST, **named, **UNLIMITED)


@contextmanager
def our_worker(world: BenchWorld, place: Path, command: Sequence[str] = _SERVE) -> Iterator[MeasuredServer]:
    """One worker of ours on a port of its own, started as usual, with logging."""
    port = free_port()
    environ = {
        "MACHTIGING_ENV": "test",
        "MACHTIGING_ISSUER": world.issuer,
        "MACHTIGING_DATABASE_URL": world.url,
        "MACHTIGING_KEYS_DIR": str(world.keys),
        "MACHTIGING_HOST": "127.0.0.1",
        "MACHTIGING_PORT": str(port),
        **{f"MACHTIGING_{name.upper()}": str(value) for name, value in UNLIMITED.items()},
    }
    with server("ours" if command is _SERVE else command[-1], list(command), port, place, environ=environ) as running:
        yield running


@contextmanager
def floor_worker(world: BenchWorld, key: bytes, place: Path) -> Iterator[MeasuredServer]:
    """One worker of the floor, whose letters `measure` has put there."""
    port = free_port()
    config = {
        "database": world.dsn,
        "issuer": world.issuer,
        "jwks": world.keyring.public_jwks(),
        "key": key.hex(),
        "digest": Policy.load(_POLICIES).digest,
    }
    file = place / "floor.json"
    file.write_text(json.dumps(config))
    environ = {"BENCH_PORT": str(port), "BENCH_FLOOR": str(file)}
    with server("floor", [sys.executable, "-m", "tests.bench.floor"], port, place, environ=environ) as running:
        yield running


async def measure(world: BenchWorld, place: Path, key: bytes, *, quick: bool) -> tuple[list[rounds.Row], list[str]]:
    """The rows of the table about reading, and the remarks below it. `key` is what the floor seals its letters with."""
    remarks = await _count_statements(world)
    with our_worker(world, place) as ours:
        await _furnish_floor(world, ours, key)
        with floor_worker(world, key, place) as bare:
            return await _measure(world, (ours, bare), place, quick=quick), remarks


async def _measure(
    world: BenchWorld, servers: tuple[MeasuredServer, MeasuredServer], place: Path, *, quick: bool
) -> list[rounds.Row]:
    ours, bare = servers
    requests = [request_for(world, reading) for reading in world.readings]
    total = 600 if quick else 1500

    async def by_us() -> Round:
        result = await load(ours, Plan(ours.port, CONNECTIONS, total, 200, requests), place)
        # What the sealer still has to do is ours, so it must not run in the floor's time.
        await wait_until_sealed(world)
        return result

    async def by_floor() -> Round:
        return await load(bare, Plan(bare.port, CONNECTIONS, total, 200, requests), place)

    mine, floors = await rounds.interleave(3 if quick else 7, [by_us, by_floor])
    memory = ours.resident_mib()
    rows = [
        rounds.compare(
            _PART, what, unit, [getattr(r, name) for r in mine], "floor", [getattr(r, name) for r in floors], goal
        )
        for what, unit, name, goal in _FIGURES
    ]
    goal, reached = f"< {_MEMORY_MIB} MiB", memory < _MEMORY_MIB
    return [*rows, rounds.Row("memory", "one worker, after the load", "MiB", memory, goal=goal, reached=reached)]


def request_for(world: BenchWorld, reading: Reading) -> str:
    """GET of one letter as it goes over the wire."""
    return build_request(world, f"{LIST_PATH}/{reading.bericht_id}", reading.token)


def build_request(world: BenchWorld, path: str, token: str) -> str:
    """GET with a token as it goes over the wire."""
    host = httpx.URL(world.issuer).netloc.decode()
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"


async def _furnish_floor(world: BenchWorld, ours: MeasuredServer, key: bytes) -> None:
    """Give the floor the same letters. What we answer, sealed under a key of its own."""
    told = {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ours.port}") as client:
        for reading in world.readings:
            path, headers = f"/api/v1/berichten/{reading.bericht_id}", {"authorization": f"Bearer {reading.token}"}
            told[reading.bericht_id] = (await client.get(path, headers=headers)).raise_for_status().json()
    async with as_owner(world.url) as connection:
        await connection.execute(floor.SCHEMA)
        for bericht_id, bericht in told.items():
            sealed = floor.seal(key, bericht["inhoud"], bericht_id)
            await connection.execute(_COPY_TO_FLOOR, bericht_id, sealed)
        await connection.execute("ANALYZE floor_bericht")


async def wait_until_sealed(world: BenchWorld) -> None:
    """Wait until the journal is sealed. Raises MeasurementFailed after 30 seconds."""
    until = time.monotonic() + 30
    async with as_owner(world.url) as connection:
        while await connection.fetchval("SELECT EXISTS (SELECT FROM journal_intake)"):
            if time.monotonic() > until:
                raise MeasurementFailed("the journal is not sealed within 30 s after a round")
            await asyncio.sleep(0.1)


async def _count_statements(world: BenchWorld) -> list[str]:
    reading = world.readings[-1]
    configure_logging("WARNING")  # this process shows a table, not requests
    app = create_app(settings_for(world))
    first, later = await statements.of_one_request(app, f"/api/v1/berichten/{reading.bericht_id}", reading.token)
    lines = [f"A message read says {len(later)} things to the database (the first read of a letter {len(first)}):"]
    return lines + [f"  {number}. {statement}" for number, statement in enumerate(later, start=1)]
