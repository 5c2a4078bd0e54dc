"""RFC 7523, OpenID Connect Core 9, FAPI 2.0 5.3.2.1: client authentication by private_key_jwt."""

import asyncio
import base64
import hmac
import json
import time
from dataclasses import replace

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.builders.messages import ASSERTION_TYPE, sign_raw
from tests.protocol.black_box.authorization_server import assert_refused

ENDPOINTS = ["token_endpoint", "pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint"]


@pytest.fixture
def machine_client(server):
    return server.client("machine")


async def request_with_assertion(server, client, assertion, **changes):
    """Request client credentials with this assertion."""
    form = {"grant_type": "client_credentials", "scope": client.scope, "client_assertion_type": ASSERTION_TYPE}
    form |= {"client_id": client.client_id, "client_assertion": assertion, **client.extra} | changes
    body = {name: value for name, value in form.items() if value is not None}
    return await server.http.post(server.metadata["token_endpoint"], data=body)


async def test_client_assertion_valid_issues_token(server, machine_client):
    answer = await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer))
    assert answer.status_code == 200, answer.text
    assert answer.json()["access_token"]


async def test_client_assertion_replayed_is_rejected(server, machine_client):
    assertion = machine_client.assertion(server.issuer)
    assert (await request_with_assertion(server, machine_client, assertion)).status_code == 200
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_client_assertion_used_concurrently_is_accepted_once(server, machine_client):
    assertion = machine_client.assertion(server.issuer)
    answers = await asyncio.gather(*(request_with_assertion(server, machine_client, assertion) for _ in range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_client_assertion_replayed_at_other_endpoint_is_rejected(server, machine_client):
    assertion = machine_client.assertion(server.issuer)
    assert (await request_with_assertion(server, machine_client, assertion)).status_code == 200
    form = {"token": "a", "client_id": machine_client.client_id, "client_assertion_type": ASSERTION_TYPE}
    answer = await server.post("introspection_endpoint", None, form | {"client_assertion": assertion})
    assert_refused(answer, "invalid_client")


CLAIMS = {
    "for another server": {"aud": "https://other.example"},
    "for nobody": {"aud": None},
    "for an empty audience": {"aud": ""},
    "for no one in a list": {"aud": []},
    "for this server's neighbour": {"aud": "https://other.example/token"},
    "issued by another": {"iss": "somebody"},
    "issued by nobody": {"iss": None},
    "about another": {"sub": "somebody"},
    "about nobody": {"sub": None},
    "without an end": {"exp": None},
    "without an id": {"jti": None},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
async def test_client_assertion_with_wrong_claims_is_rejected(server, machine_client, claims):
    answer = await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer, **claims))
    assert_refused(answer, "invalid_client", "invalid_request")


@pytest.mark.parametrize("age", [-3600, -120])
async def test_client_assertion_expired_is_rejected(server, machine_client, age):
    now = int(time.time())
    assertion = machine_client.assertion(server.issuer, iat=now + age - 60, exp=now + age)
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_client_assertion_from_the_future_is_rejected(server, machine_client, claim):
    now = int(time.time())
    assertion = machine_client.assertion(server.issuer, **{claim: now + 3600, "exp": now + 3660})
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


@pytest.mark.parametrize("bad", ["tomorrow", True, [], {}, 1e300, -1])
async def test_client_assertion_with_invalid_exp_is_rejected(server, machine_client, bad):
    assert_refused(
        await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer, exp=bad)),
        "invalid_client",
    )


async def test_client_assertion_with_audience_list_is_rejected(server, machine_client):
    assertion = machine_client.assertion(server.issuer, aud=[server.issuer, "https://other.example"])
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_client_assertion_with_endpoint_as_audience_is_rejected(server, machine_client, endpoint):
    assertion = machine_client.assertion(server.issuer, aud=server.metadata[endpoint])
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_client_assertion_signed_with_other_key_is_rejected(server, machine_client):
    stranger = ECKey.generate_key("P-256")
    assert_refused(
        await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer, key=stranger)),
        "invalid_client",
    )


async def test_client_assertion_of_another_client_is_rejected(server, machine_client, other_client):
    assertion = other_client.assertion(server.issuer, iss=machine_client.client_id, sub=machine_client.client_id)
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")
    assert_refused(
        await request_with_assertion(server, machine_client, other_client.assertion(server.issuer)),
        "invalid_client",
        "invalid_request",
    )


async def test_client_assertion_with_alg_none_is_rejected(server, machine_client):
    assertion = machine_client.assertion(server.issuer, header={"alg": "none"})
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_client_assertion_without_signature_is_rejected(server, machine_client):
    head, claims, _ = machine_client.assertion(server.issuer).split(".")
    assert_refused(await request_with_assertion(server, machine_client, f"{head}.{claims}."), "invalid_client")


async def test_client_assertion_tampered_is_rejected(server, machine_client):
    head, claims, signature = machine_client.assertion(server.issuer).split(".")
    last = "A" if signature[10] != "A" else "B"
    assert_refused(
        await request_with_assertion(server, machine_client, f"{head}.{claims}.{signature[:10]}{last}{signature[11:]}"),
        "invalid_client",
    )


@pytest.mark.parametrize("form", ["pem", "jwk", "x"])
async def test_algorithm_confusion_client_public_key_as_hmac_secret_is_rejected(server, machine_client, form):
    public = machine_client.key.as_dict(private=False)
    secrets = {
        "pem": machine_client.key.as_pem(private=False),
        "jwk": json.dumps(public).encode(),
        "x": public["x"].encode(),
    }
    assertion = forge_assertion(machine_client, server, {"alg": "HS256", "kid": machine_client.key.kid}, secrets[form])
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_algorithm_confusion_server_public_key_as_hmac_secret_is_rejected(server, machine_client):
    public = server.jwks["keys"][0]
    assertion = forge_assertion(
        machine_client, server, {"alg": "HS256", "kid": public["kid"]}, json.dumps(public).encode()
    )
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_client_assertion_with_unregistered_algorithm_is_rejected(server, machine_client):
    stranger = RSAKey.generate_key(2048)
    assertion = machine_client.assertion(server.issuer, header={"alg": "RS256"}, key=stranger)
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "kid"])
async def test_client_assertion_with_key_in_header_is_rejected(server, machine_client, member):
    stranger = ECKey.generate_key("P-256")
    brought = {
        "jwk": stranger.as_dict(private=False),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/cert",
        "x5c": ["MIIB"],
        "kid": "../../../../dev/null",
    }
    header = {member: brought[member]}
    assert_refused(
        await request_with_assertion(server, machine_client, forge_assertion(machine_client, server, header, stranger)),
        "invalid_client",
    )


def forge_assertion(client, server, header, key):
    """Signed by hand: libraries refuse to write such headers."""
    claims = json.loads(base64.urlsafe_b64decode(client.assertion(server.issuer).split(".")[1] + "=="))
    parts = [{"alg": "ES256", **header}, claims]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    if isinstance(key, bytes):
        signature = hmac.digest(key, text.encode(), "sha256")
    else:
        signature = sign_raw("ES256", text.encode(), key)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_client_assertion_with_unknown_crit_is_rejected(server, machine_client):
    assertion = forge_assertion(
        machine_client, server, {"kid": machine_client.key.kid, "crit": ["evil"], "evil": True}, machine_client.key
    )
    assert_refused(await request_with_assertion(server, machine_client, assertion), "invalid_client")


async def test_forged_helper_with_real_key_makes_valid_client_assertion(server, machine_client):
    assertion = forge_assertion(machine_client, server, {"kid": machine_client.key.kid}, machine_client.key)
    assert (await request_with_assertion(server, machine_client, assertion)).status_code == 200


@pytest.mark.parametrize("garbage", ["", "a", "a.b.c", "....", "e30.e30.e30", "a" * 20_000, "é.é.é"])
async def test_client_assertion_that_is_no_jwt_is_rejected(server, machine_client, garbage):
    assert_refused(await request_with_assertion(server, machine_client, garbage), "invalid_client", "invalid_request")


@pytest.mark.parametrize("kind", ["urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "x", "", None])
async def test_client_assertion_of_other_type_is_rejected(server, machine_client, kind):
    answer = await request_with_assertion(
        server, machine_client, machine_client.assertion(server.issuer), client_assertion_type=kind
    )
    assert_refused(answer, "invalid_client", "invalid_request")


async def test_client_assertion_with_client_secret_in_form_is_rejected(server, machine_client):
    answer = await request_with_assertion(
        server, machine_client, machine_client.assertion(server.issuer), client_secret="geheim"
    )
    assert_refused(answer, "invalid_request", "invalid_client")


async def test_client_assertion_with_basic_authentication_is_rejected(server, machine_client):
    form = {
        "grant_type": "client_credentials",
        "scope": machine_client.scope,
        **machine_client.credentials(server.issuer),
    }
    answer = await server.http.post(server.metadata["token_endpoint"], data=form, auth=(machine_client.client_id, "x"))
    assert_refused(answer, "invalid_request", "invalid_client")


async def test_basic_authentication_is_rejected(server, machine_client):
    form = {"grant_type": "client_credentials", "scope": machine_client.scope}
    answer = await server.http.post(server.metadata["token_endpoint"], data=form, auth=(machine_client.client_id, ""))
    assert_refused(answer, "invalid_client", "invalid_request")


async def test_enumeration_unknown_client_looks_like_wrong_key(server, machine_client):
    stranger = ECKey.generate_key("P-256")
    unknown = replace(machine_client, client_id="bestaat-niet")
    wrong = await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer, key=stranger))
    nobody = await request_with_assertion(server, unknown, unknown.assertion(server.issuer, key=stranger))
    assert (wrong.status_code, wrong.json()) == (nobody.status_code, nobody.json())


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_endpoint_without_client_authentication_is_rejected(server, machine_client, endpoint):
    form = {"client_id": machine_client.client_id, "token": "a", "grant_type": "client_credentials"}
    assert_refused(await server.post(endpoint, None, form), "invalid_client", "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_endpoint_with_other_client_key_is_rejected(server, machine_client, endpoint):
    form = {"client_id": machine_client.client_id, "client_assertion_type": ASSERTION_TYPE, "token": "a"}
    form["grant_type"] = "client_credentials"
    form |= {"client_assertion": machine_client.assertion(server.issuer, key=ECKey.generate_key("P-256"))}
    assert_refused(await server.post(endpoint, None, form), "invalid_client", "invalid_request")


async def test_client_credentials_issue_access_token_only(server, machine_client):
    answer = (await request_with_assertion(server, machine_client, machine_client.assertion(server.issuer))).json()
    assert not answer.keys() & {"refresh_token", "id_token"}
    assert answer["token_type"].lower() == "bearer"
    assert 0 < answer["expires_in"] <= 6 * 3600


async def test_client_credentials_with_unregistered_scope_are_rejected(server, machine_client):
    answer = await request_with_assertion(
        server, machine_client, machine_client.assertion(server.issuer), scope="beheer:alles"
    )
    if answer.status_code == 200:
        assert "beheer:alles" not in answer.json().get("scope", "").split()
    else:
        assert_refused(answer, "invalid_scope")


async def test_client_credentials_client_in_code_flow_is_rejected(server, machine_client):
    form = {"response_type": "code", "redirect_uri": "https://evil.example/", "scope": "openid"}
    form |= {"code_challenge": "a" * 43, "code_challenge_method": "S256", "nonce": "n" * 20}
    answer = await server.post("pushed_authorization_request_endpoint", machine_client, form)
    assert_refused(answer)
