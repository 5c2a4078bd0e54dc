"""RFC 9701: signed introspection responses for the requesting client only."""

from __future__ import annotations

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from machtiging.oauth.introspection.jwt_response import INTROSPECTION_JWT_MEDIA_TYPE
from tests.builders.client import make_agency_metadata, make_client_keys
from tests.builders.messages import read_claims
from tests.builders.people import ISSUER


async def register_resource_server(oauth, **changes):
    keys = make_client_keys()
    return await oauth.add(
        make_agency_metadata(keys, client_name="Magazijn", scope="", resource_server=True, **changes), keys
    )


async def ask(app, token, accept=INTROSPECTION_JWT_MEDIA_TYPE):
    form = {**app.credentials(), "token": token}
    return await app.http.post("/introspect", data=form, headers={"accept": accept})


async def read(app, answer, alg):
    keys = KeySet.import_key_set((await app.http.get("/jwks")).json())
    return jwt.decode(answer.text, keys, algorithms=[alg])


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_introspection_jwt_is_signed_with_the_registered_algorithm(oauth, alg) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    server = await register_resource_server(oauth, introspection_signed_response_alg=alg)
    answer = await ask(server, token)
    assert (answer.status_code, answer.headers["content-type"]) == (200, INTROSPECTION_JWT_MEDIA_TYPE)
    statement = await read(server, answer, alg)
    assert statement.header["typ"] == "token-introspection+jwt"
    assert statement.claims["token_introspection"] == {"active": True, "token_type": "Bearer", **read_claims(token)}
    assert {name: statement.claims[name] for name in ("iss", "aud")} == {"iss": ISSUER, "aud": server.client_id}
    assert statement.claims.keys() == {"iss", "aud", "iat", "token_introspection"}


async def test_introspection_jwt_algorithm_defaults_to_rs256(oauth) -> None:
    server = await register_resource_server(oauth)
    statement = await read(server, await ask(server, "onzin"), "RS256")
    assert statement.claims["token_introspection"] == {"active": False}


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "", "application/jwt"])
async def test_introspection_without_jwt_accept_returns_json(oauth, accept) -> None:
    server = await register_resource_server(oauth)
    answer = await ask(server, "onzin", accept)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"active": False}


async def test_introspection_jwt_used_as_access_token_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]
    server = await register_resource_server(oauth, introspection_signed_response_alg="PS256")
    statement = (await ask(server, token)).text
    assert (await ask(server, statement, "application/json")).json() == {"active": False}
    opened = await server.http.get("/userinfo", headers={"authorization": f"Bearer {statement}"})
    assert opened.status_code == 401


async def test_introspection_jwt_without_client_authentication_is_rejected(oauth) -> None:
    server = await register_resource_server(oauth)
    answer = await server.http.post(
        "/introspect", data={"token": "x"}, headers={"accept": INTROSPECTION_JWT_MEDIA_TYPE}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_registration_of_unsupported_introspection_algorithm_is_rejected(oauth) -> None:
    for alg in ("none", "HS256", "EdDSA"):
        with pytest.raises(Exception, match="clientgegevens_ongeldig"):
            await register_resource_server(oauth, introspection_signed_response_alg=alg)


async def test_discovery_metadata_names_introspection_algorithms(oauth) -> None:
    told = (await oauth.connection().get("/.well-known/oauth-authorization-server")).json()
    assert told["introspection_signing_alg_values_supported"] == ["RS256", "PS256", "ES256"]
