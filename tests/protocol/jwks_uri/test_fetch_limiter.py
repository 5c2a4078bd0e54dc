"""Limit on outbound fetches. One per host and a total; a request that waits too long is refused and logged."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
import structlog.testing

from machtiging.oauth.client_jwks.fetch_limiter import FetchLimiter, FetchLimitExceeded
from machtiging.oauth.client_jwks.fetcher import JwksFetcher
from tests.builders.applications import replace_services
from tests.builders.client import make_app_metadata, make_client_assertion, make_client_keys
from tests.builders.server import make_json_response, make_outbound_client, serve_site

KEYS = make_client_keys()
SLOW, QUICK, OTHER = "traag.voorbeeld.example", "vlot.voorbeeld.example", "ander.voorbeeld.example"
ANSWER = make_json_response({"keys": [KEYS.jwks["keys"][0] | {"kid": "app-1"}]})


@pytest.fixture
async def slow_site():
    """A site that never answers."""
    async with serve_site(SLOW, silent=True) as opened:
        yield opened


@pytest.fixture
async def quick_site():
    """A site that answers with a JWKS, under each host name."""
    async with serve_site(QUICK, OTHER, SLOW, answer=ANSWER) as opened:
        yield opened


@pytest.fixture
async def register_app_at(oauth):
    """Make a client with a jwks_uri on this host, served by this site."""
    set_fetch_limits(oauth)

    async def register_app(host, site, name="Leesapp"):
        metadata = make_app_metadata(KEYS, jwks_uri=f"https://{host}:{site.port}/jwks", client_name=name)
        del metadata["jwks"]
        return await oauth.add(metadata, KEYS)

    return register_app


def set_fetch_limits(oauth, **places) -> None:
    """Set the total of fetch slots and the maximum wait."""
    visits = JwksFetcher(oauth.sessions, make_outbound_client(timeout=10.0), FetchLimiter(**places))
    replace_services(oauth.service, published_keys=visits)


async def request_revocation(app, **changes):
    return await app.post("/revoke", {"token": "x"}, **changes)


async def start_waiting(site, *apps):
    """Start requests of these clients; the site keeps them waiting."""
    waiting = [asyncio.create_task(request_revocation(app)) for app in apps]
    await site.called.wait()
    return waiting


async def cancel_all(waiting) -> None:
    """Cancel the requests that wait."""
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_fetch_limit_per_host_keeps_slow_sites_from_delaying_others(
    oauth, slow_site, quick_site, register_app_at
) -> None:
    set_fetch_limits(oauth, max_concurrent=2, timeout_seconds=30.0)
    apps = [await register_app_at(SLOW, slow_site, f"Trage app {number}") for number in range(6)]
    lively = [
        await register_app_at(QUICK, quick_site, "Vlotte app"),
        await register_app_at(OTHER, quick_site, "Andere app"),
    ]
    waiting = await start_waiting(slow_site, *apps)
    assert [(await request_revocation(app)).status_code for app in lively] == [200, 200]
    assert not any(task.done() for task in waiting)
    assert slow_site.connections == 1
    await cancel_all(waiting)


async def test_fetch_limit_per_host_ignores_the_port(oauth, slow_site, quick_site, register_app_at) -> None:
    set_fetch_limits(oauth, timeout_seconds=0.05)
    waiting = await start_waiting(slow_site, await register_app_at(SLOW, slow_site))
    assert (await request_revocation(await register_app_at(SLOW, quick_site, "Zelfde partij"))).status_code == 401
    assert quick_site.connections == 0
    await cancel_all(waiting)


async def test_fetch_limit_exceeded_is_refused_and_logged_and_may_retry(
    oauth, slow_site, quick_site, register_app_at
) -> None:
    set_fetch_limits(oauth, timeout_seconds=0.05)
    waiting = await start_waiting(slow_site, await register_app_at(SLOW, slow_site))
    same = await register_app_at(SLOW, quick_site, "Zelfde partij")
    replace_services(oauth.service, practice=False)  # outside practice errors are uniform
    with structlog.testing.capture_logs() as logs:
        refused = await request_revocation(same)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert "sleutels_ophalen_te_druk" in {line.get("reason") for line in logs} & {line.get("code") for line in logs}
    same.client_id, known = "bestaat-niet", same.client_id
    assert (await request_revocation(same)).json() == refused.json(), (
        "no more is told than of a client that does not exist"
    )
    await cancel_all(waiting)
    set_fetch_limits(oauth)
    same.client_id = known
    assert (await request_revocation(same)).status_code == 200, "no fetch was made, so there is no pause of one minute"


async def test_fetch_limit_total_is_enforced(oauth, slow_site, quick_site, register_app_at) -> None:
    set_fetch_limits(oauth, max_concurrent=1, timeout_seconds=0.05)
    waiting = await start_waiting(slow_site, await register_app_at(SLOW, slow_site))
    assert (await request_revocation(await register_app_at(QUICK, quick_site, "Vlotte app"))).status_code == 401
    assert quick_site.connections == 0
    await cancel_all(waiting)


async def test_fetch_limit_slot_is_released_after_the_fetch(oauth, slow_site, quick_site, register_app_at) -> None:
    set_fetch_limits(oauth, max_concurrent=1, timeout_seconds=30.0)
    waiting = await start_waiting(slow_site, await register_app_at(SLOW, slow_site))
    lively = asyncio.create_task(request_revocation(await register_app_at(QUICK, quick_site, "Vlotte app")))
    slow_site.over.set()
    assert [(await task).status_code for task in waiting] == [401]
    assert (await lively).status_code == 200


async def test_fetch_limit_exceeded_falls_back_to_cached_client_jwks(
    oauth, slow_site, quick_site, register_app_at
) -> None:
    app = await register_app_at(SLOW, quick_site, "Bekende app")
    assert (await request_revocation(app)).status_code == 200
    oauth.later(hours=25)
    set_fetch_limits(oauth, timeout_seconds=0.1)
    waiting = await start_waiting(slow_site, await register_app_at(SLOW, slow_site))
    made_up = make_client_assertion(KEYS, app.client_id, oauth.clock, header={"kid": "verzonnen"})
    forged, real = await asyncio.gather(request_revocation(app, client_assertion=made_up), request_revocation(app))
    assert (forged.status_code, real.status_code) == (401, 200)
    assert len(quick_site.asked) == 1
    await cancel_all(waiting)


async def test_fetch_limit_slot_is_not_leaked_by_a_waiter_that_gave_up() -> None:
    places = FetchLimiter(max_concurrent=1, timeout_seconds=0.05)
    async with places.reserve_slot("https://a.example/jwks"):
        for uri in ("https://b.example/jwks", "https://a.example./anders"):
            with pytest.raises(FetchLimitExceeded):
                await AsyncExitStack().enter_async_context(places.reserve_slot(uri))
    for uri in ("https://b.example/jwks", "https://a.example/jwks"):
        async with places.reserve_slot(uri):
            pass
