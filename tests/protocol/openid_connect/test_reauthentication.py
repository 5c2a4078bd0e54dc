"""Step-up, max_age and prompt=login. The person logs in again where required, once, never in a loop."""

from __future__ import annotations

import pytest

from tests.builders.applications import replace_services
from tests.builders.client import make_authorization_details
from tests.builders.flow import (
    HIGH,
    LOW,
    SUBSTANTIAL,
    Flow,
    approve_consent_page,
    dump_claims,
    log_in_again,
    read_redirect,
    start_login_flow,
    verify_id_token,
)
from tests.builders.messages import read_claims, read_query


async def way(flow, **wishes):
    """The response of /authorize to a request with these parameters."""
    return await flow.authorize(await flow.pushed(**wishes))


async def test_acr_values_above_session_redirect_to_login_at_that_level(oauth) -> None:
    flow = await start_login_flow(oauth)
    sent = await way(flow, acr_values=HIGH)
    asked = read_query(sent.headers["location"])
    assert asked["niveau"] == "hoog"
    assert asked["terug"].startswith("/authorize?")
    answer = await approve_consent_page(flow, await log_in_again(flow, sent))
    tokens = (await flow.redeem(answer["code"])).json()
    assert (await verify_id_token(oauth, tokens))["acr"] == HIGH


async def test_acr_values_list_is_met_by_any_and_requests_the_lowest(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert (await way(flow, acr_values=f"{HIGH} {SUBSTANTIAL}")).status_code == 200
    flow.browser = oauth.world.browser()
    assert read_query((await way(flow, acr_values=f"{HIGH} {LOW}")).headers["location"])["niveau"] == "substantieel"


async def test_step_up_without_the_level_returns_error_to_the_client_once(oauth) -> None:
    flow = await start_login_flow(oauth)
    uri = await flow.pushed(acr_values=HIGH)
    assert (await flow.authorize(uri)).headers["location"].startswith("/inloggen")
    told = read_redirect(await flow.authorize(uri))
    assert told["error"] == "unmet_authentication_requirements"
    assert (told["state"], told["iss"]) == (flow.state, "https://machtigen.test")


async def test_acr_values_that_no_login_can_meet_are_rejected_without_redirect(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert read_redirect(await way(flow, acr_values="urn:onbekend"))["error"] == "unmet_authentication_requirements"
    held = await oauth.grant_machtiging()
    flow.browser = oauth.world.browser()
    await flow.browser.log_in("naaste", niveau="hoog")
    flow.asks = make_authorization_details(held.id)  # given at "substantieel": the son's level does not raise it
    assert read_redirect(await way(flow, acr_values=HIGH))["error"] == "unmet_authentication_requirements"


async def test_acr_in_claims_parameter_redirects_to_login(oauth) -> None:
    flow = await start_login_flow(oauth)
    asked = dump_claims(id_token={"acr": {"essential": True, "values": [HIGH]}})
    sent = await way(flow, claims=asked)
    assert read_query(sent.headers["location"])["niveau"] == "hoog"
    answer = await approve_consent_page(flow, await log_in_again(flow, sent))
    assert (await verify_id_token(oauth, (await flow.redeem(answer["code"])).json()))["acr"] == HIGH


async def test_max_age_exceeded_redirects_to_login(oauth) -> None:
    flow = await start_login_flow(oauth)  # five minutes ago
    assert (await way(flow, max_age="300")).status_code == 200
    sent = await way(flow, max_age="299")
    assert read_query(sent.headers["location"])["opnieuw"] == "ja"
    oauth.later(seconds=40)
    answer = await approve_consent_page(flow, await log_in_again(flow, sent))
    told = await verify_id_token(oauth, (await flow.redeem(answer["code"])).json())
    assert told["auth_time"] == int(oauth.clock.now().timestamp())


@pytest.mark.parametrize("wish", [{"max_age": "0"}, {"prompt": "login"}, {"prompt": "login consent"}])
async def test_prompt_login_and_max_age_0_redirect_to_login(oauth, wish) -> None:
    flow = await start_login_flow(oauth)
    oauth.later(seconds=1)
    sent = await way(flow, **wish)
    oauth.later(seconds=20)
    assert (await log_in_again(flow, sent)).status_code == 200


async def test_prompt_login_without_new_login_returns_login_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    uri = await flow.pushed(prompt="login")
    await flow.authorize(uri)
    assert read_redirect(await flow.authorize(uri))["error"] == "login_required"
    assert [line.reason for line in await oauth.lines("grant:geweigerd")] == ["inloggen_te_lang_geleden"]


async def test_prompt_login_is_not_bypassed_by_posting_the_consent_form(oauth) -> None:
    flow = await start_login_flow(oauth)
    form = await flow.consent_form(await flow.pushed())
    uri = await flow.pushed(prompt="login")
    assert read_redirect(await flow.press(form | {"request_uri": uri}))["error"] == "login_required"
    assert await oauth.lines("grant:verleend") == []


async def test_max_age_is_checked_when_the_consent_page_is_shown(oauth) -> None:
    flow = await start_login_flow(oauth)
    form = await flow.consent_form(await flow.pushed(max_age="300"))
    oauth.later(minutes=9)
    assert "code" in read_redirect(await flow.press(form))


async def test_prompt_login_is_passed_to_the_broker(oauth) -> None:
    flow = await start_login_flow(oauth)
    sent = await way(flow, prompt="login")
    asked = read_query((await flow.browser.get(sent.headers["location"])).headers["location"])
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    flow = await start_login_flow(oauth)
    sent = await way(flow, acr_values=HIGH)
    asked = read_query((await flow.browser.get(sent.headers["location"])).headers["location"])
    assert "prompt" not in asked


async def test_acr_values_without_session_redirect_to_login_at_that_level(oauth) -> None:
    flow = Flow(await oauth.register_reading_app(), oauth.world.browser(), None)
    sent = await way(flow, acr_values=HIGH, prompt="login")
    asked = read_query(sent.headers["location"])
    assert (asked["niveau"], asked["opnieuw"]) == ("hoog", "ja")
    answer = await approve_consent_page(flow, await log_in_again(flow, sent))
    assert read_claims((await flow.redeem(answer["code"])).json()["id_token"])["acr"] == HIGH


async def test_login_hint_is_passed_in_practice_only(oauth) -> None:
    flow = Flow(await oauth.register_reading_app(), oauth.world.browser(), None)
    sent = await way(flow, login_hint="naaste & co")
    assert read_query(sent.headers["location"])["login_hint"] == "naaste & co"
    replace_services(oauth.service, practice=False)
    sent = await way(flow, login_hint="naaste & co")
    assert "login_hint" not in sent.headers["location"]


async def test_ui_locales_and_display_are_ignored(oauth) -> None:
    flow = await start_login_flow(oauth)
    for wish in ({"ui_locales": "fr en"}, {"display": "popup"}, {"claims_locales": "de"}, {"display": "x"}):
        assert (await way(flow, **wish)).status_code == 200


async def test_max_age_malformed_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    for age in ("-1", "1.5", "zo", "", "9" * 30, "٣", "1e3", " 5"):
        response = await flow.push(max_age=age)
        assert response.status_code == (201 if age == "" else 400), age  # empty: not sent (RFC 6749 3.1)


async def test_prompt_select_account_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    told = (await flow.push(prompt="select_account")).json()
    assert told["error"] == "invalid_request"
    assert "prompt=login" in told["error_description"]
