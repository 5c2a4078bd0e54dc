"""Rate limits by token, person and address: refused before anything is done, in the form that the asker can use."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.routes import API
from tests.builders.query_log import record_queries
from tests.builders.rate_limits import PROXY, a_cookie, a_limited_world, caller, statuses

LIST = f"{API}/berichten"
LETTER = f"{LIST}/0190a000-0000-7000-8000-000000000000"
PATHS = [
    LIST,
    LETTER,
    "/userinfo",
    "/nergens",
    "/health/live",
    "/static/stijl.css",
    "/.well-known/openid-configuration",
]


@pytest.fixture
async def world(database, clock, tmp_path):
    if time.monotonic() % 60 > 57:  # a minute that ends in the middle of a test would let some more through
        await asyncio.sleep(60 - time.monotonic() % 60)
    made = await a_limited_world(database.url, clock, tmp_path)
    yield made
    for engine in made.app.state.engines:
        await engine.dispose()


async def test_token_over_its_limit_is_429_with_retry_after_and_other_tokens_are_answered(world):
    token, other = await world.token(world.citizen), await world.token(world.helper)
    async with caller(world, token=token) as client:
        assert await statuses(client, LIST, 5) == [200] * 5
        answer = await client.get(LIST)
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["connection"] == "close"  # what waits behind it is not read
    assert answer.headers["x-request-id"] == answer.json()["verzoekId"]
    assert answer.json()["code"] == "te_veel_per_minuut"
    async with caller(world, token=other) as client:
        assert await statuses(client, LIST, 5) == [200] * 5


@pytest.mark.parametrize("path", PATHS)
async def test_every_kind_of_route_is_counted_and_refused_without_the_database(world, path):
    async with caller(world) as client:
        await statuses(client, path, 10)
        with record_queries(SimpleNamespace(service=world.app.state.engines[0])) as said:
            assert await statuses(client, path, 2) == [429, 429]
        assert said == []


@pytest.mark.parametrize(
    "path", ["/token", "/par", "/introspect", "/revoke", "/bc-authorize", "/register", "/grants/x"]
)
async def test_oauth_endpoint_over_the_limit_answers_with_an_oauth_error(world, path):
    async with caller(world, Accept="text/html") as client:
        await statuses(client, path, 10, "POST", data={"grant_type": "x"})
        answer = await client.post(path, data={"grant_type": "x"})
    assert answer.status_code == 429
    assert answer.json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/inloggen"), ("POST", "/uitloggen"), ("GET", "/x")]
)
async def test_page_over_the_limit_is_plain_dutch(world, method, path):
    async with caller(world, Accept="text/html") as client:
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
async def test_unverified_credentials_do_not_evade_the_rate_limit_of_the_address(world, made_up):
    async with caller(world) as client:
        found = [(await client.get(LIST, headers=made_up())).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2


async def test_token_with_a_changed_signature_counts_for_the_address_and_burns_no_victims_limit(world):
    token = await world.token(world.citizen)
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    async with caller(world, token=forged) as client:
        assert await statuses(client, LIST, 12) == [401] * 10 + [429] * 2
    async with caller(world, token=token) as client:
        assert await statuses(client, LIST, 5) == [200] * 5


async def test_token_that_has_expired_counts_for_the_address(world, clock):
    token = await world.token(world.citizen)
    clock.advance(timedelta(minutes=11))
    async with caller(world, token=token) as client:
        assert await statuses(client, LIST, 12) == [401] * 10 + [429] * 2


async def test_new_tokens_of_one_person_do_not_dodge_the_limit_of_the_person(world):
    tokens = [await world.token(world.citizen) for _ in range(4)]
    answers = []
    for token in tokens:
        async with caller(world, token=token) as client:
            answers += await statuses(client, LIST, 4)
    # The first request of a token counts for the token only: whose it is comes to light with its answer.
    assert answers.count(200) == 8 + 4
    assert set(answers[-3:]) == {429}


async def test_sessions_of_one_person_are_counted_together_and_apart_from_those_of_others(world):
    mine = [await a_cookie(world, world.citizen) for _ in range(2)]
    for cookie in mine:
        async with caller(world, Cookie=cookie, Accept="text/html") as client:
            assert await statuses(client, "/machtigingen", 1) == [200]
    found = []
    for cookie in mine * 5:
        async with caller(world, Cookie=cookie) as client:
            found += await statuses(client, "/machtigingen", 1)
    assert found == [200] * 8 + [429] * 2
    theirs = await a_cookie(world, world.helper)
    async with caller(world, Cookie=theirs) as client:
        assert await statuses(client, "/machtigingen", 8) == [200] * 8


async def test_flood_with_a_token_leaves_its_own_person_able_to_visit_the_portal(world):
    token, cookie = await world.token(world.helper), await a_cookie(world, world.helper)
    async with caller(world, token=token) as client:
        assert (await statuses(client, LIST, 100)).count(200) == 5
    async with caller(world, Cookie=cookie) as client:
        assert await statuses(client, "/machtigingen", 5) == [200] * 5


async def test_ended_session_counts_for_the_address_again(world):
    cookie = await a_cookie(world, world.citizen)
    async with caller(world, Cookie=cookie) as client:
        await statuses(client, "/machtigingen", 2)
        async with world.sessions.begin() as session:
            await session.execute(text("UPDATE login_session SET ended_at = created_at"))
        found = await statuses(client, "/machtigingen", 13)
    # The first one after it still counted for the person, one before it was known for the address.
    assert found == [401] * 10 + [429] * 3


async def test_callers_behind_a_named_proxy_are_counted_apart_and_the_proxy_never(world):
    for number in range(4):
        address = f"203.0.113.{number}"
        async with caller(world, PROXY, X_Forwarded_For=f"198.51.100.1, {address}") as client:
            assert await statuses(client, "/health/live", 11) == [200] * 10 + [429]
    async with caller(world, PROXY) as client:
        assert await statuses(client, "/health/live", 50) == [200] * 50


async def test_ipv6_callers_of_one_64_are_one(world):
    found = []
    for number in range(12):
        async with caller(world, f"2001:db8:0:1::{number:x}") as client:
            found += await statuses(client, "/health/live", 1)
    assert found == [200] * 10 + [429] * 2
