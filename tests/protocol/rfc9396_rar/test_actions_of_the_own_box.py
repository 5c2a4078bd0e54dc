"""The actions `markeren` and `verwijderen`. Only for an own app, the own box and with consent."""

from __future__ import annotations

import pytest

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.ciba import register_ciba_desk
from tests.builders.client import make_authorization_details
from tests.builders.flow import Flow
from tests.builders.messages import read_claims, read_query
from tests.builders.rows import ISSUED_TOKENS
from tests.builders.tokens import HUIS, SERVICE_KEYS, ExchangeChain, make_exchanger_metadata, make_server_metadata

CHANGING = ["markeren", "verwijderen"]
ALL = ["lijst", "lezen", "downloaden", *CHANGING]


async def own_flow(oauth, *actions, app=None) -> Flow:
    return Flow(
        app or await oauth.register_reading_app(), await oauth.logged_in(), make_authorization_details(None, *actions)
    )


async def reasons(oauth, act):
    return [line.reason for line in await oauth.lines(act)]


async def test_actions_of_own_box_are_shown_granted_and_returned(oauth) -> None:
    flow = await own_flow(oauth, *ALL)
    uri = await flow.pushed()
    shown = (await flow.authorize(uri)).text
    for words in ("aangeven of u een brief gelezen heeft", "brieven weggooien", "niet zelf terughalen"):
        assert words in shown
    code = read_query((await flow.approve(uri)).headers["location"])["code"]
    tokens = (await flow.redeem(code)).json()
    assert read_claims(tokens["access_token"])["authorization_details"] == [{"type": "berichtenbox", "actions": ALL}]
    async with unit_of_work(oauth.sessions) as session:
        (acts,) = await ISSUED_TOKENS.read_column(session, "acts")
    assert set(acts) == set(ALL)


async def test_actions_of_own_box_not_requested_are_not_granted(oauth) -> None:
    flow = await own_flow(oauth)
    uri = await flow.pushed()
    shown = (await flow.authorize(uri)).text
    assert "weggooien" not in shown
    assert "terughalen" not in shown
    code = read_query((await flow.approve(uri)).headers["location"])["code"]
    assert (await flow.redeem(code)).json()["authorization_details"][0]["actions"] == ALL[:3]


@pytest.mark.parametrize("actions", [["markeren"], ["verwijderen"], ["lijst", "lezen", "markeren"], ALL])
async def test_actions_of_own_box_under_machtiging_are_rejected_at_par(oauth, actions) -> None:
    flow = await oauth.start_flow(None, await oauth.grant_machtiging(), *actions)
    response = await flow.push()
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    (reason,) = await reasons(oauth, "grant:geweigerd")
    assert reason == "handeling_alleen_eigen_box"


@pytest.mark.parametrize("action", CHANGING)
async def test_actions_of_own_box_for_another_resource_are_rejected_at_par(oauth, action) -> None:
    await oauth.add(make_server_metadata(), SERVICE_KEYS)
    flow = await own_flow(oauth, "lezen", action)
    assert (await flow.push(resource=HUIS)).json()["error"] == "invalid_authorization_details"
    assert await reasons(oauth, "grant:geweigerd") == ["handeling_alleen_hier"]
    assert (
        await flow.push(resource=HUIS, authorization_details=make_authorization_details(None, "lezen"))
    ).status_code == 201


@pytest.mark.parametrize("action", CHANGING)
async def test_actions_of_own_box_in_ciba_request_are_rejected(oauth, action) -> None:
    ciba_desk = await register_ciba_desk(oauth)
    response = await ciba_desk.asks(authorization_details=make_authorization_details(None, "lezen", action))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
    assert await reasons(oauth, "verzoek:geweigerd") == ["handeling_niet_aan_balie"]


@pytest.mark.parametrize(
    ("asked", "status"), [(["lezen", "markeren"], 200), (["verwijderen"], 200), (["downloaden"], 400)]
)
async def test_token_request_narrows_to_requested_actions(oauth, asked, status) -> None:
    flow = await own_flow(oauth, "lijst", "lezen", "markeren", "verwijderen")
    response = await flow.redeem(await flow.code(), authorization_details=make_authorization_details(None, *asked))
    assert response.status_code == status
    if status == 200:
        assert set(response.json()["authorization_details"][0]["actions"]) == set(asked)


@pytest.mark.parametrize("action", CHANGING)
async def test_token_request_with_action_not_consented_is_rejected(oauth, action) -> None:
    flow = await own_flow(oauth)
    response = await flow.redeem(
        await flow.code(), authorization_details=make_authorization_details(None, "lezen", action)
    )
    assert response.json()["error"] == "invalid_authorization_details"


async def test_token_exchange_removes_actions_of_own_box(oauth) -> None:
    chain = ExchangeChain(oauth, await oauth.register_reading_app(), await oauth.grant_machtiging())
    service = await oauth.add(make_exchanger_metadata(), SERVICE_KEYS)
    await chain.register_server(client_name="Archief", resource="https://archief.voorbeeld.example/api")
    for actions, left in ((ALL, ALL[:3]), (CHANGING, None)):
        # as in an older consent; PAR rejects it today
        token = await chain.issue_token(
            HUIS, machtiging=None, authorization_details=[{"type": "berichtenbox", "actions": actions}]
        )
        response = await chain.exchange(service, token)
        if left is None:
            assert response.json()["error"] == "invalid_authorization_details"
        else:
            assert response.json()["authorization_details"][0]["actions"] == left
