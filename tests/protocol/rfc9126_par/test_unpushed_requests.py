"""Unpushed requests at /authorize. An error at the registered redirect URI, otherwise a page (open redirect)."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import REDIRECT
from tests.builders.messages import read_query
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE, PUSHED_REQUESTS

REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:"


async def visit(flow, pairs):
    return await flow.browser.get("/authorize?" + urlencode(pairs))


def plain(flow, *more, **changes):
    """The parameters of an unpushed authorization request as pairs; None removes one."""
    parameters = flow.parameters(client_id=flow.app.client_id) | changes
    return [*((name, value) for name, value in parameters.items() if value is not None), *more]


async def count_stored_rows(oauth):
    """The number of journal lines and of pushed requests."""
    return await JOURNAL_INTAKE.count(oauth), await PUSHED_REQUESTS.count(oauth)


def assert_error_redirect(response, flow, error="invalid_request", state=True):
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(REDIRECT + "?")
    answer = read_query(location)
    assert (answer["error"], answer["iss"]) == (error, ISSUER)
    assert "PAR" in answer["error_description"]
    assert answer.get("state") == (flow.state if state else None)
    assert "code" not in answer
    assert response.headers["cache-control"] == "no-store"


def is_a_page(response):
    assert response.status_code == 400, response.headers.get("location")
    assert "location" not in response.headers


ANSWERED = {
    "plain": ({}, [], "invalid_request", True),
    "without state": ({"state": None}, [], "invalid_request", False),
    "without response_type": ({"response_type": None}, [], "invalid_request", True),
    "implicit": ({"response_type": "token"}, [], "invalid_request", True),
    "without PKCE": ({"code_challenge": None}, [], "invalid_request", True),
    "prompt=none": ({"prompt": "none"}, [], "invalid_request", True),
    "form_post": ({"response_mode": "form_post"}, [], "invalid_request", True),
    "fragment": ({"response_mode": "fragment"}, [], "invalid_request", True),
    "request object": ({"request": "eyJhbGciOiJub25lIn0.e30."}, [], "invalid_request", True),
    "unknown scope": ({"scope": "alles"}, [], "invalid_request", True),
    "state twice": ({}, [("state", "anders")], "invalid_request", False),
    "nonce twice": ({}, [("nonce", "anders")], "invalid_request", True),
    "request_uri twice": (
        {},
        [("request_uri", REQUEST_URI_PREFIX + "a"), ("request_uri", REQUEST_URI_PREFIX + "b")],
        "invalid_request",
        True,
    ),
    "control character": ({"nonce": "a\0b"}, [], "invalid_request", True),
    "state with a line": ({"state": "a\r\nb"}, [], "invalid_request", False),
    "unknown request_uri": ({}, [("request_uri", REQUEST_URI_PREFIX + "onbekend")], "invalid_request_uri", True),
    "request_uri elsewhere": ({}, [("request_uri", "https://app.voorbeeld.example/r")], "invalid_request_uri", True),
    "empty request_uri": ({}, [("request_uri", "")], "invalid_request", True),
}


@pytest.mark.parametrize(("changes", "more", "error", "state"), ANSWERED.values(), ids=ANSWERED)
@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
async def test_unpushed_request_of_known_client_returns_error_at_its_redirect_uri(
    oauth, changes, more, error, state, public
) -> None:
    flow = await oauth.request(await oauth.register_public_app() if public else None)
    before = await count_stored_rows(oauth)
    assert_error_redirect(await visit(flow, plain(flow, *more, **changes)), flow, error, state)
    assert await count_stored_rows(oauth) == before


A_PAGE = {
    "unknown client": ({"client_id": "bestaat-niet"}, []),
    "no client": ({"client_id": None}, []),
    "client twice": ({}, [("client_id", "ander")]),
    "client with NUL": ({"client_id": "a\0b"}, []),
    "no redirect_uri": ({"redirect_uri": None}, []),
    "redirect_uri twice": ({}, [("redirect_uri", "https://kwaad.example/")]),
    "same redirect_uri twice": ({}, [("redirect_uri", REDIRECT)]),
    "another host": ({"redirect_uri": "https://kwaad.example/terug"}, []),
    "another path": ({"redirect_uri": REDIRECT + "/verder"}, []),
    "a slash more": ({"redirect_uri": REDIRECT + "/"}, []),
    "a query more": ({"redirect_uri": REDIRECT + "?a=b"}, []),
    "a fragment": ({"redirect_uri": REDIRECT + "#a"}, []),
    "capitals": ({"redirect_uri": REDIRECT.replace("https", "HTTPS")}, []),
    "http": ({"redirect_uri": REDIRECT.replace("https", "http")}, []),
    "a port": ({"redirect_uri": REDIRECT.replace(".example/", ".example:443/")}, []),
    "a user": ({"redirect_uri": REDIRECT.replace("https://", "https://app.voorbeeld.example@")}, []),
    "javascript": ({"redirect_uri": "javascript:alert(1)"}, []),
    "a line end": ({"redirect_uri": REDIRECT + "\r\nSet-Cookie: a=b"}, []),
}


@pytest.mark.parametrize(("changes", "more"), A_PAGE.values(), ids=A_PAGE)
@pytest.mark.parametrize("request_uri", [None, REQUEST_URI_PREFIX + "onbekend"])
async def test_open_redirect_unpushed_request_with_inexact_client_or_redirect_uri_is_blocked(
    oauth, changes, more, request_uri
) -> None:
    flow = await oauth.request()
    is_a_page(await visit(flow, plain(flow, *more, request_uri=request_uri, **changes)))


async def test_unpushed_request_of_suspended_client_shows_a_page(oauth) -> None:
    flow = await oauth.request()
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET state = 'suspended'"))
    is_a_page(await visit(flow, plain(flow)))


async def test_expired_or_used_request_uri_with_exact_redirect_uri_returns_error_there(oauth) -> None:
    flow = await oauth.start_flow()
    for spoil in ("expire", "use"):
        uri = await flow.pushed()
        if spoil == "use":
            await flow.approve(uri)
        else:
            oauth.later(seconds=60)
        assert_error_redirect(await visit(flow, plain(flow, request_uri=uri)), flow, "invalid_request_uri")
        is_a_page(await flow.authorize(uri))


async def test_request_uri_of_another_client_returns_error_and_stays_unopened(oauth) -> None:
    flow = await oauth.start_flow()
    other = await oauth.register_reading_app(client_name="Andere app")
    uri = await flow.pushed()
    assert_error_redirect(
        await visit(flow, plain(flow, request_uri=uri, client_id=other.client_id)), flow, "invalid_request_uri"
    )
    oauth.later(seconds=60)  # it was not opened in time
    is_a_page(await flow.authorize(uri))


async def test_unpushed_request_error_keeps_the_query_of_the_redirect_uri(oauth) -> None:
    there = "https://app.voorbeeld.example/terug?taal=nl&leeg="
    flow = await oauth.request(await oauth.register_reading_app(redirect_uris=[there]))
    answer = await visit(flow, plain(flow))
    assert answer.headers["location"].startswith(there + "&error=invalid_request&")
