"""Rate limits count a credential only where it is accepted."""

from __future__ import annotations

import asyncio
import time

import pytest

from machtiging.berichtenbox.routes import API_PREFIX
from tests.protocol.rate_limit.limited_service import caller, log_in_for_cookie, make_limited_world, statuses

BERICHTEN_URL = f"{API_PREFIX}/berichten"


@pytest.fixture
async def limited_world(database, clock, tmp_path):
    """The whole application with low rate limits, at least ten seconds before a new minute."""
    if time.monotonic() % 60 > 50:  # a new minute during the test would reset the counts
        await asyncio.sleep(60 - time.monotonic() % 60)
    made = await make_limited_world(database.url, clock, tmp_path)
    yield made
    for engine in made.app.state.services.engines:
        await engine.dispose()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/helpers"), ("GET", "/health/live"), ("POST", "/token"), ("POST", "/uitloggen")],
)
async def test_rate_limit_with_tokens_on_path_without_tokens_counts_by_address(limited_world, method, path):
    seen = []
    for _ in range(4):
        async with caller(limited_world, token=await limited_world.issue_token(limited_world.citizen)) as client:
            seen += await statuses(client, path, 4, method)
    assert seen[:10].count(429) == 0
    assert seen[10:] == [429] * 6


@pytest.mark.parametrize("path", [BERICHTEN_URL, "/userinfo", "/grants/x"])
async def test_rate_limit_with_token_on_its_path_counts_by_token(limited_world, path):
    for _ in range(4):
        async with caller(limited_world, token=await limited_world.issue_token(limited_world.citizen)) as client:
            assert 429 not in await statuses(client, path, 1)


@pytest.mark.parametrize("header", ["Bearer x", "Basic eDp4", "DPoP x"])
async def test_rate_limit_with_session_and_bad_authorization_header_counts_by_person(limited_world, header):
    cookie = await log_in_for_cookie(limited_world, limited_world.citizen)
    seen = []
    for number in range(4):
        address = f"203.0.113.{number}"
        async with caller(limited_world, address=address, Cookie=cookie, Authorization=header) as client:
            seen += await statuses(client, "/helpers", 4)
    # the first request is counted by address: the session is resolved in its guard
    assert seen == [200] * 9 + [429] * 7
