"""Rate limits by token, person and address. Refused before any work, in the format of the caller."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.web.frame.assets import asset_url
from tests.builders.database import record_queries
from tests.protocol.rate_limit.limited_service import PROXY, caller, log_in_for_cookie, make_limited_world, statuses

BERICHTEN_URL = f"{API_PREFIX}/berichten"
LETTER = f"{BERICHTEN_URL}/0190a000-0000-7000-8000-000000000000"
PATHS = [
    BERICHTEN_URL,
    LETTER,
    "/userinfo",
    "/nergens",
    "/health/live",
    asset_url("portal.css"),
    "/.well-known/openid-configuration",
]


@pytest.fixture
async def limited_world(database, clock, tmp_path):
    """The whole application with low rate limits, at least ten seconds before a new minute."""
    if time.monotonic() % 60 > 50:  # a new minute during the test would reset the counts
        await asyncio.sleep(60 - time.monotonic() % 60)
    made = await make_limited_world(database.url, clock, tmp_path)
    yield made
    for engine in made.app.state.services.engines:
        await engine.dispose()


async def test_rate_limit_by_token_returns_429_and_leaves_other_tokens_served(limited_world):
    token, other = (
        await limited_world.issue_token(limited_world.citizen),
        await limited_world.issue_token(limited_world.helper),
    )
    async with caller(limited_world, token=token) as client:
        assert await statuses(client, BERICHTEN_URL, 5) == [200] * 5
        answer = await client.get(BERICHTEN_URL)
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["connection"] == "close"  # the request behind it is not read
    assert answer.headers["x-request-id"] == answer.json()["verzoekId"]
    assert answer.json()["code"] == "te_veel_per_minuut"
    async with caller(limited_world, token=other) as client:
        assert await statuses(client, BERICHTEN_URL, 5) == [200] * 5


@pytest.mark.parametrize("path", PATHS)
async def test_rate_limit_by_address_covers_every_route_without_the_database(limited_world, path):
    async with caller(limited_world) as client:
        await statuses(client, path, 10)
        with record_queries(SimpleNamespace(service=limited_world.app.state.services.engines[0])) as said:
            assert await statuses(client, path, 2) == [429, 429]
        assert said == []


@pytest.mark.parametrize(
    "path", ["/token", "/par", "/introspect", "/revoke", "/bc-authorize", "/register", "/grants/x"]
)
async def test_rate_limit_at_oauth_endpoint_returns_oauth_error(limited_world, path):
    async with caller(limited_world, Accept="text/html") as client:
        await statuses(client, path, 10, "POST", data={"grant_type": "x"})
        answer = await client.post(path, data={"grant_type": "x"})
    assert answer.status_code == 429
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/inloggen"), ("POST", "/uitloggen"), ("GET", "/x")]
)
async def test_rate_limit_at_page_is_shown_in_plain_dutch(limited_world, method, path):
    async with caller(limited_world, Accept="text/html") as client:
        await statuses(client, path, 10, method)
        answer = await client.request(method, path)
    assert answer.status_code == 429
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>Even wachten</h1>" in answer.text
    assert re.search("Wacht (1 seconde|[0-9]+ seconden) en probeer het opnieuw", answer.text)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "made_up",
    [
        lambda: {"Authorization": f"Bearer {secrets.token_urlsafe()}"},
        lambda: {"Authorization": f"DPoP {secrets.token_urlsafe()}"},
        lambda: {"Authorization": f"Basic {secrets.token_urlsafe()}"},
        lambda: {"Authorization": f"Bearer eyJhbGciOiJub25lIn0.{secrets.token_hex()}."},
        lambda: {"Cookie": f"__Host-sessie={secrets.token_urlsafe()}"},
        lambda: {"X-Forwarded-For": f"198.51.100.{secrets.randbelow(250)}"},
        lambda: {"Forwarded": f"for=198.51.100.{secrets.randbelow(250)}"},
        lambda: {"X-Request-ID": secrets.token_hex()},
    ],
)
async def test_rate_limit_by_address_is_not_evaded_by_unverified_credentials(limited_world, made_up):
    async with caller(limited_world) as client:
        found = [(await client.get(BERICHTEN_URL, headers=made_up())).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2


async def test_rate_limit_with_tampered_token_counts_by_address(limited_world):
    token = await limited_world.issue_token(limited_world.citizen)
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    async with caller(limited_world, token=forged) as client:
        assert await statuses(client, BERICHTEN_URL, 12) == [401] * 10 + [429] * 2
    async with caller(limited_world, token=token) as client:
        assert await statuses(client, BERICHTEN_URL, 5) == [200] * 5


async def test_rate_limit_with_expired_token_counts_by_address(limited_world, clock):
    token = await limited_world.issue_token(limited_world.citizen)
    clock.advance(timedelta(minutes=11))
    async with caller(limited_world, token=token) as client:
        assert await statuses(client, BERICHTEN_URL, 12) == [401] * 10 + [429] * 2


async def test_rate_limit_by_person_is_not_evaded_by_new_tokens(limited_world):
    tokens = [await limited_world.issue_token(limited_world.citizen) for _ in range(4)]
    answers = []
    for token in tokens:
        async with caller(limited_world, token=token) as client:
            answers += await statuses(client, BERICHTEN_URL, 4)
    # the first request of a token counts for the token only: its person is known after it
    assert answers.count(200) == 8 + 4
    assert set(answers[-3:]) == {429}


async def test_rate_limit_by_person_counts_all_sessions_of_that_person(limited_world):
    mine = [await log_in_for_cookie(limited_world, limited_world.citizen) for _ in range(2)]
    for cookie in mine:
        async with caller(limited_world, Cookie=cookie, Accept="text/html") as client:
            assert await statuses(client, "/helpers", 1) == [200]
    found = []
    for cookie in mine * 5:
        async with caller(limited_world, Cookie=cookie) as client:
            found += await statuses(client, "/helpers", 1)
    assert found == [200] * 8 + [429] * 2
    theirs = await log_in_for_cookie(limited_world, limited_world.helper)
    async with caller(limited_world, Cookie=theirs) as client:
        assert await statuses(client, "/helpers", 8) == [200] * 8


async def test_rate_limit_by_token_leaves_the_portal_open_for_its_person(limited_world):
    token, cookie = (
        await limited_world.issue_token(limited_world.helper),
        await log_in_for_cookie(limited_world, limited_world.helper),
    )
    async with caller(limited_world, token=token) as client:
        assert (await statuses(client, BERICHTEN_URL, 100)).count(200) == 5
    async with caller(limited_world, Cookie=cookie) as client:
        assert await statuses(client, "/helpers", 5) == [200] * 5


async def test_rate_limit_with_ended_session_counts_by_address(limited_world):
    cookie = await log_in_for_cookie(limited_world, limited_world.citizen)
    async with caller(limited_world, Cookie=cookie) as client:
        await statuses(client, "/helpers", 2)
        async with limited_world.sessions.begin() as session:
            await session.execute(text("UPDATE login_session SET ended_at = created_at"))
        found = await statuses(client, "/helpers", 13)
    # one request still counted for the person, one earlier request for the address
    assert found == [401] * 10 + [429] * 3


async def test_rate_limit_behind_trusted_proxy_counts_forwarded_address(limited_world):
    for number in range(4):
        address = f"203.0.113.{number}"
        async with caller(limited_world, PROXY, X_Forwarded_For=f"198.51.100.1, {address}") as client:
            assert await statuses(client, "/health/live", 11) == [200] * 10 + [429]
    async with caller(limited_world, PROXY) as client:
        assert await statuses(client, "/health/live", 50) == [200] * 50


async def test_rate_limit_by_ipv6_address_counts_per_64_prefix(limited_world):
    found = []
    for number in range(12):
        async with caller(limited_world, f"2001:db8:0:1::{number:x}") as client:
            found += await statuses(client, "/health/live", 1)
    assert found == [200] * 10 + [429] * 2
