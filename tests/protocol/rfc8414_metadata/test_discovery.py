"""RFC 8414 and OpenID discovery: complete by the library's validators, and true."""

from __future__ import annotations

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from tests.builders.flow import ISSUER


async def documents(oauth):
    http = oauth.connection()
    names = ("openid-configuration", "oauth-authorization-server")
    return [(await http.get("/.well-known/" + name)).json() for name in names]


async def test_discovery_documents_satisfy_the_validators(oauth) -> None:
    openid, server = await documents(oauth)
    OpenIDProviderMetadata(openid).validate()
    AuthorizationServerMetadata(server).validate()
    assert openid["issuer"] == server["issuer"] == ISSUER


async def test_discovery_endpoints_exist_under_the_issuer(oauth) -> None:
    http = oauth.connection()
    for document in await documents(oauth):
        urls = {value for name, value in document.items() if name.endswith(("_endpoint", "jwks_uri"))}
        assert len(urls) >= 6
        for url in urls:
            assert url.startswith(ISSUER + "/")
            assert (await http.get(url)).status_code != 404, url


async def test_discovery_lists_only_supported_values(oauth) -> None:
    openid, server = await documents(oauth)
    for document in (openid, server):
        assert document["require_pushed_authorization_requests"] is True
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert document["response_types_supported"] == ["code"]
        assert document["authorization_response_iss_parameter_supported"] is True
        assert document["authorization_details_types_supported"] == ["berichtenbox"]
        assert document["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "none"]
        assert document["introspection_endpoint_auth_methods_supported"] == ["private_key_jwt"]
        assert document["token_endpoint_auth_signing_alg_values_supported"] == ["ES256", "PS256"]
        assert document["request_parameter_supported"] is True
        assert document["request_uri_parameter_supported"] is False
    assert openid["grant_types_supported"] == ["authorization_code"]
    assert server["grant_types_supported"] == [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
    ]
    assert openid["subject_types_supported"] == ["pairwise"]
    assert "represents" in openid["claims_supported"]
    assert "amr" not in openid["claims_supported"]


async def test_row_60_forged_host_does_not_change_discovery(oauth) -> None:
    headers = {"Host": "kwaad.example", "X-Forwarded-Host": "kwaad.example", "X-Forwarded-Proto": "http"}
    response = await oauth.connection().get("/.well-known/openid-configuration", headers=headers)
    assert "kwaad" not in response.text


async def test_discovery_and_jwks_are_cacheable_and_token_errors_are_not(oauth) -> None:
    http = oauth.connection()
    assert "max-age" in (await http.get("/jwks")).headers["cache-control"]
    assert (await http.post("/token", data={})).headers["cache-control"] == "no-store"
