"""Exchange of a token for the next service, never with more scope or lifetime (RFC 8693, RFC 9700 4.9)."""

import asyncio
import json
import time

import pytest
from joserfc.jwk import ECKey

from tests.builders.messages import make_unsigned_jwt, read_claims, read_header
from tests.protocol.black_box.authorization_server import Attempt, assert_refused, make_dpop_proof
from tests.protocol.black_box.client_requests import ACCESS_TOKEN, EXCHANGE, exchange_token, with_key, with_proof

TYPES = "urn:ietf:params:oauth:token-type:"


@pytest.fixture(autouse=True)
def _require_exchange_clients(server):
    server.needs("exchanger", "archive", "depot", "gateway", "details")


async def for_house(server, attempt, **more):
    """An access token with the exchanging service as audience."""
    asked = {"resource": server.client("exchanger").resource, "authorization_details": server.details("some")} | more
    return await attempt.again().tokens(**asked)


@pytest.fixture
async def exchangeable_tokens(server, attempt):
    """The token response of a code flow for the exchanging service."""
    return await for_house(server, attempt)


@pytest.fixture
async def subject_token(exchangeable_tokens):
    return exchangeable_tokens["access_token"]


def form_for(server, token):
    named = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return named | {"resource": server.client("archive").resource}


async def test_token_exchange_for_next_service_issues_token(server, subject_token):
    answer = await exchange_token(server, subject_token)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["issued_token_type"] == ACCESS_TOKEN
    assert "refresh_token" not in told
    assert "id_token" not in told
    assert "no-store" in answer.headers["cache-control"]
    seen = await server.introspect(told["access_token"], by="archive")
    assert seen["active"] is True
    assert seen["aud"] == server.client("archive").resource
    assert seen["client_id"] == server.client("exchanger").client_id


async def test_token_exchange_with_jwt_token_type_issues_token(server, subject_token):
    answer = await exchange_token(
        server, subject_token, subject_token_type=TYPES + "jwt", requested_token_type=TYPES + "jwt"
    )
    assert answer.status_code == 200, answer.text


async def test_token_exchange_leaves_subject_token_active(server, subject_token):
    await exchange_token(server, subject_token)
    assert (await server.introspect(subject_token, by="exchanger"))["active"] is True


# Subject token and requester


async def test_token_exchange_of_token_for_other_audience_is_rejected(server, attempt):
    for more in ({"resource": None}, {"resource": server.client("archive").resource}):
        token = (await for_house(server, attempt, **more))["access_token"]
        assert_refused(await exchange_token(server, token), "invalid_request", "invalid_grant")


async def test_token_exchange_of_exchanged_token_by_its_requester_is_rejected(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()["access_token"]
    assert_refused(await exchange_token(server, made, to="depot"), "invalid_request", "invalid_grant")


@pytest.mark.parametrize("by", ["app", "other", "machine", "resource", "archive", "public", "desk"])
async def test_token_exchange_by_unregistered_client_is_rejected(server, subject_token, by):
    assert_refused(
        await exchange_token(server, subject_token, by=by),
        "unauthorized_client",
        "invalid_client",
        "unsupported_grant_type",
    )


async def test_token_exchange_by_audience_without_the_grant_type_is_rejected(server, attempt):
    token = (await for_house(server, attempt, resource=server.client("archive").resource))["access_token"]
    assert_refused(await exchange_token(server, token, by="archive", to="exchanger"), "unauthorized_client")


async def test_token_exchange_by_the_app_of_the_token_is_rejected(server, attempt):
    token = (await attempt.tokens())["access_token"]
    assert_refused(await exchange_token(server, token, by="app"), "unauthorized_client")


@pytest.mark.parametrize("client_id", ["exchanger", "gateway"])
async def test_token_exchange_without_client_authentication_is_rejected(server, subject_token, client_id):
    form = form_for(server, subject_token) | {"client_id": server.client(client_id).client_id}
    assert_refused(await server.post("token_endpoint", None, form), "invalid_client", "invalid_request")


# Target


@pytest.mark.parametrize(
    "resource",
    ["https://evil.example/api", "http://localhost:9/", "{archive}/", "{archive}x", "{issuer}", "{issuer}/api/v1", "x"],
)
async def test_token_exchange_for_unregistered_resource_is_rejected(server, subject_token, resource):
    target = resource.format(archive=server.client("archive").resource, issuer=server.issuer)
    assert_refused(await exchange_token(server, subject_token, resource=target), "invalid_target")


async def test_token_exchange_for_resource_of_another_service_is_rejected(server, attempt):
    token = (await for_house(server, attempt, resource=None))["access_token"]
    assert_refused(await exchange_token(server, token, by="gateway", to="depot"), "invalid_target")


async def test_token_exchange_for_the_same_service_is_rejected(server, subject_token):
    assert_refused(await exchange_token(server, subject_token, to="exchanger"), "invalid_target")


async def test_token_exchange_with_two_resources_is_rejected(server, subject_token):
    client = server.client("exchanger")
    form = {"subject_token": subject_token, "subject_token_type": ACCESS_TOKEN, **client.credentials(server.issuer)}
    both = [("resource", server.client(name).resource) for name in ("archive", "depot")]
    grant = ("grant_type", EXCHANGE)
    assert_refused(
        await server.raw("token_endpoint", [*form.items(), *both, grant]), "invalid_request", "invalid_target"
    )


@pytest.mark.parametrize("missing", ["resource", "subject_token", "subject_token_type"])
async def test_token_exchange_with_missing_parameter_is_rejected(server, subject_token, missing):
    assert_refused(await exchange_token(server, subject_token, **{missing: None}), "invalid_request", "invalid_target")


@pytest.mark.parametrize("extra", ["audience", "actor_token", "actor_token_type"])
async def test_token_exchange_with_unsupported_parameter_is_rejected(server, subject_token, extra):
    value = ACCESS_TOKEN if extra == "actor_token_type" else subject_token
    assert_refused(await exchange_token(server, subject_token, **{extra: value}), "invalid_request")


async def test_token_exchange_with_actor_token_is_rejected(server, exchangeable_tokens, subject_token):
    actor = {"actor_token": exchangeable_tokens["id_token"], "actor_token_type": TYPES + "id_token"}
    assert_refused(await exchange_token(server, subject_token, **actor), "invalid_request")


# Parameters, scope, details


@pytest.mark.parametrize("scope", ["openid", "beheer:alles", "openid aanleveringen:schrijven"])
async def test_token_exchange_with_wider_scope_is_rejected(server, subject_token, scope):
    assert_refused(await exchange_token(server, subject_token, scope=scope), "invalid_scope")


async def test_token_exchange_drops_openid_scope(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()
    assert "openid" not in made.get("scope", "").split()
    assert (await server.userinfo(made["access_token"])).status_code in (401, 403)


@pytest.mark.parametrize("wider", ["more", "elsewhere"])
async def test_token_exchange_with_wider_authorization_details_is_rejected(server, subject_token, wider):
    answer = await exchange_token(server, subject_token, authorization_details=server.details(wider))
    assert_refused(answer, "invalid_authorization_details")


async def test_token_exchange_keeps_or_narrows_authorization_details(server, subject_token):
    less = json.loads(server.details("less"))
    made = (await exchange_token(server, subject_token, authorization_details=server.details("less"))).json()
    assert made["authorization_details"] == less
    whole = (await exchange_token(server, subject_token)).json()
    assert whole["authorization_details"] == json.loads(server.details("some"))


async def test_token_exchange_of_narrowed_token_with_wider_details_is_rejected(server, subject_token):
    made = await exchange_token(server, subject_token, to="depot", authorization_details=server.details("less"))
    token = made.json()["access_token"]
    wider = {"authorization_details": server.details("some")}
    assert_refused(
        await exchange_token(server, token, by="depot", to="exchanger", **wider), "invalid_authorization_details"
    )


async def test_token_exchange_gives_pairwise_subject_per_service(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()["access_token"]
    names = [
        (await server.introspect(token, by=by))["sub"]
        for token, by in ((subject_token, "exchanger"), (made, "archive"))
    ]
    assert names[0] != names[1]


# Token types


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "saml1", "saml2", "nonsense"])
async def test_token_exchange_with_unsupported_token_type_is_rejected(server, subject_token, kind):
    assert_refused(await exchange_token(server, subject_token, subject_token_type=TYPES + kind), "invalid_request")
    assert_refused(await exchange_token(server, subject_token, requested_token_type=TYPES + kind), "invalid_request")


async def test_token_exchange_of_id_token_is_rejected(server, exchangeable_tokens):
    for kind in ("access_token", "jwt", "id_token"):
        assert_refused(
            await exchange_token(server, exchangeable_tokens["id_token"], subject_token_type=TYPES + kind),
            "invalid_request",
        )


async def test_token_exchange_of_refresh_token_is_rejected(server, person):
    made = await Attempt(server, server.client("refreshing"), person).tokens()
    assert_refused(await exchange_token(server, made["refresh_token"]), "invalid_request")
    assert_refused(await exchange_token(server, made["refresh_token"], subject_token_type=TYPES + "refresh_token"))


async def test_token_exchange_of_client_credentials_token_is_rejected(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    assert_refused(await exchange_token(server, token, by="gateway"), "invalid_request", "invalid_grant")


async def test_token_exchange_of_user_token_by_its_api_is_accepted(server, attempt):
    token = (await for_house(server, attempt, resource=None))["access_token"]
    assert (await exchange_token(server, token, by="gateway")).status_code == 200


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "e30.e30.", "a" * 5000, "é", "' OR 1=1 --"])
async def test_token_exchange_of_invented_token_is_rejected(server, garbage):
    assert_refused(await exchange_token(server, garbage), "invalid_request")


async def test_token_exchange_of_tampered_token_is_rejected(server, subject_token):
    claims = read_claims(subject_token) | {"client_id": server.client("other").client_id}
    signature = subject_token.split(".")[2]
    assert_refused(
        await exchange_token(server, make_unsigned_jwt(read_header(subject_token), claims, signature)),
        "invalid_request",
    )
    assert_refused(
        await exchange_token(server, make_unsigned_jwt(read_header(subject_token) | {"alg": "none"}, claims)),
        "invalid_request",
    )
    exchanger = server.client("exchanger")
    mine = exchanger.assertion(server.issuer, **read_claims(subject_token), header={"typ": "at+jwt"})
    assert_refused(await exchange_token(server, mine), "invalid_request")


# Expiry and revocation


@pytest.mark.parametrize("why", ["expired", "consent ended", "mandate ended", "mandate paused"])
async def test_token_exchange_of_ended_token_is_rejected(server, why):
    assert_refused(await exchange_token(server, server.spent("subject_token", why)), "invalid_request", "invalid_grant")


async def test_token_exchange_of_revoked_token_is_rejected(server, subject_token):
    await server.revoke(subject_token)
    assert_refused(await exchange_token(server, subject_token), "invalid_request", "invalid_grant")


async def test_exchanged_token_expires_no_later_than_its_subject_token(server, subject_token):
    await asyncio.sleep(1.1)
    before = time.time()  # a slow machine answers seconds later
    made = (await exchange_token(server, subject_token)).json()
    seen = [
        (await server.introspect(token, by=by))["exp"]
        for token, by in ((subject_token, "exchanger"), (made["access_token"], "archive"))
    ]
    assert seen[1] <= seen[0]
    assert before + made["expires_in"] <= seen[0] + 1


async def test_exchanged_token_is_revoked_with_its_subject_token(server, subject_token):
    made = (await exchange_token(server, subject_token, to="depot")).json()["access_token"]
    further = (await exchange_token(server, made, by="depot", to="exchanger")).json()["access_token"]
    assert (await server.introspect(further, by="exchanger"))["active"] is True
    await server.revoke(subject_token)
    assert await server.introspect(made, by="depot") == {"active": False}
    assert await server.introspect(further, by="exchanger") == {"active": False}


async def test_exchanged_token_revoked_leaves_its_subject_token_active(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()["access_token"]
    assert (await server.revoke(made, by="exchanger")).status_code == 200
    assert await server.introspect(made, by="archive") == {"active": False}
    assert (await server.introspect(subject_token, by="exchanger"))["active"] is True


async def test_exchanged_token_revocation_by_other_party_is_ignored(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()["access_token"]
    for by, token in (("exchanger", subject_token), ("archive", made), ("app", made)):
        await server.revoke(token, by=by)
    assert (await server.introspect(subject_token, by="exchanger"))["active"] is True
    assert (await server.introspect(made, by="archive"))["active"] is True


async def test_token_exchange_chain_is_limited(server, subject_token):
    hops = [("exchanger", "depot"), ("depot", "exchanger")] * 4
    for by, to in hops:
        answer = await exchange_token(server, subject_token, by=by, to=to)
        if answer.status_code != 200:
            break
        subject_token = answer.json()["access_token"]
    assert_refused(answer, "invalid_request", "invalid_grant")


async def test_exchanged_token_introspection_by_other_service_is_inactive(server, subject_token):
    made = (await exchange_token(server, subject_token)).json()["access_token"]
    for by in ("depot", "other", "app", "resource"):
        assert await server.introspect(made, by=by) == {"active": False}


# Sender constraint


async def bound(server, attempt, key):
    """A DPoP-bound token of the app for the exchanging service."""
    asking = {"resource": server.client("exchanger").resource, "authorization_details": server.details("some")}
    answer = await with_key(attempt.again(), key, asking=asking)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


async def test_token_exchange_of_bound_token_without_proof_is_rejected(server, attempt, key):
    assert_refused(await exchange_token(server, await bound(server, attempt, key)), "invalid_request", "invalid_grant")


async def test_token_exchange_of_bound_token_with_proof_issues_bound_token(server, attempt, key):
    token, mine = await bound(server, attempt, key), ECKey.generate_key("P-256")
    client = server.client("exchanger")
    answer = await with_proof(server, mine, "token_endpoint", form_for(server, token), client=client)
    assert answer.status_code == 200, answer.text
    seen = await server.introspect(answer.json()["access_token"], by="archive")
    assert seen["cnf"]["jkt"] == mine.thumbprint()


async def test_token_exchange_with_proof_for_other_endpoint_is_rejected(server, attempt, key):
    token, client = await bound(server, attempt, key), server.client("exchanger")
    body = form_for(server, token) | client.credentials(server.issuer)
    proof = make_dpop_proof(ECKey.generate_key("P-256"), "POST", server.metadata["introspection_endpoint"])
    address = server.metadata["token_endpoint"]
    assert_refused(await server.http.post(address, data=body, headers={"DPoP": proof}))
