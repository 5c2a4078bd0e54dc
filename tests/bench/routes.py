"""`python -m tests.bench.routes [rounds]`: direct routes beside ordinary FastAPI routes, in turns.

Decision 0017 has the outcome. The ratio is ordinary / direct; the processor time is that of the worker.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from joserfc.jwk import ECKey

from tests.bench import rounds
from tests.bench.load import Plan
from tests.bench.processes import MeasuredServer, Round, load
from tests.bench.reading import CONNECTIONS, our_worker, request_for, wait_until_sealed
from tests.bench.seeds import OurSeeds
from tests.bench.tokens import TokenPeer, register_with_us
from tests.bench.world import BenchWorld, database, make_world

_ROOT = Path(__file__).parents[2]
_ISSUER = "http://localhost:8000"
_ORDINARY = [sys.executable, "-m", "tests.bench.ordinary_routes"]
_FIGURES = {"answers per second": "per_second", "worker's processor time, ms": "cpu_ms"}
MakeRequests = Callable[[TokenPeer, int], Awaitable[list[str]]]


async def measure(count: int) -> None:
    """Print the ratios of each endpoint, over this many pairs of rounds."""
    place = Path(tempfile.mkdtemp(prefix="routes-"))
    async with database(place) as url:
        world = await make_world(url, place, _ISSUER)
        key = ECKey.generate_key("P-256", private=True, auto_kid=True)
        ids, person = await register_with_us(world, key)
        with our_worker(world, place) as direct, our_worker(world, place, _ORDINARY) as ordinary:
            peers = [_peer_of(world, server, ids["app"], key) for server in (ordinary, direct)]
            for what, total, make_requests in await _list_parts(world, peers[0], OurSeeds(world, person)):
                sides = [partial(_measure_side, world, peer, total, make_requests, place) for peer in peers]
                _print_ratios(what, *await rounds.interleave(count, sides))


def _peer_of(world: BenchWorld, server: MeasuredServer, client_id: str, key: ECKey) -> TokenPeer:
    return TokenPeer(server, world.issuer, client_id, "/token", "/introspect", key)


async def _list_parts(world: BenchWorld, peer: TokenPeer, seeds: OurSeeds) -> list[tuple[str, int, MakeRequests]]:
    holdings = list(dict.fromkeys(reading.holding for reading in world.readings))

    async def refresh(asked: TokenPeer, total: int) -> list[str]:
        tokens = await seeds.refresh_tokens(asked.client_id, total, None, holdings)
        return [asked.refreshing(token) for token in tokens]

    wires = await refresh(peer, len(holdings))
    live = [str((await peer.ask_successfully(wire))["access_token"]) for wire in wires]

    async def introspect(asked: TokenPeer, total: int) -> list[str]:
        return [asked.introspection(live[number % len(live)]) for number in range(total)]

    async def read(_asked: TokenPeer, _total: int) -> list[str]:
        return [request_for(world, reading) for reading in world.readings]

    return [("read a message", 1200, read), ("introspect", 1200, introspect), ("refresh", 300, refresh)]


async def _measure_side(
    world: BenchWorld, peer: TokenPeer, total: int, make_requests: MakeRequests, place: Path
) -> Round:
    plan = Plan(peer.server.port, CONNECTIONS, total, 200, await make_requests(peer, total))
    result = await load(peer.server, plan, place)
    await wait_until_sealed(world)
    return result


def _print_ratios(what: str, ordinary: list[Round], direct: list[Round]) -> None:
    for figure, name in _FIGURES.items():
        found = rounds.compare(
            what, figure, "", [getattr(r, name) for r in ordinary], "direct", [getattr(r, name) for r in direct], None
        )
        assert found.ratio is not None
        middle, least, most = found.ratio
        print(f"{what}, {figure}: {middle:.3f} ({least:.3f} - {most:.3f})", flush=True)


if __name__ == "__main__":
    os.chdir(_ROOT)
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
