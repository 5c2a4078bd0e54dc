"""The assembled service with low rate limits, and callers with their own addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from machtiging.identity.session import SESSION_COOKIE
from machtiging.kernel.ids import PersonId
from tests.builders.letters import BerichtenboxWorld
from tests.builders.people import start_login_session
from tests.builders.server import make_full_application_world

PROXY = "10.0.0.5"
LOW = {"token_requests_per_minute": 5, "person_requests_per_minute": 8, "address_requests_per_minute": 10}


async def make_limited_world(url: str, clock: Any, place: Path, **settings: Any) -> BerichtenboxWorld:
    """Everything that `create_app` joins, with low limits and one named proxy."""
    return await make_full_application_world(url, clock, place, **{**LOW, "forwarding_proxies": PROXY, **settings})


def caller(
    world: BerichtenboxWorld, address: str = "203.0.113.1", token: str | None = None, **headers: str
) -> httpx.AsyncClient:
    """Somebody whose connection comes from this address."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url=world.app.state.services.issuer, headers=given)


async def log_in_for_cookie(world: BerichtenboxWorld, person: PersonId) -> str:
    """The Cookie header of a browser in which this person has just logged in."""
    return f"{SESSION_COOKIE}={await start_login_session(world.app.state.services, person)}"


async def statuses(client: httpx.AsyncClient, path: str, times: int, method: str = "GET", **given: Any) -> list[int]:
    """The statuses of so many requests, one after the other."""
    return [(await client.request(method, path, **given)).status_code for _ in range(times)]
