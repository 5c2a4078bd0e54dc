"""Cross-origin requests (CORS). The allowed origins read good and bad answers alike, and no other reads any."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from machtiging.oauth.clients.cors_origins import CorsOrigins, derive_origin
from machtiging.oauth.register_client import register_client
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.engine import make_engine, make_sessions
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.frame.assets import asset_url
from tests.builders.applications import replace_services
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.database import bypass_triggers
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE
from tests.builders.server import make_full_application_world

ORIGIN = "https://app.voorbeeld.example"
ALLOW = "access-control-allow-origin"
PUBLIC = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource/api/v1",
    "/.well-known/onbekend",
    "/jwks",
    "/api/v1/openapi.json",
]
FOR_APPS = [
    ("POST", "/par"),
    ("POST", "/token"),
    ("POST", "/revoke"),
    ("GET", "/userinfo"),
    ("POST", "/userinfo"),
    ("GET", "/api/v1/berichten"),
    ("GET", "/api/v1/berichten/0197c0de-0000-7000-8000-000000000000"),
    ("PATCH", "/api/v1/berichten/0197c0de-0000-7000-8000-000000000000"),
    ("DELETE", "/api/v1/berichten/geen-uuid"),
    ("GET", "/api/v1/berichten/x/bijlagen/y"),
    ("POST", "/api/v1/aanleveringen"),
    ("GET", "/api/v1/toestemmingen"),
    ("PUT", "/api/v1/berichten"),
    ("GET", "/api/v1/onbekend"),
    ("GET", "/api/v1"),
]
NEVER = [
    ("GET", "/"),
    ("GET", "/inloggen"),
    ("GET", "/authorize"),
    ("POST", "/authorize"),
    ("GET", "/logout"),
    ("POST", "/logout/bevestigen"),
    ("GET", "/machtigingen"),
    ("POST", "/helpers/nieuw"),
    ("GET", "/wie-keek-mee"),
    ("POST", "/introspect"),
    ("POST", "/bc-authorize"),
    ("POST", "/register"),
    ("GET", "/register/x"),
    ("GET", "/grants/x"),
    ("GET", "/health/live"),
    ("GET", asset_url("portal.css")),
    ("GET", "/onbekend"),
    ("GET", "/par/verder"),
    ("GET", "/tokenx"),
    ("GET", "/jwks/verder"),
    ("GET", "/api/v1x"),
    ("GET", "/API/V1/berichten"),
]


async def ask(portal, method, path, origin=ORIGIN, **headers):
    given = {"Origin": origin} if origin is not None else {}
    return await portal.http.request(method, ISSUER + path, headers=given | headers)


async def preflight(portal, path, origin=ORIGIN, method="POST", headers="authorization,dpop,content-type"):
    asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return await ask(portal, "OPTIONS", path, origin, **asks)


def no_leave(answer):
    named = [name for name in answer.headers if name.startswith("access-control-")]
    assert named == [], (answer.request.url, named)


def never_credentials(answer):
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", PUBLIC)
async def test_public_documents_are_readable_from_any_origin(portal, path) -> None:
    for origin in ("https://kwaad.example", "null", "http://localhost:3000", None):
        for answer in (await ask(portal, "GET", path, origin), await preflight(portal, path, origin or "x", "GET")):
            assert answer.headers.get_list(ALLOW) == ["*"], origin
            never_credentials(answer)


@pytest.mark.parametrize(("method", "path"), FOR_APPS)
async def test_endpoint_for_apps_is_readable_from_origin_of_public_client(portal, browser_app, method, path) -> None:
    """Requests without a token: the app must be able to read refusals too."""
    answer = await ask(portal, method, path)
    assert answer.status_code >= 400
    assert answer.headers.get_list(ALLOW) == [ORIGIN]
    assert "Origin" in answer.headers["vary"].split(", ")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    wanted = {"DPoP-Nonce", "WWW-Authenticate", "API-Version", "Location", "Retry-After", "Content-Disposition"}
    assert set(exposed) == wanted
    never_credentials(answer)


@pytest.mark.parametrize(("method", "path"), FOR_APPS)
async def test_preflight_from_known_origin_is_answered_before_any_guard(portal, browser_app, method, path) -> None:
    async with unit_of_work(portal.app.state.services.sessions) as session:
        before = await JOURNAL_INTAKE.count(session)
    answer = await preflight(portal, path, method=method)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers.get_list(ALLOW) == [ORIGIN]
    assert "Origin" in answer.headers["vary"].split(", ")
    assert answer.headers["access-control-allow-headers"] == "Authorization, DPoP, Content-Type, If-Match, traceparent"
    assert method == "PUT" or method in answer.headers["access-control-allow-methods"].split(", ")
    assert 0 < int(answer.headers["access-control-max-age"]) <= 600
    never_credentials(answer)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        assert await JOURNAL_INTAKE.count(session) == before


NO_ORIGINS = [
    "null",
    "",
    "*",
    "https://kwaad.example",
    "http://app.voorbeeld.example",
    "https://app.voorbeeld.example.kwaad.example",
    "https://kwaad.app.voorbeeld.example",
    "https://voorbeeld.example",
    "https://app.voorbeeld.example:444",
    "https://app.voorbeeld.example:443",
    "https://app.voorbeeld.example/",
    "https://APP.voorbeeld.example",
    "https://app.voorbeeld.example, https://kwaad.example",
    "https://app.voorbeeld.example https://kwaad.example",
    "https://x@app.voorbeeld.example",
    ISSUER,
    "http://localhost",
    "file://",
]


@pytest.mark.parametrize("origin", NO_ORIGINS)
async def test_endpoint_for_apps_is_not_readable_from_other_origins(portal, browser_app, origin) -> None:
    for method, path in FOR_APPS:
        for answer in (await ask(portal, method, path, origin), await preflight(portal, path, origin, method)):
            no_leave(answer)
            assert "Origin" in answer.headers["vary"].split(", "), path


async def test_two_origin_headers_are_ignored(portal, browser_app) -> None:
    pair = [("Origin", ORIGIN), ("Origin", ORIGIN)]
    no_leave(await portal.http.request("POST", ISSUER + "/token", headers=pair))


async def test_answer_without_origin_has_vary_origin(portal, browser_app) -> None:
    answer = await ask(portal, "GET", "/userinfo", None)
    no_leave(answer)
    assert "Origin" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize(("method", "path"), NEVER)
async def test_pages_and_endpoints_for_servers_are_never_readable_across_origins(
    portal, browser_app, method, path
) -> None:
    html = {"Accept": "text/html"}
    for origin in (ORIGIN, "https://kwaad.example", "null"):
        no_leave(await ask(portal, method, path, origin, **html))
        no_leave(await preflight(portal, path, origin, method))


async def test_logged_in_page_is_not_readable_across_origins(portal, browser_app) -> None:
    mother = await portal.mother()
    answer = await mother.http.get(ISSUER + "/helpers", headers={"Origin": ORIGIN})
    no_leave(answer)


async def test_origin_of_suspended_client_is_refused_until_resumed(portal, browser_app) -> None:
    sessions, at = portal.app.state.services.sessions, portal.clock.now()
    for act, allowed in ((None, True), (suspend_client, False), (resume_client, True)):
        if act is not None:
            async with unit_of_work(sessions) as session:
                await act(session, browser_app["client_id"], at=at + timedelta(seconds=1))
        for answer in (await preflight(portal, "/token"), await ask(portal, "POST", "/token")):
            assert (answer.headers.get(ALLOW) == ORIGIN) is allowed


async def test_origin_of_new_client_is_accepted_at_once(portal, add_client) -> None:
    no_leave(await preflight(portal, "/token", "https://nieuw.voorbeeld.example"))
    await add_client("https://nieuw.voorbeeld.example/terug")
    assert (await preflight(portal, "/token", "https://nieuw.voorbeeld.example")).headers[ALLOW]


async def test_origins_of_all_public_clients_are_accepted(portal, browser_app, add_client) -> None:
    await add_client("https://tweede.voorbeeld.example:8443/a", "https://tweede.voorbeeld.example/b")
    for origin in (ORIGIN, "https://tweede.voorbeeld.example:8443", "https://tweede.voorbeeld.example"):
        assert (await preflight(portal, "/token", origin)).headers[ALLOW] == origin


async def test_confidential_client_gives_no_origin(portal, add_client) -> None:
    await add_client(ORIGIN + "/terug", keys=make_client_keys())
    no_leave(await preflight(portal, "/token"))


async def test_client_waiting_for_approval_gives_no_origin(portal, browser_app) -> None:
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET state = 'proposed'"))
    no_leave(await preflight(portal, "/token"))


async def test_loopback_origin_is_accepted_in_practice_only(portal, add_client) -> None:
    await add_client("http://localhost:3000/terug")
    await add_client("http://127.0.0.1/terug")
    await add_client("https://localhost:8443/terug")
    for origin in ("http://localhost:3000", "http://127.0.0.1", "https://localhost:8443"):
        replace_services(portal.app, practice=True)
        assert (await preflight(portal, "/token", origin)).headers[ALLOW] == origin
        replace_services(portal.app, practice=False)
        no_leave(await preflight(portal, "/token", origin))


async def test_preflight_with_header_not_allowed_is_left_to_the_browser(portal, browser_app) -> None:
    """The list of allowed headers is fixed; the browser enforces it."""
    answer = await preflight(portal, "/token", headers="cookie, x-forwarded-for")
    assert answer.headers["access-control-allow-headers"] == "Authorization, DPoP, Content-Type, If-Match, traceparent"


async def test_options_without_preflight_headers_is_answered_without_cors(portal, browser_app) -> None:
    answer = await portal.http.options(ISSUER + "/api/v1/berichten")
    assert (answer.status_code, "GET" in answer.headers["allow"]) == (204, True)


async def test_429_is_readable_by_the_app(database, clock, tmp_path) -> None:
    world = await make_full_application_world(database.url, clock, tmp_path, address_requests_per_minute=3)
    async with unit_of_work(world.sessions) as session:
        metadata = make_app_metadata(None, redirect_uris=[ORIGIN + "/terug"])
        await register_client(session, metadata, detail_type="berichtenbox", oin=None, at=clock.now(), practice=True)
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
            for path in ("/api/v1/berichten", "/token"):
                answers = [await http.post(path, headers={"Origin": ORIGIN}) for _ in range(5)]
                assert answers[-1].status_code == 429
                assert [answer.headers[ALLOW] for answer in answers] == [ORIGIN] * 5
                assert "Retry-After" in answers[-1].headers["access-control-expose-headers"]
    finally:
        await world.app.state.services.broker.aclose()
        for engine in world.app.state.services.engines:
            await engine.dispose()


async def test_503_is_readable_by_the_app_for_five_minutes_without_database(portal, browser_app) -> None:
    """The cached origins stay allowed for five minutes without the database."""
    assert (await preflight(portal, "/token")).headers[ALLOW] == ORIGIN
    away = make_engine("postgresql:///niets?host=/nergens", None)
    replace_services(portal.app, sessions=make_sessions(away, portal.app.state.services.keyring))
    form = {"grant_type": "authorization_code", "client_id": browser_app["client_id"], "code": "x"}
    answer = await portal.http.post(ISSUER + "/token", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers[ALLOW]) == (503, ORIGIN)
    no_leave(await ask(portal, "POST", "/token", "https://kwaad.example"))
    await away.dispose()


async def test_origins_unreadable_are_refused_after_five_minutes(portal, browser_app) -> None:
    now = 0.0
    origins, sessions = CorsOrigins(lambda: now), portal.app.state.services.sessions
    assert await origins.load_origins(portal.app) == {ORIGIN}
    away = make_engine("postgresql:///niets?host=/nergens", None)
    replace_services(portal.app, sessions=make_sessions(away, portal.app.state.services.keyring))
    now = 299.0
    assert await origins.load_origins(portal.app) == {ORIGIN}
    now = 301.0
    assert await origins.load_origins(portal.app) == frozenset()
    replace_services(portal.app, sessions=sessions)
    assert await origins.load_origins(portal.app) == {ORIGIN}
    await away.dispose()


async def test_origin_is_refused_while_origins_were_never_read(portal) -> None:
    away = make_engine("postgresql:///niets?host=/nergens", None)
    replace_services(portal.app, sessions=make_sessions(away, portal.app.state.services.keyring))
    answer = await preflight(portal, "/token")
    assert answer.status_code == 204
    no_leave(answer)
    await away.dispose()


async def test_many_preflights_at_once_share_a_few_reads(portal, browser_app, database) -> None:
    answers = await asyncio.gather(*(preflight(portal, "/token") for _ in range(200)))
    assert {answer.headers[ALLOW] for answer in answers} == {ORIGIN}
    assert database.service.pool.checkedout() == 0


URIS = {
    "https://a.example/terug": "https://a.example",
    "https://a.example:443/terug": "https://a.example",
    "https://a.example:8443/": "https://a.example:8443",
    "https://A.Example/": "https://a.example",
    "http://a.example/": None,
    "http://a.example:443/": None,
    "nl.voorbeeld.app:/terug": None,
    "nl.voorbeeld.app://terug": None,
    "javascript:alert(1)": None,
    "data:text/html,x": None,
    "file:///etc/passwd": None,
    "about:blank": None,
    "//a.example/": None,
    "": None,
    "https://": None,
    "https://a.example:99999/": None,
    "https://[::2]/": "https://[::2]",
}
LOOPBACK = {
    "http://localhost:3000/a": "http://localhost:3000",
    "http://localhost:80/a": "http://localhost",
    "http://127.0.0.1:5173/": "http://127.0.0.1:5173",
    "http://127.9.9.9/": "http://127.9.9.9",
    "http://[::1]:8080/": "http://[::1]:8080",
    "https://localhost/": "https://localhost",
    "https://app.localhost/": "https://app.localhost",
}


@pytest.mark.parametrize("practice", [True, False])
def test_origin_of_redirect_uri_is_serialized_as_by_a_browser(practice) -> None:
    for uri, origin in URIS.items():
        assert derive_origin(uri, practice=practice) == origin, uri
    for uri, origin in LOOPBACK.items():
        assert derive_origin(uri, practice=practice) == (origin if practice else None), uri


@given(st.text(), st.booleans())
def test_origin_of_any_uri_is_https_practice_loopback_or_none(uri, practice) -> None:
    for text_given in (uri, "https://" + uri, "http://" + uri, "http://localhost" + uri):
        origin = derive_origin(text_given, practice=practice)
        assert origin is None or origin.startswith("https://") or (practice and origin.startswith("http://"))
        assert origin != "null"


FORGED = [
    '["https://dief.example/terug"]',
    '"https://dief.example/terug"',
    "5",
    "[5]",
    "[null]",
    "null",
    '{"https://dief.example": 1}',
]


@pytest.mark.parametrize("uris", FORGED)
async def test_origins_of_tampered_client_row_are_refused_and_others_kept(
    portal, database, add_client, browser_app, uris
) -> None:
    await add_client("https://tweede.voorbeeld.example/terug")
    change = "UPDATE oauth_client SET registration = jsonb_set(registration, '{redirect_uris}', CAST(:uris AS jsonb))"
    async with bypass_triggers(database) as connection:
        await connection.execute(
            text(f"{change} WHERE client_id = :who"), {"uris": uris, "who": browser_app["client_id"]}
        )
    no_leave(await preflight(portal, "/token", "https://dief.example"))
    no_leave(await preflight(portal, "/token"))
    answer = await preflight(portal, "/token", "https://tweede.voorbeeld.example")
    assert answer.headers.get_list(ALLOW) == ["https://tweede.voorbeeld.example"]
