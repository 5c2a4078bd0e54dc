"""RFC 7662: token introspection, live, for authorized clients only."""

from __future__ import annotations

from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_agency_metadata, make_client_keys
from tests.builders.messages import read_claims

INACTIVE = {"active": False}


async def ask(app, token, **form):
    return await app.post("/introspect", {"token": token, **form})


async def register_resource_server(oauth):
    keys = make_client_keys()
    return await oauth.add(make_agency_metadata(keys, client_name="Magazijn", scope="", resource_server=True), keys)


async def test_introspection_of_active_token_returns_its_claims(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    response = await ask(flow.app, token)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"active": True, "token_type": "Bearer", **read_claims(token)}


async def test_introspection_of_any_token_by_resource_server_and_by_no_other_client(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    assert (await ask(await register_resource_server(oauth), token)).json()["active"] is True
    other = await oauth.register_reading_app(client_name="Andere app")
    assert (await ask(other, token)).json() == INACTIVE
    assert (await ask(await oauth.register_agency(), token)).json() == INACTIVE


async def test_introspection_without_client_authentication_returns_401(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_public_app())
    token = (await flow.tokens())["access_token"]
    assert (await ask(flow.app, token)).status_code == 401
    assert (await oauth.connection().post("/introspect", data={"token": token})).status_code == 401


async def test_introspection_of_invalid_token_is_inactive(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    for wrong in ("onzin", "a.b.c", "é", "x" * 15_000, changed, token + "."):
        response = await ask(flow.app, wrong)
        assert (response.status_code, response.json()) == (200, INACTIVE)


async def test_introspection_of_expired_token_is_inactive(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    oauth.later(seconds=600)
    assert (await ask(flow.app, token)).json() == INACTIVE


async def test_introspection_token_type_hint_is_ignored(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    for hint in ("access_token", "refresh_token", "iets_anders", 'é"'):
        assert (await ask(flow.app, token, token_type_hint=hint)).json()["active"] is True


async def test_introspection_without_token_is_rejected(oauth) -> None:
    app = await oauth.register_reading_app()
    response = await app.post("/introspect")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_introspection_of_agency_token_returns_its_oin(oauth) -> None:
    agency = await oauth.register_agency()
    token = (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]
    assert (await ask(agency, token)).json()["oin"] == agency.registration["oin"]


async def test_introspection_of_ended_grant_or_suspended_client_is_inactive(oauth) -> None:
    magazijn = await register_resource_server(oauth)
    for statement in (
        "UPDATE oauth_grant SET ended_at = now(), end_reason = 'proef'",
        "UPDATE oauth_client SET state = 'suspended' WHERE registration->>'client_name' = 'Leesapp'",
    ):
        flow = await oauth.start_flow()
        token = (await flow.tokens())["access_token"]
        assert (await ask(magazijn, token)).json()["active"] is True
        async with unit_of_work(oauth.sessions) as session:
            await session.execute(text(statement))
        assert (await ask(magazijn, token)).json() == INACTIVE
