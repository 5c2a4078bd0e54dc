"""RFC 8414, OpenID Connect Discovery, FAPI 2.0 5.3.2: an honest description that offers nothing weak."""

from urllib.parse import urlencode

import pytest

from tests.builders.black_box import Attempt, nothing_handed_out, refused

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


def test_the_issuer_is_the_address_that_was_asked(server):
    assert server.metadata["issuer"] == server.issuer


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_is_named_and_lies_at_the_issuer(server, endpoint):
    assert server.metadata[endpoint].startswith(server.issuer + "/")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_every_endpoint_that_is_named_exists(server, endpoint):
    method = "GET" if endpoint in ("authorization_endpoint", "jwks_uri") else "POST"
    answer = await server.http.request(method, server.metadata[endpoint])
    assert answer.status_code != 404
    assert answer.status_code < 500


def test_nothing_is_handed_out_in_the_front_channel_but_a_code(server):
    assert server.metadata["response_types_supported"] == ["code"]
    assert not set(server.metadata["grant_types_supported"]) & {"implicit", "password"}


def test_plain_pkce_is_not_offered(server):
    assert server.metadata["code_challenge_methods_supported"] == ["S256"]


def test_every_request_must_be_pushed(server):
    assert server.metadata["require_pushed_authorization_requests"] is True


def test_shared_secrets_are_not_offered(server):
    methods = server.metadata["token_endpoint_auth_methods_supported"]
    assert "private_key_jwt" in methods
    assert not set(methods) & {"client_secret_basic", "client_secret_post", "client_secret_jwt"}


def test_no_algorithm_is_offered_that_anybody_can_sign_with(server):
    for name, value in server.metadata.items():
        if name.endswith("signing_alg_values_supported"):
            assert value, name
            assert not set(value) & WEAK, name


def test_subjects_cannot_be_joined_over_clients(server):
    assert server.metadata["subject_types_supported"] == ["pairwise"]


def test_the_published_keys_are_public_and_told_apart(server):
    keys = server.jwks["keys"]
    assert keys
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert key["kty"] in {"EC", "RSA", "OKP", "AKP"}
        assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "priv"}


def test_the_published_rsa_keys_are_long_enough(server):
    assert all(len(key["n"]) * 6 >= 2048 for key in server.jwks["keys"] if key["kty"] == "RSA")


async def test_a_host_header_does_not_change_who_the_server_says_it_is(server):
    where = server.issuer + "/.well-known/openid-configuration"
    answer = await server.http.get(where, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.text or answer.status_code >= 400


async def test_a_plain_request_in_the_browser_leads_to_no_code(server, app, person):
    attempt = Attempt(server, app, person)
    await attempt.tokens()
    address = f"{server.metadata['authorization_endpoint']}?{urlencode(attempt.again().parameters())}"
    nothing_handed_out(await person.go(address, app.redirect_uri), app.redirect_uri)


@pytest.mark.parametrize(
    "endpoint", ["token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"]
)
@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"a=%ff%fe", b"a=%00", b"=", b"&&&", b"%", b"a" * 100_000, b"a=" + b"b" * 200_000, b'{"a": 1}'],
    ids=["bytes", "no utf-8", "nul", "no name", "nothing", "percent", "long name", "long value", "json"],
)
async def test_odd_bytes_are_refused_and_never_a_fault_of_the_server(server, endpoint, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await server.http.post(server.metadata[endpoint], content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "endpoint", ["token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"]
)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_a_form_that_calls_itself_something_else_is_refused(server, app, endpoint, kind):
    form = urlencode(app.credentials(server.issuer) | {"grant_type": "client_credentials", "token": "a"})
    answer = await server.http.post(server.metadata[endpoint], content=form, headers={"Content-Type": kind})
    refused_or_unread = answer.status_code == 415
    if not refused_or_unread:
        refused(answer)
