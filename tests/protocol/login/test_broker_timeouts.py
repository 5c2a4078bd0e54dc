"""Time-outs towards the login broker: settings with bounds and defaults, enforced by the running service."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import ValidationError

from machtiging.identity.errors import LoginFailed
from machtiging.kernel.clock import SystemClock
from machtiging.settings import Settings
from tests.builders.server import make_full_application_world


def test_broker_timeouts_by_default_are_ten_and_five_seconds() -> None:
    assert (Settings().broker_timeout_seconds, Settings().broker_wait_seconds) == (10, 5)


@pytest.mark.parametrize("name", ["BROKER_TIMEOUT_SECONDS", "BROKER_WAIT_SECONDS"])
@pytest.mark.parametrize("value", ["0", "-1", "0.4", "30.1", "inf", "nan", "", "tien", "1e9"])
def test_broker_timeout_out_of_bounds_is_refused(monkeypatch, name, value) -> None:
    monkeypatch.setenv("MACHTIGING_" + name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@contextlib.asynccontextmanager
async def slow_broker(pause: float, pieces: int) -> AsyncIterator[str]:
    """A local provider that sends its discovery document in pieces, with a pause before each."""
    ends: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        port = writer.get_extra_info("sockname")[1]
        here = f"http://127.0.0.1:{port}"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        body = json.dumps({"issuer": here, **{name: f"{here}/{name}" for name in names}}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        whole = head + body
        size = len(whole) // pieces + 1
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(whole), size):
                await asyncio.sleep(pause)
                writer.write(whole[start : start + size])
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for end in ends:
            end.transport.abort()


@pytest.mark.whole
@pytest.mark.parametrize(
    ("pause", "pieces", "waits", "answers"),
    [
        (0.7, 1, {"broker_timeout_seconds": 5, "broker_wait_seconds": 0.5}, False),
        (0.7, 1, {"broker_timeout_seconds": 30, "broker_wait_seconds": 20}, True),
        (0.3, 5, {"broker_timeout_seconds": 1, "broker_wait_seconds": 5}, False),
        (0.3, 5, {"broker_timeout_seconds": 30, "broker_wait_seconds": 1.2}, True),
    ],
    ids=["silent too long", "silent", "slow on the whole", "slow"],
)
async def test_slow_broker_is_given_up_after_the_configured_timeout(
    database, tmp_path, pause, pieces, waits, answers
) -> None:
    async with slow_broker(pause, pieces) as issuer:
        world = await make_full_application_world(database.url, SystemClock(), tmp_path, broker_issuer=issuer, **waits)
        broker = world.app.state.services.broker
        try:
            if answers:
                assert (await broker.load_metadata(at=world.clock.now())).jwks_uri.startswith(issuer)
            else:
                with pytest.raises(LoginFailed, match="broker_niet_bereikbaar"):
                    await broker.load_metadata(at=world.clock.now())
        finally:
            await broker.aclose()
            for engine in world.app.state.services.engines:
                await engine.dispose()


async def test_idle_broker_connection_is_not_used_for_another_request(database, tmp_path) -> None:
    async with slow_broker(0, 1) as issuer:  # answers one request on each connection, and leaves it open
        world = await make_full_application_world(database.url, SystemClock(), tmp_path, broker_issuer=issuer)
        broker = world.app.state.services.broker
        try:
            await broker.load_metadata(at=world.clock.now())
            await asyncio.sleep(1.2)
            again = await broker.load_metadata(at=world.clock.now() + timedelta(hours=2))
            assert again.jwks_uri.startswith(issuer)
        finally:
            await broker.aclose()
            for engine in world.app.state.services.engines:
                await engine.dispose()
