"""The consent page: content, who may answer it, double clicks, CSRF, clickjacking and look-alike names."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.kernel.errors import InvalidInput
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import REDIRECT, make_app_metadata, make_authorization_details, make_client_keys
from tests.builders.flow import read_button_links, read_hidden_fields
from tests.builders.messages import read_claims, read_query


async def test_consent_page_names_app_permission_subject_and_duration(oauth) -> None:
    flow = await oauth.start_flow()
    page = (await flow.authorize(await flow.pushed())).text
    for words in (
        "Leesapp",
        "app.voorbeeld.example",
        "Wij kennen deze app.",
        "Ans Voorbeeld",
        "zien welke brieven er zijn",
        "brieven lezen",
        "bijlagen opslaan",
        "UWV",
        "Sociale Verzekeringsbank",
        "1 januari 2020",
        "10 minuten",
        "21 februari 2027",
        "Ja, ik ga akkoord",
        "Nee, ik weiger",
    ):
        assert words in page, words
    assert "999990019" not in page


async def test_row_34_clickjacking_consent_page_denies_framing_and_limits_form_action(oauth) -> None:
    flow = await oauth.start_flow()
    shown = await flow.authorize(await flow.pushed())
    policy = shown.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.voorbeeld.example;" in policy
    assert shown.headers["x-frame-options"] == "DENY"
    assert shown.headers["cache-control"] == "no-store"
    other = await flow.browser.get("/authorize", params={"client_id": "x", "request_uri": "y"})
    assert "app.voorbeeld.example" not in other.headers["content-security-policy"]


async def test_consent_page_without_login_redirects_to_login_and_back(oauth) -> None:
    held = await oauth.grant_machtiging()
    flow = await oauth.request()
    flow.asks = make_authorization_details(held.id)
    uri = await flow.pushed()
    sent_away = await flow.authorize(uri)
    assert sent_away.status_code == 303
    assert sent_away.headers["location"].startswith("/inloggen?terug=")
    back = read_query(sent_away.headers["location"])["terug"]
    oauth.later(minutes=3)
    landed = await flow.browser.log_in("naaste", terug=back)
    assert landed.headers["location"] == back
    assert (await flow.browser.get(back)).status_code == 200


async def test_authorization_response_has_code_state_and_iss_only(oauth) -> None:
    flow = await oauth.start_flow()
    answer = await flow.answer()
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["iss"] == "https://machtigen.test"


async def test_row_8_mix_up_error_response_has_issuer(oauth) -> None:
    flow = await oauth.start_flow()
    response = await flow.approve(await flow.pushed(), "weigeren")
    told = read_query(response.headers["location"])
    assert told["error"] == "access_denied"
    assert (told["state"], told["iss"]) == (flow.state, "https://machtigen.test")
    assert response.headers["location"].startswith(REDIRECT + "?")
    assert [line.reason for line in await oauth.lines("grant:geweigerd")] == ["geweigerd_door_gebruiker"]


async def test_row_12_open_redirect_with_unknown_client_or_redirect_uri_is_blocked(oauth) -> None:
    flow = await oauth.start_flow()
    for query in (
        {"client_id": "onbekend", "redirect_uri": "https://kwaad.example", "response_type": "code"},
        {"client_id": flow.app.client_id, "redirect_uri": "https://kwaad.example", "response_type": "token"},
        {"client_id": flow.app.client_id, "redirect_uri": REDIRECT + "/", "response_type": "token", "state": "x"},
        {"client_id": "\0", "request_uri": "\0"},
        {"client_id": 'é"', "request_uri": "urn:ietf:params:oauth:request_uri:é"},
        {},
    ):
        response = await flow.browser.get("/authorize", params=query)
        assert (response.status_code, response.headers.get("location")) == (400, None), query
        assert "kwaad" not in response.text


async def test_duplicate_request_uri_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    query = [("client_id", flow.app.client_id), ("request_uri", uri), ("request_uri", uri)]
    assert (await flow.browser.http.get("/authorize", params=query)).status_code == 400


async def test_row_33_csrf_consent_from_other_site_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    for options in (
        {"headers": {"Origin": "https://kwaad.example"}},
        {"headers": {"Origin": "https://machtigen.test", "Sec-Fetch-Site": "cross-site"}},
        {"headers": {}},
    ):
        assert (await flow.press(form, **options)).status_code == 403
    for change in ({"csrf": "anders"}, {"csrf": ""}):
        assert (await flow.press(form | change)).status_code == 403
    form.pop("csrf")
    assert (await flow.press(form)).status_code == 403
    assert await oauth.lines("grant:verleend") == []


async def test_row_35_consent_form_of_another_session_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    flow.browser = await oauth.logged_in()
    answer = await flow.press(form)
    # A link: the page may redirect to the login, which form-action forbids for a form.
    assert answer.status_code == 200
    assert read_button_links(answer.text)[0].startswith("/authorize?client_id=")
    assert await oauth.lines("grant:verleend") == []


async def test_row_37_concurrent_consents_create_one_grant(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    answers = await asyncio.gather(*(flow.press(form) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await oauth.lines("grant:verleend")) == 1
    assert (await flow.redeem(read_query(answers[0].headers["location"])["code"])).status_code == 200


async def test_row_37_consent_decision_cannot_be_changed(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    await flow.press(form, "weigeren")
    again = read_query((await flow.press(form, "akkoord")).headers["location"])
    assert again["error"] == "access_denied"
    assert await oauth.lines("grant:verleend") == []


async def test_redeemed_code_is_not_shown_again(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    code = read_query((await flow.press(form)).headers["location"])["code"]
    await flow.redeem(code)
    again = await flow.press(form)
    assert again.status_code == 409
    assert code not in again.text


async def test_code_of_another_person_is_not_shown(oauth) -> None:
    flow = await oauth.start_flow()
    uri = await flow.pushed()
    await flow.approve(uri)
    flow.browser = await oauth.logged_in("raadslid")
    own = await flow.consent_form(await flow.pushed(authorization_details=make_authorization_details()))
    answer = await flow.press(own | {"request_uri": uri})
    assert (answer.status_code, answer.headers.get("location")) == (409, None)


async def test_consent_decision_other_than_the_two_buttons_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    for decision in ("", "misschien", "AKKOORD"):
        assert (await flow.press(form, decision)).status_code == 400
    assert (await flow.press(form)).status_code == 303


async def test_token_acr_is_the_lowest_of_login_and_machtiging(oauth) -> None:
    flow = await oauth.start_flow()
    flow.browser = oauth.world.browser()
    await flow.browser.log_in("naaste", niveau="hoog")
    tokens = await flow.tokens()
    assert read_claims(tokens["access_token"])["acr"] == "http://eidas.europa.eu/LoA/substantial"
    asked = await flow.authorize(await flow.pushed(acr_values="http://eidas.europa.eu/LoA/high"))
    assert read_query(asked.headers["location"])["error"] == "unmet_authentication_requirements"


async def test_row_36_homograph_client_names_are_rejected(oauth) -> None:
    for name in (
        "Lеesapp",
        "Ｌeesapp",
        "Lees\u200bapp",
        "Lees\u202eapp",
        "ΛΕΕΣ",
        "Leesɑpp",
        "DıgiD",
        "Lees  app",
        " x",
    ):
        with pytest.raises(InvalidInput) as refused:
            await oauth.add(make_app_metadata(make_client_keys(), client_name=name))
        assert "client_name" in refused.value.fields, name


async def test_client_name_is_escaped(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_reading_app(client_name="Post & Co (app)"))
    assert "Post &amp; Co (app)" in (await flow.authorize(await flow.pushed())).text


async def test_consent_sent_after_session_end_creates_one_grant_after_login(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE login_session SET ended_at = created_at"))
    away = await flow.press(form)
    assert away.status_code == 401
    assert "U was te lang weg. Er is niets veranderd." in away.text
    assert await oauth.lines("grant:verleend") == []
    link = read_button_links(away.text)[0]
    back = await flow.browser.get((await flow.browser.log_in("naaste", **read_query(link))).headers["location"])
    assert back.status_code == 200
    assert "Wat u wilde doen, is nog niet gedaan." in back.text
    answer = await flow.press(read_hidden_fields(back.text))
    assert "code" in read_query(answer.headers["location"])
    assert len(await oauth.lines("grant:verleend")) == 1


async def test_consent_sent_after_session_and_request_expired_creates_no_grant(oauth) -> None:
    flow = await oauth.start_flow()
    form = await flow.consent_form(await flow.pushed())
    oauth.later(hours=1)
    away = await flow.press(form)
    link = read_button_links(away.text)[0]
    back = await flow.browser.get((await flow.browser.log_in("naaste", **read_query(link))).headers["location"])
    assert back.status_code == 400
    assert "of het is verlopen" in back.text
    assert await oauth.lines("grant:verleend") == []
