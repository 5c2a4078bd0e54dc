"""RFC 7662, RFC 7009, RFC 9068, RFC 9700 2.2: introspection and revocation of tokens."""

import time

import pytest

from tests.builders.messages import is_jwt, read_claims, read_header
from tests.protocol.black_box.authorization_server import assert_refused


async def fresh(attempt):
    return (await attempt.again().tokens())["access_token"]


async def test_introspection_by_resource_server_returns_active_token(server, app, spare_token):
    told = await server.introspect(spare_token["access_token"])
    assert told["active"] is True
    assert told["client_id"] == app.client_id
    assert told["iss"] == server.issuer
    assert told["exp"] > time.time()
    assert told["sub"]


async def test_introspection_without_client_authentication_is_rejected(server, spare_token):
    answer = await server.post("introspection_endpoint", None, {"token": spare_token["access_token"]})
    assert_refused(answer, "invalid_client", "invalid_request")
    assert "active" not in answer.text


async def test_introspection_by_public_client_reveals_nothing(server, spare_token):
    form = {"token": spare_token["access_token"]}
    answer = await server.post("introspection_endpoint", server.client("public"), form)
    assert answer.status_code in (400, 401, 403) or answer.json() == {"active": False}


async def test_introspection_by_another_client_is_inactive(server, spare_token):
    assert await server.introspect(spare_token["access_token"], by="other") == {"active": False}


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "a" * 5000, "e30.e30.", "é", "../../etc/passwd", "' OR 1=1 --"])
async def test_introspection_of_invented_token_is_inactive(server, garbage):
    assert await server.introspect(garbage) == {"active": False}


async def test_introspection_or_revocation_without_token_is_rejected(server):
    assert_refused(await server.post("introspection_endpoint", server.client("resource"), {}), "invalid_request")
    assert_refused(await server.post("revocation_endpoint", server.client("app"), {}), "invalid_request")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "nonsense"])
async def test_token_type_hint_wrong_is_ignored(server, attempt, hint):
    token = await fresh(attempt)
    assert (await server.introspect(token, token_type_hint=hint))["active"]
    assert (await server.revoke(token, token_type_hint=hint)).status_code == 200
    assert not await server.active(token)


async def test_introspection_response_has_cache_control_no_store(server, spare_token):
    answer = await server.post(
        "introspection_endpoint", server.client("resource"), {"token": spare_token["access_token"]}
    )
    assert "no-store" in answer.headers.get("cache-control", "")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
async def test_introspection_of_tampered_token_is_inactive(server, spare_token, part):
    token = spare_token["access_token"]
    place = int(len(token) * part)
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    assert not await server.active(changed)
    assert (await server.userinfo(changed)).status_code == 401


async def test_revoked_token_is_rejected_everywhere_at_once(server, attempt):
    token = await fresh(attempt)
    assert await server.active(token)
    assert (await server.revoke(token)).status_code == 200
    assert await server.introspect(token) == {"active": False}
    assert (await server.userinfo(token)).status_code == 401


async def test_revocation_by_another_client_is_ignored(server, attempt):
    token = await fresh(attempt)
    await server.revoke(token, by="other")
    assert await server.active(token)


async def test_revocation_by_public_client_is_ignored(server, attempt):
    token = await fresh(attempt)
    await server.revoke(token, by="public")
    assert await server.active(token)


async def test_revocation_without_client_authentication_is_rejected(server, attempt, app):
    token = await fresh(attempt)
    answer = await server.post("revocation_endpoint", None, {"token": token, "client_id": app.client_id})
    assert_refused(answer, "invalid_client", "invalid_request")
    assert await server.active(token)


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "a" * 5000, "é"])
async def test_revocation_of_invented_token_returns_200(server, garbage):
    assert (await server.revoke(garbage)).status_code == 200


async def test_revocation_repeated_returns_200(server, attempt):
    token = await fresh(attempt)
    assert [(await server.revoke(token)).status_code for _ in range(2)] == [200, 200]


async def test_revocation_leaves_tokens_of_other_clients_active(server, attempt, other_client):
    mine, theirs = await fresh(attempt), await fresh(attempt.again(client=other_client))
    await server.revoke(mine)
    assert await server.active(theirs)


async def test_revocation_of_client_credentials_token_succeeds(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    assert await server.active(token)
    assert (await server.revoke(token, by="machine")).status_code == 200
    assert not await server.active(token)


async def test_access_token_jwt_has_typ_and_audience(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    assert is_jwt(token)
    assert read_header(token)["typ"].lower() == "at+jwt"
    assert read_header(token)["alg"] in {"RS256", "PS256", "ES256", "EdDSA"}
    claims = server.verified(token)
    assert claims.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}
    assert claims["client_id"] == machine.client_id
    assert machine.client_id not in claims["aud"]


async def test_access_tokens_are_unique(attempt):
    tokens = [await fresh(attempt) for _ in range(2)]
    assert tokens[0] != tokens[1]
    if all(map(is_jwt, tokens)):
        assert read_claims(tokens[0])["jti"] != read_claims(tokens[1])["jti"]
