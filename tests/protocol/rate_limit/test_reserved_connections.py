"""Reserved database connections: login, pause and revocation work while all ordinary connections are in use."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.reserved_connections import RESERVED_ATTRIBUTE, SessionsWithReserve
from machtiging.web.framework_internals import list_routes
from tests.builders.applications import replace_services
from tests.builders.keys import load_keyring
from tests.builders.people import ISSUER, make_login_world
from tests.builders.portal import accept_code, assemble_service, make_offer, make_portal
from tests.builders.rows import LOGIN_SESSIONS
from tests.builders.server import make_full_application_world

STOPPING = {
    ("GET", "/apps"),
    ("GET", "/apps/{consent_id}/stoppen"),
    ("POST", "/apps/{consent_id}/stoppen"),
    ("GET", "/helpers"),
    ("GET", "/helpers/stop-alles"),
    ("POST", "/helpers/stop-alles"),
    ("GET", "/helpers/stop-alles/voorgoed"),
    ("POST", "/helpers/stop-alles/voorgoed"),
    ("GET", "/helpers/{machtiging_id}"),
    ("GET", "/helpers/{machtiging_id}/beperken"),
    ("POST", "/helpers/{machtiging_id}/beperken"),
    ("GET", "/helpers/{machtiging_id}/intrekken"),
    ("POST", "/helpers/{machtiging_id}/intrekken"),
    ("GET", "/helpers/{machtiging_id}/medewerkers"),
    ("POST", "/helpers/{machtiging_id}/medewerkers"),
    ("GET", "/helpers/{machtiging_id}/teams"),
    ("POST", "/helpers/{machtiging_id}/teams"),
    ("POST", "/helpers/{machtiging_id}/pauzeren"),
    ("GET", "/ik-help"),
    ("GET", "/ik-help/{machtigingId}"),
    ("GET", "/ik-help/{machtigingId}/teruggeven"),
    ("POST", "/ik-help/{machtigingId}/teruggeven"),
    ("GET", "/werk/clienten/{machtigingId}/teruggeven"),
    ("POST", "/werk/clienten/{machtigingId}/teruggeven"),
    ("GET", "/inloggen"),
    ("GET", "/inloggen/terug"),
    ("GET", "/logout"),
    ("POST", "/logout/bevestigen"),
    ("POST", "/uitloggen"),
}


@pytest.fixture
async def reserve(database):
    engine = make_engine(database.url, DatabaseRole.SERVICE, pool_size=1)
    yield SessionsWithReserve(database.service, engine, load_keyring())
    await engine.dispose()


@asynccontextmanager
async def occupy_ordinary_connections(database):
    async with AsyncExitStack() as stack:
        for _ in range(database.service.sync_engine.pool.size()):
            await stack.enter_async_context(database.service.connect())
        yield


async def waits(work, seconds=0.3) -> bool:
    """Return whether this gets no answer in time; it is cancelled then."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return True
    return False


def test_reserved_connection_is_used_by_login_pause_and_revocation_only():
    marked = {
        (method, path)
        for path, route in list_routes(assemble_service())
        for method in getattr(route, "methods", None) or ()
        if hasattr(getattr(route, "endpoint", None), RESERVED_ATTRIBUTE)
    }
    assert marked == STOPPING


async def test_pause_revocation_and_logout_work_with_pool_exhausted(database, clock, reserve):
    portal = await make_portal(database, clock)
    mother, son = await portal.mother(), await portal.son()
    await accept_code(son, await make_offer(mother))
    address = son.url.replace("/ik-help/", "/helpers/").split("?")[0]
    replace_services(portal.app, sessions=reserve)
    async with occupy_ordinary_connections(database), asyncio.timeout(60):
        assert await waits(mother.open_page(ISSUER + "/brieven"))
        assert await waits(son.open_page(ISSUER + "/wie-keek-mee"))
        assert "Bram Voorbeeld" in (await mother.open_page(ISSUER + "/helpers")).text
        paused = await mother.submit_form((await mother.open_page(address)).find_form("/pauzeren"), {})
        assert "staat op pauze" in paused.text
        revoked = await mother.submit_form((await mother.open_page(address + "/intrekken")).find_form("/intrekken"), {})
        assert "U heeft deze machtiging gestopt." in revoked.text
        assert (await mother.open_page(ISSUER + "/apps")).text
        await mother.submit_form(revoked.find_form("/uitloggen"), {})
    async with database.sessions() as session:  # the helper's session stays active
        assert await LOGIN_SESSIONS.count(session, ended_at=None) == 1
    await portal.close()


async def test_login_works_with_pool_exhausted(database, clock, reserve):
    world = make_login_world(reserve, clock)
    browser = world.browser()
    async with occupy_ordinary_connections(database), asyncio.timeout(60):
        assert (await browser.log_in("vertegenwoordigde")).status_code == 303
        assert await waits(browser.get("/ik"))
    assert (await browser.me())["person"]


async def test_reserved_connection_in_use_falls_back_to_the_ordinary_pool(reserve):
    assert reserve.choose_urgent_sessions() is not reserve
    async with reserve.choose_urgent_sessions()() as session:
        await session.connection()
        assert reserve.choose_urgent_sessions() is reserve
    assert reserve.choose_urgent_sessions() is not reserve


@pytest.mark.parametrize(("size", "reserved", "shares"), [(10, 2, (8, 2)), (4, 20, (1, 3)), (2, 2, (1, 1))])
async def test_reserved_share_of_the_pool_is_bounded(size, reserved, shares, database, clock, tmp_path):
    changes = {"database_pool_size": size, "reserved_connections": reserved}
    world = await make_full_application_world(database.url, clock, tmp_path, **changes)
    general, _, apart = world.app.state.services.engines
    assert (general.sync_engine.pool.size(), apart.sync_engine.pool.size()) == shares
    for engine in world.app.state.services.engines:
        await engine.dispose()
