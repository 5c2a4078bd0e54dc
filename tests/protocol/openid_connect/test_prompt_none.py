"""prompt=none: no page and no login. An answer only for what this session consented to before."""

from __future__ import annotations

import asyncio

from tests.builders.client import make_authorization_details
from tests.builders.flow import HIGH, Flow, dump_claims, read_redirect, start_login_flow, verify_id_token


async def silently(flow, **wishes):
    return read_redirect(await flow.authorize(await flow.pushed(prompt="none", **wishes)))


async def test_prompt_none_without_session_returns_login_required(oauth) -> None:
    flow = Flow(await oauth.register_reading_app(), oauth.world.browser(), None)
    told = await silently(flow)
    assert told["error"] == "login_required"
    assert (told["state"], told["iss"]) == (flow.state, "https://machtigen.test")
    # not journalled: there is no authenticated person
    assert await oauth.lines("grant:geweigerd") == []


async def test_prompt_none_without_consent_returns_consent_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    assert (await silently(flow))["error"] == "consent_required"
    assert [line.reason for line in await oauth.lines("grant:geweigerd")] == ["toestemming_nodig"]


async def test_prompt_none_with_consent_in_this_session_returns_code(oauth) -> None:
    flow = await start_login_flow(oauth)
    first = await verify_id_token(oauth, await flow.tokens())
    again = await silently(flow)
    told = await verify_id_token(oauth, (await flow.redeem(again["code"])).json())
    for name in ("sub", "sid", "auth_time", "acr"):
        assert told[name] == first[name]


async def test_prompt_none_request_uri_reused_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    await flow.tokens()
    uri = await flow.pushed(prompt="none")
    assert "code" in read_redirect(await flow.authorize(uri))
    assert (await flow.authorize(uri)).status_code == 400
    assert len(await oauth.lines("grant:verleend")) == 2


async def test_prompt_none_with_authorization_details_returns_consent_required(oauth) -> None:
    flow = await oauth.start_flow()
    await flow.tokens()
    assert (await silently(flow))["error"] == "consent_required"
    flow.asks = make_authorization_details()  # the own box
    assert (await silently(flow))["error"] == "consent_required"


async def test_prompt_none_with_more_claims_returns_consent_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    await flow.tokens()
    name = dump_claims(id_token={"name": None})
    assert (await silently(flow, claims=name))["error"] == "consent_required"
    await flow.tokens(claims=name)
    assert "code" in await silently(flow, claims=name)
    assert (await silently(flow, claims=dump_claims(userinfo={"name": None})))["error"] == "consent_required"


async def test_prompt_none_for_another_client_returns_consent_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    await flow.tokens()
    flow.app = await oauth.register_reading_app(client_name="Andere app")
    assert (await silently(flow))["error"] == "consent_required"


async def test_prompt_none_in_another_session_returns_consent_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    await flow.tokens()
    flow.browser = await oauth.logged_in()
    assert (await silently(flow))["error"] == "consent_required"


async def test_prompt_none_after_consent_ended_returns_consent_required(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens()
    await flow.app.post("/revoke", {"token": tokens["access_token"]})
    assert (await silently(flow))["error"] == "consent_required"


async def test_prompt_none_with_unmet_acr_or_max_age_returns_error(oauth) -> None:
    flow = await start_login_flow(oauth)
    await flow.tokens()
    assert (await silently(flow, acr_values=HIGH))["error"] == "unmet_authentication_requirements"
    assert (await silently(flow, max_age="10"))["error"] == "login_required"


async def test_prompt_none_with_other_values_is_rejected(oauth) -> None:
    flow = await start_login_flow(oauth)
    for prompt in ("none login", "consent none", "none none", "niets"):
        assert (await flow.push(prompt=prompt)).json()["error"] == "invalid_request", prompt


async def test_concurrent_consents_after_slow_reading_create_one_grant(oauth) -> None:
    flow = await start_login_flow(oauth)
    form = await flow.consent_form(await flow.pushed())
    oauth.later(minutes=3)  # so that the first also updates last_seen of the session
    answers = await asyncio.gather(*(flow.press(form) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [303] * 4
    assert len({answer.headers["location"] for answer in answers}) == 1
