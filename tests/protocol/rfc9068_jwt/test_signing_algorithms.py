"""Signing algorithms of access tokens (RFC 9068): ES256 for our API, otherwise as the resource server registered."""

from __future__ import annotations

import json

import pytest

from machtiging.crypto.jose import encode_base64url, verify_jwt
from machtiging.oauth.clients.metadata import find_metadata_errors
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.flow import ISSUER
from tests.builders.messages import read_claims, read_header
from tests.builders.tokens import HUIS, make_server_metadata

MEMBER = "access_token_signed_response_alg"


async def verify_as_resource_server(oauth, token, alg):
    """Verify as a resource server does, with our JWKS (RFC 9068 section 4)."""
    keys = (await oauth.connection().get("/jwks")).json()
    return verify_jwt(token, keys, algorithms=[alg], typ="at+jwt")


async def test_access_token_for_own_api_is_signed_with_es256(oauth) -> None:
    flow, agency = await oauth.start_flow(), await oauth.register_agency()
    by_person = (await flow.tokens())["access_token"]
    by_machine = (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]
    for token in (by_person, by_machine):
        assert read_header(token)["alg"] == "ES256"
        assert (await verify_as_resource_server(oauth, token, "ES256"))["iss"] == ISSUER


@pytest.mark.parametrize(
    ("registered", "alg"), [(None, "PS256"), ("PS256", "PS256"), ("ES256", "ES256"), ("RS256", "RS256")]
)
async def test_access_token_for_resource_is_signed_as_registered(exchanging_clients, oauth, registered, alg) -> None:
    await exchanging_clients.register_server(**({} if registered is None else {MEMBER: registered}))
    token = await exchanging_clients.issue_token(HUIS)
    assert read_header(token)["alg"] == alg
    assert (await verify_as_resource_server(oauth, token, alg))["aud"] == HUIS


@pytest.mark.parametrize("alg", ["PS256", "ES256", "RS256"])
async def test_access_token_of_registered_algorithm_is_introspected_by_its_server_only(
    exchanging_clients, oauth, alg
) -> None:
    server, stranger = await exchanging_clients.register_server(**{MEMBER: alg}), await oauth.register_agency()
    token = await exchanging_clients.issue_token(HUIS)
    told = (await server.post("/introspect", {"token": token})).json()
    assert (told["active"], told["aud"], told["jti"]) == (True, HUIS, read_claims(token)["jti"])
    assert (await stranger.post("/introspect", {"token": token})).json() == {"active": False}


@pytest.mark.parametrize("alg", ["PS256", "ES256", "RS256"])
async def test_access_token_for_resource_is_rejected_by_own_api(exchanging_clients, oauth, alg) -> None:
    await exchanging_clients.register_server(**{MEMBER: alg})
    token = await exchanging_clients.issue_token(HUIS)
    answer = await oauth.connection().get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "value", ["none", "HS256", "RS384", "ES512", "EdDSA", "Ed25519", "ps256", "", None, 5, ["PS256"]]
)
def test_registration_of_other_access_token_algorithm_is_rejected(value) -> None:
    assert MEMBER in find_metadata_errors(
        make_server_metadata(**{MEMBER: value}), practice=True, detail_type="berichtenbox"
    )


@pytest.mark.parametrize("value", ["PS256", "ES256", "RS256"])
def test_registration_of_access_token_algorithm_without_resource_is_rejected(value) -> None:
    app = make_app_metadata(make_client_keys(), **{MEMBER: value})
    without = {name: one for name, one in make_server_metadata(**{MEMBER: value}).items() if name != "resource"}
    assert MEMBER in find_metadata_errors(app, practice=True, detail_type="berichtenbox")
    assert MEMBER in find_metadata_errors(without, practice=True, detail_type="berichtenbox")
    assert MEMBER not in find_metadata_errors(
        make_server_metadata(**{MEMBER: value}), practice=True, detail_type="berichtenbox"
    )


async def test_access_token_signed_earlier_with_ps256_is_accepted(oauth) -> None:
    """Tokens of the earlier version stay valid until they expire. The key decides, not the audience."""
    agency = await oauth.register_agency()
    token = (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]
    claims = read_claims(token)
    older = oauth.service.state.services.keyring.sign_jwt(claims, typ="at+jwt", alg="PS256")
    assert (await agency.post("/introspect", {"token": older})).json()["active"] is True


async def test_algorithm_confusion_access_token_with_alg_of_another_key_is_rejected(oauth) -> None:
    """The algorithm is that of the key with this `kid`, not of the header."""
    agency = await oauth.register_agency()
    token = (await agency.post("/token", {"grant_type": "client_credentials"})).json()["access_token"]
    keyring = oauth.service.state.services.keyring
    others = {alg: read_header(keyring.sign_jwt({}, typ="at+jwt", alg=alg))["kid"] for alg in ("PS256", "RS256")}
    _, payload, signature = token.split(".")
    for alg, kid in others.items():
        header = encode_base64url(json.dumps({"alg": alg, "kid": kid, "typ": "at+jwt"}).encode())
        forged = f"{header}.{payload}.{signature}"
        assert (await agency.post("/introspect", {"token": forged})).json() == {"active": False}
