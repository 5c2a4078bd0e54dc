"""Signed metadata (RFC 8414 section 2.1) in both discovery documents."""

from __future__ import annotations

import pytest

from tests.builders.flow import verify_jwt

DOCUMENTS = ["openid-configuration", "oauth-authorization-server"]


async def document(oauth, name):
    return (await oauth.connection().get("/.well-known/" + name)).json()


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_signed_metadata_equals_plain_metadata(oauth, name) -> None:
    told = await document(oauth, name)
    _, claims = await verify_jwt(oauth, told.pop("signed_metadata"))
    assert claims.pop("iss") == claims["issuer"] == "https://machtigen.test"
    assert claims.pop("iat") <= oauth.clock.now().timestamp()
    assert claims == told
    assert "signed_metadata" not in claims


async def test_signed_metadata_is_signed_once_a_day(oauth) -> None:
    first = (await document(oauth, DOCUMENTS[0]))["signed_metadata"]
    assert (await document(oauth, DOCUMENTS[0]))["signed_metadata"] == first
    oauth.later(hours=25)
    assert (await document(oauth, DOCUMENTS[0]))["signed_metadata"] != first


async def test_signed_metadata_used_as_token_is_rejected(oauth) -> None:
    signed = (await document(oauth, DOCUMENTS[0]))["signed_metadata"]
    headers = {"Authorization": f"Bearer {signed}"}
    assert (await oauth.connection().get("/userinfo", headers=headers)).status_code == 401
    flow = await oauth.request()
    assert (await flow.push(id_token_hint=signed)).json()["error"] == "invalid_request"


async def test_openid_discovery_names_supported_features(oauth) -> None:
    told = await document(oauth, DOCUMENTS[0])
    assert told["grant_types_supported"] == ["authorization_code"]
    assert told["claims_parameter_supported"] is True
    assert {"sub", "acr", "auth_time", "represents", "name", "sid"} <= set(told["claims_supported"])
    assert not {"amr", "bsn", "birthdate", "email"} & set(told["claims_supported"])
    assert told["prompt_values_supported"] == ["none", "login", "consent"]
    assert told["userinfo_signing_alg_values_supported"] == ["RS256", "PS256", "ES256"]
    assert told["end_session_endpoint"] == "https://machtigen.test/logout"
    assert told["backchannel_logout_supported"] is True
    assert told["backchannel_logout_session_supported"] is True
