"""An employee below the minimum level of the organisation gets no tokens, and uses none."""

from __future__ import annotations

import pytest

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.messages import read_query
from tests.builders.organisations import KVK, change_organisation
from tests.builders.rows import ORGANISATIONS
from tests.protocol.organisation.organisations import (
    accept_professional_machtiging,
    log_in_for,
    refusal_reasons,
    request_ciba,
    start_flow_for,
)

TOO_LOW = "niveau_te_laag"


async def set_minimum_level(oauth, level):
    organisation_id = await ORGANISATIONS.read_value(oauth, "id")
    async with unit_of_work(oauth.sessions) as session:
        await change_organisation(session, organisation_id, minimum_level=level)


@pytest.fixture
async def flow(oauth):
    """The code flow of an employee who logged in at the level substantial."""
    return await start_flow_for(oauth, KVK, await accept_professional_machtiging(oauth))


@pytest.fixture
async def tokens(flow):
    response = await flow.redeem(await flow.code())
    assert response.status_code == 200, response.text
    return response.json()


async def read_activity(flow, tokens):
    """The activity of the access token and the refresh token, by introspection."""
    answers = [
        await flow.app.post("/introspect", {"token": tokens[kind]}) for kind in ("access_token", "refresh_token")
    ]
    return [answer.json()["active"] for answer in answers]


async def refresh(flow, tokens):
    return await flow.app.post("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})


async def test_consent_below_the_minimum_level_is_refused_with_a_step_up(oauth, flow) -> None:
    await set_minimum_level(oauth, "hoog")
    response = await flow.authorize(await flow.pushed())
    assert read_query(response.headers["location"])["error"] == "unmet_authentication_requirements"
    assert await refusal_reasons(oauth, "grant:geweigerd") == [TOO_LOW]


async def test_code_below_the_minimum_level_is_refused(oauth, flow) -> None:
    code = await flow.code()
    await set_minimum_level(oauth, "hoog")
    response = await flow.redeem(code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await refusal_reasons(oauth, "token:geweigerd") == [TOO_LOW]


async def test_tokens_below_the_minimum_level_are_insession_end_it_is_lowered(oauth, flow, tokens) -> None:
    assert await read_activity(flow, tokens) == [True, True]
    await set_minimum_level(oauth, "hoog")
    assert await read_activity(flow, tokens) == [False, False]
    await set_minimum_level(oauth, "substantieel")
    assert await read_activity(flow, tokens) == [True, True]


async def test_refresh_below_the_minimum_level_is_refused_and_the_token_stays_usable(oauth, flow, tokens) -> None:
    await set_minimum_level(oauth, "hoog")
    response = await refresh(flow, tokens)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await refusal_reasons(oauth, "token:geweigerd") == [TOO_LOW]
    await set_minimum_level(oauth, "substantieel")
    assert (await refresh(flow, tokens)).status_code == 200


async def test_userinfo_below_the_minimum_level_is_refused_on_behalf_of_the_organisation(oauth, flow, tokens) -> None:
    organisation_id = await ORGANISATIONS.read_value(oauth, "id")
    await set_minimum_level(oauth, "hoog")
    response = await flow.app.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert response.status_code == 401
    [line] = [line for line in await oauth.lines("token:geweigerd") if line.outcome == "refused"]
    assert (line.reason, line.on_behalf_of) == (TOO_LOW, organisation_id)


async def test_ciba_approval_below_the_minimum_level_offers_a_step_up_and_is_refused(ciba_desk) -> None:
    machtiging = await accept_professional_machtiging(ciba_desk.oauth)
    request = await request_ciba(ciba_desk, KVK, machtiging)
    await set_minimum_level(ciba_desk.oauth, "hoog")
    browser = await log_in_for(ciba_desk.oauth, KVK)
    page = await browser.get("/verzoeken")
    assert 'href="/inloggen?terug=/verzoeken&amp;niveau=hoog"' in page.text
    assert 'value="akkoord"' not in page.text
    assert (await ciba_desk.answers(browser)).status_code == 401
    assert await ciba_desk.hears(request) == "authorization_pending"


async def test_ciba_approval_is_worth_nothing_after_the_minimum_level_was_raised(ciba_desk) -> None:
    machtiging = await accept_professional_machtiging(ciba_desk.oauth)
    request = await request_ciba(ciba_desk, KVK, machtiging)
    await ciba_desk.answers(await log_in_for(ciba_desk.oauth, KVK))
    await set_minimum_level(ciba_desk.oauth, "hoog")
    response = await ciba_desk.polls(request)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
