"""Page URLs with capitals or trailing slashes redirect to the page, and never elsewhere."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.routing import APIRoute

from machtiging.web.framework_internals import list_routes
from machtiging.web.page_urls import PAGE_PREFIXES
from tests.architecture.test_doors import doors_of
from tests.builders.people import ISSUER
from tests.builders.portal import OFFER, assemble_service, make_offer

SOME_ID = "018f0000-0000-7000-8000-000000000001"
HTML = {"Accept": "text/html"}


async def get(portal, path: str, *, method: str = "GET", **headers: str):
    return await portal.http.request(method, ISSUER + path, headers=HTML | headers)


def page_paths():
    routes = [route for _, route in list_routes(assemble_service())]
    pages = [r for r in routes if isinstance(r, APIRoute) and "GET" in (r.methods or ()) and not r.include_in_schema]
    # A file has its kind in its name, and no page below it.
    return sorted(r.path for r in pages if doors_of(r) == ["Citizen"] and "." not in r.path)


def test_portal_pages_are_all_known_to_url_normalization():
    assert {path.split("/")[1] for path in page_paths()} <= PAGE_PREFIXES


@pytest.mark.parametrize("path", [*page_paths(), "/inloggen", "/uitloggen", "/logout"])
async def test_url_with_capitals_or_slashes_redirects_to_its_page(portal, path):
    path = path.split("{")[0].rstrip("/") + (f"/{SOME_ID}" if "{" in path else "")
    if path.startswith(("/brieven/", "/apps/", f"/bedrijf/{SOME_ID}", "/helpers/nieuw/", "/ik-help/vragen/nieuw/")):
        path = path.rpartition("/")[0]
    for typed in (path + "/", path.upper(), path.title(), path + "///", path.upper() + "/"):
        response = await get(portal, typed + "?gedaan=X%20Y&a=B")
        assert (response.status_code, response.headers["location"]) == (308, path + "?gedaan=X%20Y&a=B"), typed
    assert (await get(portal, path + "/")).headers["location"] == path


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "//evil.example/",
        "//evil.example/machtigingen/",
        "//machtigingen/",
        "///machtigingen/",
        "/machtigingen//evil.example/",
        "/machtigingen/../evil/",
        "/%2Fevil.example/",
        "/%5Cevil.example/",
        "/\\evil.example/",
        "/machtigingen%0d%0aLocation:%20https:/evil.example/",
        "/machtigingen/%00/",
        "/Bestaat-Niet/",
        "/machtigingen/GEEN-UUID-MAAR-IETS/",
        "/machtigingen/aanbieden/nog-iets/",
        "/API/v1/berichten",
        "/api/v1/berichten/",
        "/api/v1/Berichten",
        "/JWKS",
        "/jwks/",
        "/USERINFO",
        "/token/",
        "/Static/portal.css",
        "/.well-known/openid-configuration/",
        "/.Well-Known/openid-configuration",
        "/health/live/",
        "/register/",
    ],
)
async def test_open_redirect_by_url_normalization_is_blocked(portal, path):
    response = await get(portal, path)
    assert (
        response.status_code == 404
        or urlsplit(urljoin(ISSUER, response.headers["location"])).netloc == urlsplit(ISSUER).netloc
    )
    assert "evil" not in response.headers.get("location", "").partition("terug=")[0]
    if response.status_code == 308:
        assert path.startswith("/machtigingen/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_url_normalization_redirects_get_only(portal, method):
    assert (await get(portal, OFFER + "/", method=method)).status_code == 404


async def test_url_normalization_skips_json_clients(portal):
    response = await portal.http.get(ISSUER + "/Machtigingen/", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (404, "niet_gevonden")


@pytest.mark.parametrize("path", ["/bestaat-niet", "/machtigingen/geen-uuid", "/par", "/static/niets.css"])
async def test_404_page_shows_the_logged_in_person(portal, path):
    browser = await portal.mother()
    name = (await browser.open_page(ISSUER + "/")).text.split("Welkom, ")[1].split(" Uw nieuwste")[0]
    response = await browser._send_request("GET", ISSUER + path, None)
    assert response.status_code in {404, 405}
    assert f"U bent {name}." in response.text
    assert 'action="/uitloggen"' in response.text
    assert name not in (await get(portal, path)).text


async def test_404_page_without_session_shows_no_logout_button(portal):
    browser = await portal.mother()
    portal.clock.advance(portal.app.state.services.session_limits.idle_timeout)
    response = await browser._send_request("GET", ISSUER + "/bestaat-niet", None)
    assert response.status_code == 404
    assert 'action="/uitloggen"' not in response.text


async def test_logout_url_normalized_shows_the_button_and_keeps_the_session(portal):
    browser = await portal.mother()
    page = await browser.open_page(ISSUER + "/Uitloggen/")
    assert "Wilt u uitloggen?" in page.text
    assert (await browser.open_page(ISSUER + "/helpers")).url == ISSUER + "/helpers"
    await browser.submit_form(page.find_form("/uitloggen"), {})
    assert "U bent niet ingelogd" in (await browser.open_page(ISSUER + "/uitloggen")).text


async def test_machtiging_url_with_uppercase_uuid_redirects_to_its_page(portal):
    browser = await portal.mother()
    await make_offer(browser)
    page = await browser.open_page(ISSUER + "/helpers")
    where = next(href for href, _ in page.links if href.count("-") == 4)
    assert "Nog niet aangenomen" in (await browser.open_page(ISSUER + where.upper() + "/")).text


async def test_token_of_an_invitation_keeps_its_capitals(portal):
    response = await get(portal, "/uitnodiging/AbC-dEf_1/")
    assert (response.status_code, response.headers["location"]) == (308, "/uitnodiging/AbC-dEf_1")
