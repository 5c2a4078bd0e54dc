"""RP-Initiated Logout 1.0: the client requests, the person confirms; redirects only to a registered URI."""

from __future__ import annotations

import html
import re

import pytest

from machtiging.kernel.errors import InvalidInput
from machtiging.message_catalogue import describe_fields
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.flow import POST_LOGOUT_URI, request_userinfo, start_login_flow
from tests.builders.keys import load_keyring
from tests.builders.messages import read_claims, read_query


@pytest.fixture
async def flow(oauth):
    return await start_login_flow(
        oauth, await oauth.register_reading_app(post_logout_redirect_uris=[POST_LOGOUT_URI, POST_LOGOUT_URI + "?x=1"])
    )


def fields_of(page: str) -> dict[str, str]:
    form = page.split('action="/logout/bevestigen"')[1].split("</form>")[0]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


async def ask(flow, **parameters):
    return await flow.browser.get("/logout", params=parameters)


async def press(flow, page, decision="uitloggen", **options):
    form = fields_of(page.text) | {"besluit": decision}
    return await flow.browser.post("/logout/bevestigen", form, **options)


async def is_logged_in(flow) -> bool:
    return (await flow.browser.get("/ik")).status_code == 200


async def test_logout_request_shows_confirmation_and_keeps_the_session(flow) -> None:
    hint = (await flow.tokens())["id_token"]
    page = await ask(flow, id_token_hint=hint, post_logout_redirect_uri=POST_LOGOUT_URI, state="s")
    assert page.status_code == 200
    for words in ("Wilt u uitloggen?", "Leesapp", "Ja, log mij uit", "Nee, ik blijf ingelogd"):
        assert words in page.text
    assert await is_logged_in(flow)


async def test_logout_confirmed_ends_session_and_redirects_with_state(flow, oauth) -> None:
    hint = (await flow.tokens())["id_token"]
    page = await ask(flow, id_token_hint=hint, post_logout_redirect_uri=POST_LOGOUT_URI, state="s & t")
    response = await press(flow, page)
    assert response.status_code == 303
    assert response.headers["location"].startswith(POST_LOGOUT_URI + "?")
    assert read_query(response.headers["location"]) == {"state": "s & t"}
    assert not await is_logged_in(flow)
    assert [line.reason for line in await oauth.lines("sessie:beeindigd")] == ["uitgelogd_via_app"]


async def test_logout_page_form_action_allows_the_redirect_uri_only(flow) -> None:
    page = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI)
    assert "form-action 'self' https://app.voorbeeld.example;" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "voorbeeld" not in (await ask(flow)).headers["content-security-policy"]


async def test_logout_declined_keeps_the_session(flow) -> None:
    page = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI)
    response = await press(flow, page, "blijven")
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert await is_logged_in(flow)


async def test_logout_without_parameters_is_possible(flow) -> None:
    page = await ask(flow)
    assert "vraagt of u hier" not in page.text
    response = await press(flow, page)
    assert response.status_code == 200
    assert "U bent uitgelogd" in response.text
    assert not await is_logged_in(flow)


async def test_post_logout_redirect_uri_with_query_is_kept(flow) -> None:
    page = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI + "?x=1", state="s")
    assert (await press(flow, page)).headers["location"] == POST_LOGOUT_URI + "?x=1&state=s"


LOOK_ALIKES = [
    "https://kwaad.example/",
    POST_LOGOUT_URI + "/",
    POST_LOGOUT_URI + "?x=2",
    POST_LOGOUT_URI + "#x",
    POST_LOGOUT_URI.replace("https", "http"),
    POST_LOGOUT_URI.replace("app.", "app.voorbeeld.example@kwaad."),
    POST_LOGOUT_URI.upper(),
    "//kwaad.example",
    "javascript:alert(1)",
    "/inloggen",
    POST_LOGOUT_URI + "\r\nSet-Cookie: a=b",
]


@pytest.mark.parametrize("uri", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
async def test_open_redirect_post_logout_redirect_uri_unregistered_is_blocked(flow, uri) -> None:
    hint = (await flow.tokens())["id_token"]
    page = await ask(flow, id_token_hint=hint, post_logout_redirect_uri=uri, state="s")
    assert page.status_code == 200
    assert "kwaad" not in page.text
    response = await press(flow, page)
    assert (response.status_code, response.headers.get("location")) == (200, None)
    assert not await is_logged_in(flow)


async def test_open_redirect_by_tampered_logout_form_is_blocked(flow) -> None:
    page = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI)
    form = fields_of(page.text) | {"besluit": "uitloggen", "post_logout_redirect_uri": "https://kwaad.example/"}
    response = await flow.browser.post("/logout/bevestigen", form)
    assert "location" not in response.headers


async def test_logout_with_inconsistent_parameters_gives_no_redirect(flow, oauth) -> None:
    hint = (await flow.tokens())["id_token"]
    other = await oauth.register_reading_app(client_name="Andere app")
    claims = read_claims(hint)
    for parameters in (
        {"id_token_hint": hint, "client_id": other.client_id},
        {"id_token_hint": "x", "client_id": flow.app.client_id},
        {"id_token_hint": hint[:-4] + "AAAA", "client_id": flow.app.client_id},
        {"id_token_hint": load_keyring().sign_jwt(claims | {"aud": other.client_id}, typ="JWT")},
        {"client_id": "onbekend"},
        {"client_id": "\0"},
        {},
    ):
        page = await ask(flow, post_logout_redirect_uri=POST_LOGOUT_URI, **parameters)
        assert page.status_code == 200, parameters
        assert POST_LOGOUT_URI not in page.text, parameters
        assert await is_logged_in(flow)


async def test_enumeration_logout_with_client_id_does_not_reveal_the_client(flow) -> None:
    known, unknown = await ask(flow, client_id=flow.app.client_id), await ask(flow, client_id="onbekend")
    assert "Leesapp" not in known.text
    assert known.text == unknown.text


async def test_logout_with_duplicate_parameter_gives_no_redirect(flow) -> None:
    twice = [
        ("client_id", flow.app.client_id),
        ("post_logout_redirect_uri", POST_LOGOUT_URI),
        ("post_logout_redirect_uri", POST_LOGOUT_URI),
    ]
    page = await flow.browser.http.get("/logout", params=twice)
    assert POST_LOGOUT_URI not in page.text


async def test_logout_request_by_cross_site_post_shows_confirmation(flow) -> None:
    hint = (await flow.tokens())["id_token"]
    form = {"id_token_hint": hint, "post_logout_redirect_uri": POST_LOGOUT_URI, "state": "s", "onzin": "x"}
    response = await flow.browser.post("/logout", form, headers={"Origin": "https://app.voorbeeld.example"})
    assert response.status_code == 303
    assert response.headers["location"].startswith("/logout?")
    assert "onzin" not in response.headers["location"]
    page = await flow.browser.get(response.headers["location"])
    assert (await press(flow, page)).headers["location"] == POST_LOGOUT_URI + "?state=s"


async def test_csrf_logout_confirmation_from_other_site_is_rejected(flow) -> None:
    page = await ask(flow)
    for options in (
        {"headers": {"Origin": "https://kwaad.example"}},
        {"headers": {"Origin": "https://machtigen.test", "Sec-Fetch-Site": "cross-site"}},
        {"headers": {}},
    ):
        assert (await press(flow, page, **options)).status_code == 403
    form = fields_of(page.text) | {"besluit": "uitloggen"}
    for change in ({"csrf": "x"}, {"csrf": ""}):
        assert (await flow.browser.post("/logout/bevestigen", form | change)).status_code == 403
    assert await is_logged_in(flow)


async def test_logout_decision_other_than_the_two_buttons_is_rejected(flow) -> None:
    page = await ask(flow)
    assert (await press(flow, page, "misschien")).status_code == 400
    assert await is_logged_in(flow)


async def test_logout_without_session_with_id_token_hint_redirects(flow, oauth) -> None:
    hint = (await flow.tokens())["id_token"]
    flow.browser = oauth.world.browser()
    response = await ask(flow, id_token_hint=hint, post_logout_redirect_uri=POST_LOGOUT_URI, state="s")
    assert (response.status_code, response.headers["location"]) == (303, POST_LOGOUT_URI + "?state=s")


async def test_logout_without_session_or_hint_shows_a_link(flow, oauth) -> None:
    flow.browser = oauth.world.browser()
    response = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI)
    assert response.status_code == 200
    assert "U bent uitgelogd" in response.text
    assert f'href="{POST_LOGOUT_URI}"' in response.text


async def test_logout_confirmed_twice_succeeds(flow) -> None:
    page = await ask(flow, client_id=flow.app.client_id, post_logout_redirect_uri=POST_LOGOUT_URI)
    assert (await press(flow, page)).status_code == 303
    assert (await press(flow, page)).status_code == 200


async def test_logout_with_old_id_token_hint_redirects(flow, oauth) -> None:
    hint = (await flow.tokens())["id_token"]
    oauth.later(days=400)
    flow.browser = await oauth.logged_in()
    page = await ask(flow, id_token_hint=hint, post_logout_redirect_uri=POST_LOGOUT_URI)
    assert (await press(flow, page)).headers["location"] == POST_LOGOUT_URI


async def test_logout_ends_tokens_of_the_session(flow, oauth) -> None:
    tokens = await flow.tokens()
    await press(flow, await ask(flow))
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["uitgelogd"]


BAD = [
    "x",
    ["http://app.voorbeeld.example/uit"],
    ["https://app.voorbeeld.example/uit#x"],
    ["https://app.voorbeeld.example/*"],
    ["https://gebruiker@app.voorbeeld.example/"],
    ["https://app.voorbeeld.example/uit?state=x"],
    ["https://10.0.0.1/"],
    ["/uit"],
    [7],
    [POST_LOGOUT_URI, POST_LOGOUT_URI],
    [f"{POST_LOGOUT_URI}/{i}" for i in range(11)],
]


@pytest.mark.parametrize("uris", BAD, ids=range(len(BAD)))
async def test_post_logout_redirect_uri_invalid_is_rejected_at_registration(oauth, uris) -> None:
    with pytest.raises(InvalidInput) as refused:
        await oauth.add(make_app_metadata(make_client_keys(), post_logout_redirect_uris=uris))
    assert "post_logout_redirect_uris" in refused.value.fields
    assert "redirect_uri " not in describe_fields(refused.value)["post_logout_redirect_uris"].replace(
        "post_logout_redirect_uri", ""
    )
