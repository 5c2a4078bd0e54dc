"""Grant management (FAPI). A client gets the id of its grant, queries it and revokes it; no other client can."""

from uuid import uuid4

import pytest

from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import AUDIENCE, make_authorization_details
from tests.builders.flow import ISSUER
from tests.builders.messages import read_claims
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app

BOTH = "grant_management_query grant_management_revoke"


async def managing_app(oauth, scope: str = BOTH, **changes):
    return await register_refreshing_app(oauth, scope=f"openid {scope}", **changes)


async def management_token(app, scope: str = BOTH, **changes) -> str:
    response = await app.post("/token", {"grant_type": "client_credentials", "scope": scope}, **changes)
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


async def ask(app, token: str, grant_id: object, method: str = "GET"):
    return await app.http.request(method, f"/grants/{grant_id}", headers={"Authorization": f"Bearer {token}"})


async def test_grant_id_is_returned_on_create_and_queried_by_its_client(oauth):
    app = await managing_app(oauth)
    flow = await oauth.start_flow(app)
    answer = await flow.tokens(grant_management_action="create", scope="openid")
    token = await management_token(app)
    seen = await ask(app, token, answer["grant_id"])
    assert seen.status_code == 200
    assert seen.headers["cache-control"] == "no-store"
    assert seen.json() == {
        "scopes": [{"scope": "openid", "resource": [AUDIENCE]}],
        "claims": [],
        "authorization_details": answer["authorization_details"],
    }
    refreshed = await app.post("/token", {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]})
    assert refreshed.json()["grant_id"] == answer["grant_id"]


async def test_grant_id_is_not_returned_without_request(oauth):
    answer = await (await oauth.start_flow(await managing_app(oauth))).tokens(scope="openid")
    assert "grant_id" not in answer


@pytest.mark.parametrize("changes", [{"grant_management_action": action} for action in ("merge", "replace", "update")])
async def test_grant_management_action_unsupported_is_rejected(oauth, changes):
    response = await (await oauth.request()).push(**changes, grant_id=str(uuid4()))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert "create" in response.json()["error_description"]


async def test_grant_id_without_supported_action_is_rejected(oauth):
    response = await (await oauth.request()).push(grant_id=str(uuid4()))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_grant_revocation_ends_all_its_tokens(oauth):
    holder = await make_refresh_token_holder(oauth, await managing_app(oauth))
    second = await holder.refreshed()
    token = await management_token(holder.app)
    assert (await ask(holder.app, token, holder.grant_id, "DELETE")).status_code == 204
    assert await holder.ended() == "beeindigd_door_client"
    assert not await holder.active(second["access_token"])
    assert (await holder.refresh(second["refresh_token"])).status_code == 400
    [line] = await oauth.lines("grant:beeindigd")
    assert (line.reason, line.client_id, line.actor_id) == ("beeindigd_door_client", holder.app.client_id, None)


async def test_idor_grant_of_another_ended_or_unknown_look_alike(oauth):
    mine, theirs = (
        await make_refresh_token_holder(oauth, await managing_app(oauth)),
        await make_refresh_token_holder(oauth),
    )
    token = await management_token(mine.app)
    await ask(mine.app, token, mine.grant_id, "DELETE")
    for method in ("GET", "DELETE"):
        answers = [
            await ask(mine.app, token, it, method) for it in (theirs.grant_id, mine.grant_id, uuid4(), "x", "1%00")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({(answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1
    assert await theirs.ended() is None


async def test_grant_without_access_returns_404(oauth):
    app = await managing_app(oauth)
    expired, revoked, paused = (
        await make_refresh_token_holder(oauth, app, own=True),
        await make_refresh_token_holder(oauth, app),
        None,
    )
    await revoked.change(revoke_machtiging)
    oauth.later(hours=7)
    paused = await make_refresh_token_holder(oauth, app)
    await paused.change(pause_machtiging)
    token = await management_token(app)
    assert (await ask(app, token, expired.grant_id)).status_code == 404
    assert (await ask(app, token, revoked.grant_id)).status_code == 404
    assert (await ask(app, token, paused.grant_id)).status_code == 200


@pytest.mark.parametrize(
    ("scope", "method"), [("grant_management_query", "DELETE"), ("grant_management_revoke", "GET")]
)
async def test_grant_management_scope_allows_only_its_own_method(oauth, scope, method):
    holder = await make_refresh_token_holder(oauth, await managing_app(oauth))
    answer = await ask(holder.app, await management_token(holder.app, scope), holder.grant_id, method)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_ontbreekt")
    assert await holder.ended() is None


async def test_management_token_and_other_tokens_are_not_interchangeable(oauth):
    holder = await make_refresh_token_holder(oauth, await managing_app(oauth))
    token = await management_token(holder.app)
    claims = read_claims(token)
    assert (claims["aud"], claims["sub"], claims["scope"]) == (ISSUER + "/grants", holder.app.client_id, BOTH)
    assert "oin" not in claims
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await holder.app.http.get("/userinfo", headers=bearer)).status_code == 401
    for other in (holder.access, await management_agency(oauth)):
        assert (await ask(holder.app, other, holder.grant_id)).status_code == 401
    assert (await ask(holder.app, holder.refresh_token, holder.grant_id)).status_code == 401
    assert (await holder.app.http.get(f"/grants/{holder.grant_id}")).status_code == 401


async def management_agency(oauth) -> str:
    agency = await oauth.register_agency()
    return (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]


async def test_management_token_revoked_or_of_suspended_client_is_rejected(oauth):
    holder = await make_refresh_token_holder(oauth, await managing_app(oauth))
    first, second = await management_token(holder.app), await management_token(holder.app)
    await holder.app.post("/revoke", {"token": first})
    assert (await ask(holder.app, first, holder.grant_id)).status_code == 401
    assert (await ask(holder.app, second, holder.grant_id)).status_code == 200
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, holder.app.client_id, at=oauth.clock.now())
    assert (await ask(holder.app, second, holder.grant_id)).status_code == 401


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        (BOTH, "invalid_scope"),
        ("grant_management_query openid", "unauthorized_client"),
        ("openid", "unauthorized_client"),
        (None, "unauthorized_client"),
        ("aanleveringen:schrijven", "unauthorized_client"),
    ],
)
async def test_management_token_for_unregistered_client_is_rejected(oauth, scope, error):
    app = await oauth.register_reading_app()
    response = await app.post("/token", {"grant_type": "client_credentials", "scope": scope})
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_management_token_for_agency_is_rejected(oauth):
    agency = await oauth.register_agency()
    response = await agency.post("/token", {"grant_type": "client_credentials", "scope": BOTH})
    assert (response.status_code, response.json()["error"]) == (400, "unauthorized_client")


async def test_management_token_for_other_resource_is_rejected(oauth):
    app = await managing_app(oauth)
    form = {"grant_type": "client_credentials", "scope": BOTH, "resource": AUDIENCE}
    assert (await app.post("/token", form)).json()["error"] == "invalid_target"
    assert (await app.post("/token", form | {"resource": ISSUER + "/grants"})).status_code == 200


async def test_management_scope_in_authorization_request_is_rejected(oauth):
    app = await managing_app(oauth)
    flow = await oauth.request(app)
    response = await flow.push(
        scope="openid grant_management_query", authorization_details=make_authorization_details()
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_management_scope_of_public_client_is_rejected_at_registration(oauth):
    with pytest.raises(InvalidInput) as refused:
        await oauth.register_public_app(scope="openid grant_management_query")
    assert refused.value.fields.keys() == {"scope"}


async def test_discovery_metadata_names_grant_management(oauth):
    document = (await oauth.connection().get("/.well-known/oauth-authorization-server")).json()
    assert document["grant_management_endpoint"] == ISSUER + "/grants"
    assert document["grant_management_actions_supported"] == ["query", "revoke", "create"]
    assert document["grant_management_action_required"] is False
    assert "refresh_token" in document["grant_types_supported"]
    openid = (await oauth.connection().get("/.well-known/openid-configuration")).json()
    assert openid["grant_types_supported"] == ["authorization_code"]  # OIDC-NLGOV 5.4
