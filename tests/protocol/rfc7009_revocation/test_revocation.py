"""RFC 7009: token revocation by the owner, with immediate effect."""

from __future__ import annotations


async def test_revoked_token_is_inactive_at_once(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    response = await flow.app.post("/revoke", {"token": token})
    assert response.status_code == 200
    assert (await flow.app.post("/introspect", {"token": token})).json() == {"active": False}
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["token_ingetrokken"]
    (line,) = await oauth.lines("token:ingetrokken")
    (ended,) = await oauth.lines("grant:beeindigd")
    assert {line.for_person_id, ended.for_person_id} == {oauth.committed.people.mother}


async def test_revocation_by_app_is_journalled_with_the_app_and_no_person(oauth) -> None:
    flow = await oauth.start_flow()
    await flow.app.post("/revoke", {"token": (await flow.tokens())["access_token"]})
    for act in ("token:ingetrokken", "grant:beeindigd"):
        (line,) = await oauth.lines(act)
        assert (line.actor_id, line.capacity, line.client_id) == (None, None, flow.app.client_id), act


async def test_revocation_by_public_client_is_accepted(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_public_app())
    token = (await flow.tokens())["access_token"]
    assert (await flow.app.post("/revoke", {"token": token})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_revocation_by_another_client_is_ignored(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    for other in (
        await oauth.register_reading_app(client_name="Ander"),
        await oauth.register_public_app(),
        await oauth.register_agency(),
    ):
        response = await other.post("/revoke", {"token": token})
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert (await flow.app.post("/introspect", {"token": token})).json()["active"] is True


async def test_revocation_leaves_other_grants_active(oauth) -> None:
    flow = await oauth.start_flow()
    first, second = await flow.tokens(), await flow.tokens()
    await flow.app.post("/revoke", {"token": first["access_token"]})
    assert (await flow.app.post("/introspect", {"token": second["access_token"]})).json()["active"] is True


async def test_revocation_of_unknown_or_revoked_token_returns_200(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    for text in ("onzin", "a.b.c", "é", token, token):
        assert (await flow.app.post("/revoke", {"token": text})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_revocation_with_unknown_token_type_hint_is_accepted(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    assert (await flow.app.post("/revoke", {"token": token, "token_type_hint": "iets"})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_revocation_without_credentials_or_token_is_rejected(oauth) -> None:
    app = await oauth.register_reading_app()
    assert (await oauth.connection().post("/revoke", data={"token": "x"})).status_code == 401
    assert (
        await oauth.connection().post("/revoke", data={"token": "x", "client_id": app.client_id})
    ).status_code == 401
    assert (await app.post("/revoke")).json()["error"] == "invalid_request"
