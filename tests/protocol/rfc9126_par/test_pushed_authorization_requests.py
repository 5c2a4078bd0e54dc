"""RFC 9126 pushed authorization requests: validation, client binding, expiry and single use."""

from __future__ import annotations

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.messages import read_query
from tests.builders.rows import PUSHED_REQUESTS


def assert_error(response, error, status=400):
    assert response.status_code == status, response.text
    assert response.json()["error"] == error, response.text
    assert response.headers["cache-control"] == "no-store"


async def test_request_uri_is_unique_and_expires_in_sixty_seconds(oauth) -> None:
    flow = await oauth.request()
    first, second = await flow.push(), await flow.push()
    assert first.status_code == second.status_code == 201
    assert first.json()["request_uri"] != second.json()["request_uri"]
    assert first.json()["expires_in"] == 60
    assert first.headers["cache-control"] == "no-store"


async def test_request_uri_is_stored_as_hash_and_assertion_not_at_all(oauth) -> None:
    flow = await oauth.request()
    uri = await flow.pushed()
    row = await PUSHED_REQUESTS.read_one(oauth)
    assert uri not in await PUSHED_REQUESTS.dump(oauth)
    assert "client_assertion" not in row.params


async def test_par_stores_known_parameters_only(oauth) -> None:
    flow = await oauth.request()
    known = {"acr_values": "x", "prompt": "consent", "response_mode": "query", "ui_locales": "nl"}
    assert (await flow.push(**known, onzin="x" * 9000, username="a", code_verifier="b")).status_code == 201
    async with unit_of_work(oauth.sessions) as session:
        params = await PUSHED_REQUESTS.read_value(session, "params")
    openid = {"prompts": ["consent"], "levels": [[]]}
    assert params == flow.parameters(client_id=flow.app.client_id, acr_values="x", openid=openid)


async def test_par_over_eight_kilobytes_is_rejected(oauth) -> None:
    flow = await oauth.request()
    assert_error(await flow.push(state="s" * 8200), "invalid_request")
    assert_error(await flow.push(state="é" * 4100), "invalid_request")
    assert_error(await flow.push(nonce="n" * 4100, state="s" * 4100), "invalid_request")
    assert (await flow.push(state="s" * 7000)).status_code == 201
    assert [line.reason for line in await oauth.lines("grant:geweigerd")] == ["verzoek_te_groot"] * 3


async def test_request_uri_expired_is_rejected_with_a_page(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    oauth.later(seconds=60)
    response = await flow.authorize(uri)
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_request_uri_opened_in_time_survives_a_slow_login(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    oauth.later(seconds=50)
    await flow.consent_form(uri)
    oauth.later(minutes=5)
    assert "code" in read_query((await flow.approve(uri)).headers["location"])


async def test_request_uri_opened_expires_after_fifteen_minutes(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    form = await flow.consent_form(uri)
    oauth.later(minutes=14)
    await flow.authorize(uri)
    oauth.later(minutes=1)
    assert (await flow.press(form)).status_code == 400


async def test_request_uri_of_another_client_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    other = await oauth.register_reading_app(client_name="Andere app")
    response = await flow.authorize(await flow.pushed(), client_id=other.client_id)
    assert response.status_code == 400
    assert "location" not in response.headers


async def test_request_uri_decided_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    await flow.approve(uri)
    assert (await flow.authorize(uri)).status_code == 400


async def test_open_redirect_with_unknown_request_uri_is_blocked(oauth) -> None:
    flow = await oauth.request()
    for uri in ["", "urn:ietf:params:oauth:request_uri:onbekend", "https://kwaad.example/verzoek"]:
        response = await flow.authorize(uri)
        assert response.status_code == 400, uri
        assert "location" not in response.headers


async def test_unpushed_request_is_rejected(oauth) -> None:
    flow = await oauth.request()
    parameters = flow.parameters(client_id=flow.app.client_id)
    response = await flow.browser.get("/authorize", params=parameters)
    assert response.status_code == 303
    assert read_query(response.headers["location"])["error"] == "invalid_request"


async def test_row_22_front_channel_parameters_beside_request_uri_are_ignored(oauth) -> None:
    flow = await oauth.start_flow(None, None, "lijst")
    uri = await flow.pushed()
    evil = {"redirect_uri": "https://kwaad.example/", "authorization_details": "[]", "state": "anders", "scope": "x"}
    assert (await flow.authorize(uri, **evil)).status_code == 200
    location = (await flow.approve(uri)).headers["location"]
    assert location.startswith("https://app.voorbeeld.example/terug?")
    assert read_query(location)["state"] == flow.state
    granted = (await flow.redeem(read_query(location)["code"])).json()["authorization_details"]
    assert granted[0]["actions"] == ["lijst"]


WRONG = [
    ({"redirect_uri": None}, "invalid_request"),
    ({"redirect_uri": "https://kwaad.example/terug"}, "invalid_request"),
    ({"response_type": None}, "invalid_request"),
    ({"nonce": None}, "invalid_request"),
    ({"scope": "openid profile"}, "invalid_scope"),
    ({"scope": "openid openid"}, "invalid_scope"),
    ({"scope": "aanleveringen:schrijven"}, "invalid_scope"),
    ({"scope": None, "authorization_details": None}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"),
    ({"request_uri": "https://app.voorbeeld.example/verzoek"}, "invalid_request"),
    ({"prompt": "select_account"}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"claims": "[]"}, "invalid_request"),
    ({"id_token_hint": "x"}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"resource": "https://ander.example"}, "invalid_target"),
    ({"dpop_jkt": "x"}, "invalid_request"),
]


async def test_par_with_unsupported_parameter_is_rejected(oauth) -> None:
    flow = await oauth.request()
    for change, error in WRONG:
        assert_error(await flow.push(**change), error)


async def test_row_18_implicit_and_hybrid_response_types_are_rejected(oauth) -> None:
    flow = await oauth.request()
    for response_type in ("token", "id_token", "code id_token", "code token", "none", "code code"):
        assert_error(await flow.push(response_type=response_type), "unsupported_response_type")


LOOK_ALIKES = [
    "https://app.voorbeeld.example/terug/",
    "https://app.voorbeeld.example/Terug",
    "https://APP.voorbeeld.example/terug",
    "http://app.voorbeeld.example/terug",
    "https://app.voorbeeld.example:443/terug",
    "https://app.voorbeeld.example/terug?x=1",
    "https://app.voorbeeld.example/terug#",
    "https://app.voorbeeld.example/%74erug",
    "https://app.voorbeeld.example/x/../terug",
    "https://app.voorbeeld.example/%2fterug",
    "https://app.voorbeeld.example@kwaad.example/terug",
    "https://app.voorbeeld.example.kwaad.example/terug",
    "//app.voorbeeld.example/terug",
    "https://app.voorbeeld.example/terug\"'é",
    "javascript:alert(1)",
]


async def test_row_11_redirect_uri_is_compared_exactly(oauth) -> None:
    flow = await oauth.request()
    for redirect_uri in LOOK_ALIKES:
        assert_error(await flow.push(redirect_uri=redirect_uri), "invalid_request")


async def test_duplicate_parameter_is_rejected(oauth) -> None:
    flow = await oauth.request()
    for name in ("response_type", "redirect_uri", "scope", "state", "code_challenge", "nonce", "client_id", "onzin"):
        form = {**flow.app.credentials(), **flow.parameters(), "onzin": "a"}
        assert_error(await flow.app.raw("/par", [*form.items(), (name, form[name])]), "invalid_request")


async def test_odd_characters_return_400(oauth) -> None:
    flow = await oauth.request()
    names = ("client_id", "scope", "redirect_uri", "response_type", "code_challenge_method", "authorization_details")
    for odd in ("\0", "a\nb", "\r", "\x7f", '"', "\\", "é", "日本", "\u202e", "a" * 20_000):
        for name in names:
            response = await flow.push(**{name: odd})
            assert response.status_code in (400, 401), (name, odd[:9], response.text)
            assert odd[:9] not in response.json()["error_description"]


async def test_state_is_returned_unchanged(oauth) -> None:
    flow = await oauth.start_flow()
    state = "a b+c&d=e%20é\"'<script>" + "x" * 500
    assert (await flow.answer(state=state))["state"] == state


async def test_body_that_is_no_form_or_too_large_is_rejected(oauth) -> None:
    app = await oauth.register_reading_app()
    assert_error(await app.http.post("/par", json={"a": 1}), "invalid_request")
    assert_error(await app.http.post("/par", data={"a": "b"}, params={"client_id": "x"}), "invalid_request")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_error(await app.http.post("/par", content=b"a=%FF", headers=headers), "invalid_request")
    assert_error(
        await app.http.post("/par", content=b"&".join(b"a%d=1" % n for n in range(60)), headers=headers),
        "invalid_request",
    )
    assert_error(await app.http.post("/par", content=b"a=" + b"b" * 70_000, headers=headers), "invalid_request", 413)


async def test_par_rejected_is_journalled_with_its_exact_reason(oauth) -> None:
    flow = await oauth.request()
    await flow.push(code_challenge_method="plain")
    lines = await oauth.lines("grant:geweigerd")
    assert [line.reason for line in lines] == ["pkce_ontbreekt"]
    assert lines[0].client_id == flow.app.client_id
