"""OAuth under a machtiging is bound to the organisation that accepted it."""

from __future__ import annotations

import pytest

from machtiging.oauth.grant_management.consents import list_consents
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.client import make_authorization_details
from tests.builders.flow import Flow
from tests.builders.messages import read_query
from tests.builders.tokens import HUIS, SERVICE_KEYS, ExchangeChain, make_exchanger_metadata
from tests.protocol.organisation.organisations import (
    KEEPING,
    KVK,
    OTHER_KVK,
    accept_professional_machtiging,
    log_in_for,
    move,
    organisations,
    refusal_reasons,
    start_flow_for,
)

OTHER = "andere_organisatie"


async def redeemed(flow, **changes):
    response = await flow.redeem(await flow.code(**changes))
    assert response.status_code == 200, response.text
    return response.json()


async def active(app, token):
    return (await app.post("/introspect", {"token": token})).json()["active"]


async def test_consent_in_session_of_another_organisation_is_rejected(oauth, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, used_for, await accept_professional_machtiging(oauth, accepted_for))
    shown = await flow.authorize(await flow.pushed())
    assert read_query(shown.headers["location"])["error"] == "invalid_authorization_details"
    assert await refusal_reasons(oauth, "grant:geweigerd") == [OTHER]
    assert await organisations(oauth, "oauth_grant") == set()


async def test_consent_after_login_for_another_organisation_is_rejected(oauth, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, accepted_for, await accept_professional_machtiging(oauth, accepted_for))
    form = await flow.consent_form(await flow.pushed())
    await move(oauth, used_for, "login_session")
    back = await flow.press(form)
    assert read_query(back.headers["location"])["error"] == "invalid_authorization_details"
    assert await organisations(oauth, "oauth_grant") == set()


async def test_tokens_of_a_consent_inherit_organisation_of_the_session(oauth) -> None:
    flow = await start_flow_for(oauth, KVK, await accept_professional_machtiging(oauth))
    first = await redeemed(flow)
    refreshed = await flow.app.post("/token", {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]})
    assert refreshed.status_code == 200, refreshed.text
    assert {table: await organisations(oauth, table) for table in KEEPING} == {table: {KVK} for table in KEEPING}
    assert await active(flow.app, refreshed.json()["access_token"])


@pytest.mark.parametrize("moved", [("oauth_grant",), ("authorization_code",), ("oauth_grant", "authorization_code")])
async def test_code_of_another_organisation_is_rejected(oauth, organisation_pair, moved) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, accepted_for, await accept_professional_machtiging(oauth, accepted_for))
    code = await flow.code()
    await move(oauth, used_for, *moved)
    response = await flow.redeem(code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await refusal_reasons(oauth, "token:geweigerd") == [OTHER]


@pytest.mark.parametrize("moved", [("oauth_grant",), ("refresh_token",), ("oauth_grant", "refresh_token")])
async def test_refresh_token_of_another_organisation_is_rejected_and_inactive(oauth, organisation_pair, moved) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, accepted_for, await accept_professional_machtiging(oauth, accepted_for))
    token = (await redeemed(flow))["refresh_token"]
    assert await active(flow.app, token)
    await move(oauth, used_for, *moved)
    assert not await active(flow.app, token)
    response = await flow.app.post("/token", {"grant_type": "refresh_token", "refresh_token": token})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await refusal_reasons(oauth, "token:geweigerd") == [OTHER]


async def test_access_token_of_another_organisation_is_inactive_and_rejected_at_userinfo(
    oauth, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, accepted_for, await accept_professional_machtiging(oauth, accepted_for))
    token = (await redeemed(flow))["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for known in (False, True):  # the first introspection of a client loads it, the next finds it in the cache
        assert await active(flow.app, token), known
    await move(oauth, used_for, "issued_token")
    assert not await active(flow.app, token)
    oauth.service.state.services.known_clients.discard(flow.app.client_id)
    assert not await active(flow.app, token)
    assert (await flow.app.http.get("/userinfo", headers=bearer)).status_code == 401
    assert await refusal_reasons(oauth, "token:geweigerd") == [OTHER]


async def test_userinfo_under_consent_of_another_organisation_is_rejected(oauth, organisation_pair) -> None:
    accepted_for, used_for = organisation_pair
    flow = await start_flow_for(oauth, accepted_for, await accept_professional_machtiging(oauth, accepted_for))
    bearer = {"Authorization": f"Bearer {(await redeemed(flow))['access_token']}"}
    assert (await flow.app.http.get("/userinfo", headers=bearer)).status_code == 200
    await move(oauth, used_for, "oauth_grant")
    assert (await flow.app.http.get("/userinfo", headers=bearer)).status_code >= 400


@pytest.mark.parametrize("moved", [("issued_token",), ("oauth_grant",)])
async def test_token_of_another_organisation_is_rejected_at_exchange(oauth, organisation_pair, moved) -> None:
    accepted_for, used_for = organisation_pair
    machtiging = await accept_professional_machtiging(oauth, accepted_for)
    chain = ExchangeChain(oauth, await oauth.register_reading_app(), machtiging)
    service = await oauth.add(make_exchanger_metadata(), SERVICE_KEYS)
    await chain.register_server(client_name="Archief", resource="https://archief.voorbeeld.example/api")
    flow = await start_flow_for(oauth, accepted_for, machtiging)
    token = (await redeemed(flow, resource=HUIS))["access_token"]
    exchanged = await chain.exchanged(service, token)
    assert (await chain.row(exchanged)).organisation_kvk == accepted_for
    await move(oauth, used_for, *moved)
    response = await chain.exchange(service, token)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_consent_of_another_organisation_is_not_listed(oauth) -> None:
    await redeemed(await start_flow_for(oauth, KVK, await accept_professional_machtiging(oauth)))

    async def listed():
        async with unit_of_work(oauth.sessions) as session:
            return await list_consents(session, BOX_HANDLER, oauth.committed.people.mother, at=oauth.clock.now())

    assert len(await listed()) == 1
    await move(oauth, OTHER_KVK, "oauth_grant")
    assert await listed() == []


async def test_consent_for_own_box_is_independent_of_organisation(oauth) -> None:
    flow = Flow(await oauth.register_reading_app(), await log_in_for(oauth, KVK), make_authorization_details(None))
    assert (await redeemed(flow))["access_token"]
