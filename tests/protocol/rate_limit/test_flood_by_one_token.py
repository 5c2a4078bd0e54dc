"""A flood by one token on a hundred connections does not affect others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.kernel.clock import SystemClock
from tests.builders.rows import JOURNAL_INTAKE
from tests.builders.server import make_full_application_world, serve_application
from tests.protocol.rate_limit.limited_service import log_in_for_cookie

pytestmark = pytest.mark.whole
CONNECTIONS, PIPELINED = 100, 10
BERICHTEN_URL = f"{API_PREFIX}/berichten"


@pytest.fixture
async def whole_world(database, tmp_path):
    """The whole application on the system clock."""
    made = await make_full_application_world(database.url, SystemClock(), tmp_path)
    yield made
    for engine in made.app.state.services.engines:
        await engine.dispose()


async def send_flood(server, token, answers):
    """Send pipelined requests on one connection and collect the statuses."""
    request = f"GET {BERICHTEN_URL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await server.connect()
            try:
                writer.write(request * PIPELINED)
                for _ in range(PIPELINED):
                    head = await reader.readuntil(b"\r\n\r\n")
                    answers.append(int(head.split(b" ", 2)[1]))
                    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                    await reader.readexactly(int(length.split(b":")[1]))
            except asyncio.IncompleteReadError:
                pass
            finally:
                writer.transport.abort()


async def wait_until(true):
    async with asyncio.timeout(180):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
async def flood_of_requests(whole_world):
    """A server under requests with one token, and their responses."""
    token, answers = await whole_world.issue_helper_token(), []
    async with serve_application(whole_world.app) as server:
        tasks = [asyncio.create_task(send_flood(server, token, answers)) for _ in range(CONNECTIONS)]
        await wait_until(lambda: len(answers) >= CONNECTIONS)
        yield server, answers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_flood_by_one_token_leaves_other_callers_served(whole_world, flood_of_requests):
    server, answers = flood_of_requests
    cookie = await log_in_for_cookie(whole_world, whole_world.citizen)
    async with asyncio.timeout(180), server.client(await whole_world.issue_token(whole_world.citizen)) as client:
        for _ in range(5):
            assert (await client.get(BERICHTEN_URL)).status_code == 200
        browser = {"Cookie": cookie, "Accept": "text/html"}
        client.timeout = 60
        client.headers.pop("Authorization")
        for path in ("/helpers", "/brieven", "/apps", "/health/ready"):
            assert (await client.get(path, headers=browser)).status_code == 200, path
    assert set(answers) == {200, 429}


async def test_flood_by_one_token_is_journalled_up_to_its_limit(whole_world, flood_of_requests):
    _, answers = flood_of_requests
    await wait_until(lambda: answers.count(429) >= 1_000)
    assert await JOURNAL_INTAKE.count(whole_world, JOURNAL_INTAKE.c.act.like("bericht:%")) <= 1_200
