"""RFC 8707: a consent stores its resource, and grant management returns it."""

from __future__ import annotations

import pytest

from tests.builders.client import AUDIENCE
from tests.builders.rows import GRANTS
from tests.builders.tokens import HUIS, make_exchange_chain, update_rows

MANAGES = "openid grant_management_query"


@pytest.fixture
async def exchanging_clients(oauth):
    made = await make_exchange_chain(oauth)
    made.app = await oauth.register_reading_app(scope=MANAGES)
    return made


async def give_consent(exchanging_clients, **asked) -> str:
    """Give a consent with these parameters; returns its grant id."""
    flow = await exchanging_clients.oauth.start_flow(exchanging_clients.app, exchanging_clients.machtiging)
    return (await flow.tokens(grant_management_action="create", **asked))["grant_id"]


async def looked_at(exchanging_clients, grant_id: str) -> dict:
    form = {"grant_type": "client_credentials", "scope": "grant_management_query"}
    token = (await exchanging_clients.app.post("/token", form)).json()["access_token"]
    answer = await exchanging_clients.app.http.get(f"/grants/{grant_id}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_grant_query_returns_the_resource(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    told = await looked_at(exchanging_clients, await give_consent(exchanging_clients, resource=HUIS))
    assert told["scopes"] == [{"scope": "openid", "resource": [HUIS]}]


@pytest.mark.parametrize("resource", [None, AUDIENCE])
async def test_grant_query_without_resource_returns_our_api(exchanging_clients, resource) -> None:
    grant_id = await give_consent(exchanging_clients, resource=resource)
    assert (await looked_at(exchanging_clients, grant_id))["scopes"] == [{"scope": "openid", "resource": [AUDIENCE]}]
    # our own API is stored as empty, so a new address changes no row
    assert await GRANTS.read_value(exchanging_clients.oauth, "resource", id=grant_id) == ""


async def test_grant_query_without_scope_returns_the_resource(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    told = await looked_at(
        exchanging_clients, await give_consent(exchanging_clients, resource=HUIS, scope=None, nonce=None)
    )
    assert told["scopes"] == [{"scope": "", "resource": [HUIS]}]
    assert told["authorization_details"]


async def test_grant_query_with_suspended_resource_server_returns_the_resource(exchanging_clients) -> None:
    await exchanging_clients.register_server()
    grant_id = await give_consent(exchanging_clients, resource=HUIS)
    await update_rows(
        exchanging_clients.oauth,
        "UPDATE oauth_client SET state = 'suspended' WHERE registration->>'resource' = :it",
        it=HUIS,
    )
    assert (await looked_at(exchanging_clients, grant_id))["scopes"][0]["resource"] == [HUIS]
