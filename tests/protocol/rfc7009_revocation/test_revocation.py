"""RFC 7009: only the owner revokes, it works at once, and asking too much is no error."""

from __future__ import annotations


async def test_the_owner_revokes_and_the_token_is_dead_at_once(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    response = await flow.app.post("/revoke", {"token": token})
    assert response.status_code == 200
    assert (await flow.app.post("/introspect", {"token": token})).json() == {"active": False}
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["token_ingetrokken"]
    (line,) = await oauth.lines("token:ingetrokken")
    (ended,) = await oauth.lines("grant:beeindigd")
    assert {line.for_person_id, ended.for_person_id} == {oauth.committed.people.mother}


async def test_what_the_app_gives_back_is_booked_on_the_app_and_on_no_person(oauth) -> None:
    flow = await oauth.flow()
    await flow.app.post("/revoke", {"token": (await flow.tokens())["access_token"]})
    for act in ("token:ingetrokken", "grant:beeindigd"):
        (line,) = await oauth.lines(act)
        assert (line.actor_id, line.capacity, line.client_id) == (None, None, flow.app.client_id), act


async def test_a_public_client_may_revoke_its_own(oauth) -> None:
    flow = await oauth.flow(await oauth.public_app())
    token = (await flow.tokens())["access_token"]
    assert (await flow.app.post("/revoke", {"token": token})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_tokens_of_other_clients_stay(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    for other in (await oauth.reading_app(client_name="Ander"), await oauth.public_app(), await oauth.agency()):
        response = await other.post("/revoke", {"token": token})
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert (await flow.app.post("/introspect", {"token": token})).json()["active"] is True


async def test_revoking_ends_no_other_grant_of_the_same_app(oauth) -> None:
    flow = await oauth.flow()
    first, second = await flow.tokens(), await flow.tokens()
    await flow.app.post("/revoke", {"token": first["access_token"]})
    assert (await flow.app.post("/introspect", {"token": second["access_token"]})).json()["active"] is True


async def test_what_is_unknown_or_gone_is_revoked_already(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    for text in ("onzin", "a.b.c", "é", token, token):
        assert (await flow.app.post("/revoke", {"token": text})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_an_unknown_hint_is_ignored(oauth) -> None:
    flow = await oauth.flow()
    token = (await flow.tokens())["access_token"]
    assert (await flow.app.post("/revoke", {"token": token, "token_type_hint": "iets"})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_without_credentials_or_token_it_is_refused(oauth) -> None:
    app = await oauth.reading_app()
    assert (await oauth.connection().post("/revoke", data={"token": "x"})).status_code == 401
    assert (
        await oauth.connection().post("/revoke", data={"token": "x", "client_id": app.client_id})
    ).status_code == 401
    assert (await app.post("/revoke")).json()["error"] == "invalid_request"
