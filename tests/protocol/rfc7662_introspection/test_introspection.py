"""RFC 7662: the answer is about this instant, and only for who may ask."""

from __future__ import annotations

from sqlalchemy import text

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.black_box import claims_of
from tests.builders.clients import agency_client, make_client_keys

INACTIVE = {"active": False}


async def ask(app, token, **form):
    return await app.post("/introspect", {"token": token, **form})


async def a_resource_server(oauth):
    keys = make_client_keys()
    return await oauth.add(agency_client(keys, client_name="Magazijn", scope="", resource_server=True), keys)


async def test_a_live_token_is_told_as_it_was_issued(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    response = await ask(flow.app, token)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"active": True, "token_type": "Bearer", **claims_of(token)}


async def test_a_resource_server_may_ask_about_any_token_and_another_client_about_none(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    assert (await ask(await a_resource_server(oauth), token)).json()["active"] is True
    other = await oauth.reading_app(client_name="Andere app")
    assert (await ask(other, token)).json() == INACTIVE
    assert (await ask(await oauth.agency(), token)).json() == INACTIVE


async def test_who_cannot_prove_himself_may_not_ask(oauth) -> None:
    flow = await oauth.flow(await oauth.public_app())
    token = (await flow.tokens())["access_token"]
    assert (await ask(flow.app, token)).status_code == 401
    assert (await oauth.connection().post("/introspect", data={"token": token})).status_code == 401


async def test_what_is_no_live_token_of_ours_is_simply_inactive(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    for wrong in ("onzin", "a.b.c", "é", "x" * 15_000, changed, token + "."):
        response = await ask(flow.app, wrong)
        assert (response.status_code, response.json()) == (200, INACTIVE)


async def test_an_expired_token_is_inactive(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    oauth.later(seconds=600)
    assert (await ask(flow.app, token)).json() == INACTIVE


async def test_any_hint_will_do(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    for hint in ("access_token", "refresh_token", "iets_anders", 'é"'):
        assert (await ask(flow.app, token, token_type_hint=hint)).json()["active"] is True


async def test_without_a_token_the_request_is_malformed(oauth) -> None:
    app = await oauth.reading_app()
    response = await app.post("/introspect")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_an_agency_sees_its_own_token_with_its_oin(oauth) -> None:
    agency = await oauth.agency()
    token = (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]
    assert (await ask(agency, token)).json()["oin"] == agency.registration["oin"]


async def test_an_ended_grant_or_a_suspended_client_makes_a_token_inactive_by_itself(oauth) -> None:
    magazijn = await a_resource_server(oauth)
    for statement in (
        "UPDATE oauth_grant SET ended_at = now(), end_reason = 'proef'",
        "UPDATE oauth_client SET state = 'suspended' WHERE registration->>'client_name' = 'Leesapp'",
    ):
        flow = await oauth.flow()
        token = (await flow.tokens())["access_token"]
        assert (await ask(magazijn, token)).json()["active"] is True
        async with unit_of_work(oauth.sessions) as session:
            await session.execute(text(statement))
        assert (await ask(magazijn, token)).json() == INACTIVE
