"""CSRF: forms are accepted from our own pages only, with the token of the session."""

import pytest

from tests.builders.people import ISSUER

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def logged_in_browser(log_in):
    browser = await log_in()
    browser.form_token = (await browser.me())["csrf"]
    return browser


async def is_refused(logged_in_browser, form, **options) -> bool:
    response = await logged_in_browser.post("/doen", form, **options)
    if response.status_code == 403:
        assert "Dit formulier is verlopen" in response.text
    return response.status_code == 403


OWN_ORIGIN_HEADERS = [
    {"Origin": ISSUER},
    {"Origin": ISSUER.upper()},
    SAME_SITE,
    {"Origin": "null", **SAME_SITE},
    {"Origin": ISSUER, **SAME_SITE},
]
THEIRS = [
    {},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://kwaad.example"},
    {"Origin": "http://machtigen.test"},
    {"Origin": "https://machtigen.test:8443"},
    {"Origin": "https://machtigen.test.kwaad.example"},
    {"Origin": "https://inloggen.machtigen.test"},
    {"Origin": "https://machtigen.test@kwaad.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": ISSUER},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://kwaad.example"},
    {"Referer": ISSUER + "/ik"},
]


async def test_csrf_form_from_own_page_is_accepted(logged_in_browser):
    for headers in OWN_ORIGIN_HEADERS:
        response = await logged_in_browser.post("/doen", {"csrf": logged_in_browser.form_token}, headers=headers)
        assert response.json() == {"done_by": "Bram van der Linden"}, headers


async def test_csrf_form_from_other_origin_with_valid_token_is_rejected(logged_in_browser):
    for headers in THEIRS:
        assert await is_refused(logged_in_browser, {"csrf": logged_in_browser.form_token}, headers=headers), headers


async def test_csrf_token_missing_or_invalid_is_rejected(logged_in_browser):
    for token in (None, "", "x", "A" * 43, "é" * 20):
        assert await is_refused(logged_in_browser, {} if token is None else {"csrf": token}), token


async def test_csrf_token_of_another_session_is_rejected(log_in, logged_in_browser):
    other = await log_in("raadslid")
    assert await is_refused(logged_in_browser, {"csrf": (await other.me())["csrf"]})


async def test_csrf_token_of_own_earlier_session_redirects_back_to_the_form(logged_in_browser):
    await logged_in_browser.log_in("naaste")
    response = await logged_in_browser.post("/doen", {"csrf": logged_in_browser.form_token})
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_csrf_token_of_own_earlier_session_from_other_origin_is_rejected(logged_in_browser):
    await logged_in_browser.log_in("naaste")
    for headers in THEIRS:
        response = await logged_in_browser.post("/doen", {"csrf": logged_in_browser.form_token}, headers=headers)
        assert (response.status_code, response.headers.get("set-cookie")) == (403, None), headers


async def test_csrf_token_in_query_or_json_is_rejected(logged_in_browser):
    assert await is_refused(logged_in_browser, {}, params={"csrf": logged_in_browser.form_token})
    response = await logged_in_browser.http.post(
        "/doen", json={"csrf": logged_in_browser.form_token}, headers={"Origin": ISSUER}
    )
    assert response.status_code == 403


async def test_csrf_token_as_file_is_rejected(logged_in_browser):
    files = {"csrf": ("csrf", logged_in_browser.form_token.encode())}
    response = await logged_in_browser.http.post("/doen", files=files, headers={"Origin": ISSUER})
    assert response.status_code == 400


async def test_csrf_form_without_session_returns_401_with_login_link(login_world):
    response = await login_world.browser().post("/doen", {"csrf": "x"})
    assert response.status_code == 401
    assert "U was te lang weg. Er is niets veranderd." in response.text
    assert 'href="/inloggen?terug=/&amp;niveau=substantieel"' in response.text
    assert "set-cookie" not in response.headers


async def test_csrf_form_from_other_origin_without_session_is_rejected(login_world):
    for headers in THEIRS:
        response = await login_world.browser().post("/doen", {"csrf": "x"}, headers=headers)
        assert (response.status_code, response.headers.get("set-cookie")) == (403, None), headers
