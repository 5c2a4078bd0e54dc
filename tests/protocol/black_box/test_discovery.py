"""Server metadata is true and offers nothing weak (RFC 8414, OpenID Connect Discovery, FAPI 2.0 5.3.2)."""

from urllib.parse import urlencode

import pytest

from tests.protocol.black_box.authorization_server import Attempt, assert_nothing_issued, assert_refused

ENDPOINTS = (
    "authorization_endpoint",
    "introspection_endpoint",
    "jwks_uri",
    "pushed_authorization_request_endpoint",
    "revocation_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
)
WEAK = {"none", "HS256", "HS384", "HS512"}


def test_metadata_issuer_equals_the_requested_address(server):
    assert server.metadata["issuer"] == server.issuer


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_metadata_endpoint_is_under_the_issuer(server, endpoint):
    assert server.metadata[endpoint].startswith(server.issuer + "/")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_metadata_endpoint_exists(server, endpoint):
    method = "GET" if endpoint in ("authorization_endpoint", "jwks_uri") else "POST"
    answer = await server.http.request(method, server.metadata[endpoint])
    assert answer.status_code != 404
    assert answer.status_code < 500


def test_metadata_offers_response_type_code_only(server):
    assert server.metadata["response_types_supported"] == ["code"]
    assert not set(server.metadata["grant_types_supported"]) & {"implicit", "password"}


def test_metadata_offers_pkce_s256_only(server):
    assert server.metadata["code_challenge_methods_supported"] == ["S256"]


def test_metadata_requires_pushed_authorization_requests(server):
    assert server.metadata["require_pushed_authorization_requests"] is True


def test_metadata_offers_no_shared_client_secrets(server):
    methods = server.metadata["token_endpoint_auth_methods_supported"]
    assert "private_key_jwt" in methods
    assert not set(methods) & {"client_secret_basic", "client_secret_post", "client_secret_jwt"}


def test_metadata_offers_no_weak_signing_algorithm(server):
    for name, value in server.metadata.items():
        if name.endswith("signing_alg_values_supported"):
            assert value, name
            assert not set(value) & WEAK, name


def test_metadata_offers_pairwise_subjects_only(server):
    assert server.metadata["subject_types_supported"] == ["pairwise"]


def test_jwks_keys_are_public_with_unique_kid(server):
    keys = server.jwks["keys"]
    assert keys
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert key["kty"] in {"EC", "RSA", "OKP", "AKP"}
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "priv"}


def test_jwks_rsa_keys_have_2048_bits_or_more(server):
    assert all(len(key["n"]) * 6 >= 2048 for key in server.jwks["keys"] if key["kty"] == "RSA")


async def test_forged_host_header_does_not_change_metadata(server):
    where = server.issuer + "/.well-known/openid-configuration"
    answer = await server.http.get(where, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.text or answer.status_code >= 400


async def test_downgrade_unpushed_authorization_request_issues_no_code(server, app, person):
    attempt = Attempt(server, app, person)
    await attempt.tokens()
    address = f"{server.metadata['authorization_endpoint']}?{urlencode(attempt.again().parameters())}"
    assert_nothing_issued(await person.go(address, app.redirect_uri), app.redirect_uri)


@pytest.mark.parametrize(
    "endpoint", ["token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"]
)
@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"a=%ff%fe", b"a=%00", b"=", b"&&&", b"%", b"a" * 100_000, b"a=" + b"b" * 200_000, b'{"a": 1}'],
    ids=["bytes", "no utf-8", "nul", "no name", "nothing", "percent", "long name", "long value", "json"],
)
async def test_malformed_bytes_in_form_return_4xx(server, endpoint, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await server.http.post(server.metadata[endpoint], content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "endpoint", ["token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"]
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_form_with_other_content_type_is_rejected(server, app, endpoint, kind):
    form = urlencode(app.credentials(server.issuer) | {"grant_type": "client_credentials", "token": "a"})
    answer = await server.http.post(server.metadata[endpoint], content=form, headers={"Content-Type": kind})
    refused_or_unread = answer.status_code == 415
    if not refused_or_unread:
        assert_refused(answer)
