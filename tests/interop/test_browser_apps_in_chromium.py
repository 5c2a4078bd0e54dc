"""Browser apps in Chromium at another origin (CORS): oauth4webapi, and oidc-client-ts with PAR."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import CHROMIUM, FLAGS
from tests.parties.npm_packages import HERE, PLACE, needs_packages

pytestmark = [pytest.mark.browser, pytest.mark.long]
DETAILS = json.dumps([{"type": "berichtenbox", "actions": ["lijst", "lezen"]}])
PAGE = "<!doctype html><title>App</title><link rel=icon href=data:,>{scripts}"
BUNDLES = {
    "oauth4webapi": PLACE / "node_modules/oauth4webapi/build/index.js",
    "oidc_client_ts": PLACE / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {"": "text/html"}

    def log_message(self, *_args: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def site(place: Path) -> Iterator[str]:
    """A web server on this machine with these files; gives its origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def app_files(tmp_path_factory) -> Path:
    """The pages and scripts of both apps."""
    needs_packages()
    place = tmp_path_factory.mktemp("app")
    (place / "oauth4webapi").mkdir()
    shutil.copy(BUNDLES["oauth4webapi"], place / "oauth4webapi" / "index.js")
    shutil.copy(BUNDLES["oidc_client_ts"], place / "oidc-client-ts.js")
    for name in BUNDLES:
        shutil.copy(HERE / f"browser_{name}.js", place)
        bundle = '<script src="/oidc-client-ts.js"></script>' if name == "oidc_client_ts" else ""
        scripts = f'{bundle}<script type="module" src="/browser_{name}.js"></script>'
        (place / name).with_suffix(".html").write_text(PAGE.format(scripts=scripts))
    (place / "terug").write_text(PAGE.format(scripts=""))
    return place


@pytest.fixture(scope="module")
def origin(app_files) -> Iterator[str]:
    with site(app_files) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(chromium):
    made = chromium.new_context(locale="nl-NL")
    made.set_default_timeout(60_000)
    yield made
    made.close()


@pytest.fixture
def app(target, origin):
    """A self-registered public client with a redirect URI at the origin of the app."""
    metadata = {
        "client_name": "App in een browser",
        "redirect_uris": [origin + "/terug"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid",
    }
    token = target["clients"]["newcomer"]["initial_access_token"]
    given = {"Authorization": f"Bearer {token}"}
    made = httpx.post(target["issuer"] + "/register", json=metadata, headers=given, trust_env=False)
    assert made.status_code == 201, made.text
    told = made.json()
    yield told
    given = {"Authorization": f"Bearer {told['registration_access_token']}"}
    httpx.delete(told["registration_client_uri"], headers=given, trust_env=False)


def consent(context, target, address: str, origin: str) -> str:
    """Consent as the person in another window; returns the redirect URL."""
    window = context.new_page()
    window.goto(target["issuer"] + "/inloggen?login_hint=naaste")
    window.goto(address)
    window.locator("button[value=akkoord]").click()
    window.wait_for_url(origin + "/terug?*")
    found = window.url
    window.close()
    return found


@pytest.mark.parametrize(
    ("library", "dpop"), [("oauth4webapi", True), ("oidc_client_ts", False), ("oidc_client_ts", True)]
)
def test_cors_browser_app_completes_code_flow_api_call_and_revocation(
    context, target, origin, app, library, dpop
) -> None:
    page = context.new_page()
    page.goto(f"{origin}/{library}.html")
    page.wait_for_function("() => !!window.begin")
    told = {"issuer": target["issuer"], "client_id": app["client_id"], "details": DETAILS, "dpop": dpop}
    address = page.evaluate("told => begin(told)", told | {"redirect_uri": origin + "/terug"})
    assert "code_challenge" not in address  # pushed, not in the address
    done = page.evaluate("location => finish(location)", consent(context, target, address, origin))
    assert done["type"].lower() == ("dpop" if dpop else "bearer")
    assert done["sub"] == done["person"]
    if done["letters"] is not None:
        assert (done["letters"]["status"], done["letters"]["version"]) == (200, "0.1.0")
        assert "berichten" in done["letters"]["body"]
    assert done["refused"]["status"] == 401


FETCH = """async ([address, options]) => {
  try {
    const answer = await fetch(address, options);
    return [answer.type, answer.status];
  } catch (error) {
    return [error.name, 0];
  }
}"""
ASKS = [
    ("/token", {"method": "POST", "body": "a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
    ("/par", {"method": "POST", "body": "a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
    ("/revoke", {"method": "POST", "body": "a=b", "headers": {"DPoP": "x"}}),
    ("/userinfo", {"headers": {"Authorization": "Bearer x"}}),
    ("/api/v1/berichten", {"headers": {"Authorization": "Bearer x"}}),
    ("/api/v1/berichten/x", {"method": "PATCH", "body": "{}", "headers": {"Content-Type": "application/json"}}),
    ("/api/v1/berichten/x", {"method": "DELETE", "headers": {"If-Match": "x"}}),
]


def fetch_from_page(page, target, path, options):
    return page.evaluate(FETCH, [target["issuer"] + path, options])


def test_cors_is_allowed_at_the_origin_of_a_client_only(context, target, origin, app, app_files) -> None:
    page = context.new_page()
    page.goto(origin + "/terug")
    for path, options in ASKS:
        kind, status = fetch_from_page(page, target, path, options)
        assert (kind, 400 <= status < 500) == ("cors", True), (path, status)
    with site(app_files) as elsewhere:
        page.goto(elsewhere + "/terug")
        for path, options in ASKS:
            assert fetch_from_page(page, target, path, options) == ["TypeError", 0], path
        for path in ("/.well-known/openid-configuration", "/jwks", "/api/v1/openapi.json"):
            assert fetch_from_page(page, target, path, {}) == ["cors", 200], path


def test_cors_of_pages_and_requests_with_cookies_is_blocked(context, target, origin, app) -> None:
    page = context.new_page()
    page.goto(target["issuer"] + "/inloggen?login_hint=naaste")
    page.goto(origin + "/terug")
    for path in ("/", "/helpers", "/wie-keek-mee", "/authorize", "/logout"):
        assert fetch_from_page(page, target, path, {"credentials": "include"}) == ["TypeError", 0], path
    for path, options in ASKS:
        assert fetch_from_page(page, target, path, options | {"credentials": "include"}) == ["TypeError", 0], path


def test_cors_at_origin_of_deleted_client_is_blocked(context, target, origin, app) -> None:
    page = context.new_page()
    page.goto(origin + "/terug")
    path, options = ASKS[0]
    assert fetch_from_page(page, target, path, options)[0] == "cors"
    given = {"Authorization": f"Bearer {app['registration_access_token']}"}
    assert httpx.delete(app["registration_client_uri"], headers=given, trust_env=False).status_code == 204
    assert fetch_from_page(page, target, path, options) == ["TypeError", 0]
