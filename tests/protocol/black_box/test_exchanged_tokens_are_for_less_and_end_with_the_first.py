"""RFC 8693, RFC 9700 4.9: a service gets a token for the next one, for less, for no longer, and never for itself."""

import asyncio
import json
import time

import pytest
from joserfc.jwk import ECKey

from tests.builders.black_box import Attempt, claims_of, header_of, proof_of, refused, unsigned
from tests.builders.black_box_steps import ACCESS_TOKEN, EXCHANGE, exchanged, with_key, with_proof

TYPES = "urn:ietf:params:oauth:token-type:"


@pytest.fixture(autouse=True)
def _offered(server):
    server.needs("exchanger", "archive", "depot", "gateway", "details")


@pytest.fixture
def walk(server, person):
    return Attempt(server, server.client("app"), person)


async def for_house(server, walk, **more):
    """A token for the service that exchanges."""
    asked = {"resource": server.client("exchanger").resource, "authorization_details": server.details("some")} | more
    return await walk.again().tokens(**asked)


@pytest.fixture
async def first(server, walk):
    return await for_house(server, walk)


@pytest.fixture
async def subject(first):
    return first["access_token"]


def form_for(server, token):
    named = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    return named | {"resource": server.client("archive").resource}


async def test_a_service_gets_a_token_for_the_next_service(server, subject):
    answer = await exchanged(server, subject)
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


async def test_a_token_may_be_called_a_jwt_which_it_is(server, subject):
    answer = await exchanged(server, subject, subject_token_type=TYPES + "jwt", requested_token_type=TYPES + "jwt")
    assert answer.status_code == 200, answer.text


async def test_the_first_token_stays_what_it_was(server, subject):
    await exchanged(server, subject)
    assert (await server.introspect(subject, by="exchanger"))["active"] is True


# Whose token, for whom


async def test_a_token_for_another_service_is_not_exchanged(server, walk):
    for more in ({"resource": None}, {"resource": server.client("archive").resource}):
        token = (await for_house(server, walk, **more))["access_token"]
        refused(await exchanged(server, token), "invalid_request", "invalid_grant")


async def test_what_was_exchanged_is_not_exchanged_by_who_got_it(server, subject):
    made = (await exchanged(server, subject)).json()["access_token"]
    refused(await exchanged(server, made, to="depot"), "invalid_request", "invalid_grant")


@pytest.mark.parametrize("by", ["app", "other", "machine", "resource", "archive", "public", "desk"])
async def test_a_client_that_did_not_register_for_it_exchanges_nothing(server, subject, by):
    refused(await exchanged(server, subject, by=by), "unauthorized_client", "invalid_client", "unsupported_grant_type")


async def test_a_service_for_which_the_token_is_but_that_may_not_exchange_gets_nothing(server, walk):
    token = (await for_house(server, walk, resource=server.client("archive").resource))["access_token"]
    refused(await exchanged(server, token, by="archive", to="exchanger"), "unauthorized_client")


async def test_the_app_does_not_exchange_its_own_token(server, attempt):
    token = (await attempt.tokens())["access_token"]
    refused(await exchanged(server, token, by="app"), "unauthorized_client")


@pytest.mark.parametrize("client_id", ["exchanger", "gateway"])
async def test_without_proof_of_who_asks_nothing_is_exchanged(server, subject, client_id):
    form = form_for(server, subject) | {"client_id": server.client(client_id).client_id}
    refused(await server.post("token_endpoint", None, form), "invalid_client", "invalid_request")


# To whom


@pytest.mark.parametrize(
    "resource",
    ["https://evil.example/api", "http://localhost:9/", "{archive}/", "{archive}x", "{issuer}", "{issuer}/api/v1", "x"],
)
async def test_a_token_is_exchanged_for_registered_services_only(server, subject, resource):
    target = resource.format(archive=server.client("archive").resource, issuer=server.issuer)
    refused(await exchanged(server, subject, resource=target), "invalid_target")


async def test_one_service_may_not_go_where_another_may(server, walk):
    token = (await for_house(server, walk, resource=None))["access_token"]
    refused(await exchanged(server, token, by="gateway", to="depot"), "invalid_target")


async def test_a_token_is_not_exchanged_for_one_of_the_same_service(server, subject):
    refused(await exchanged(server, subject, to="exchanger"), "invalid_target")


async def test_two_services_are_one_too_many(server, subject):
    client = server.client("exchanger")
    form = {"subject_token": subject, "subject_token_type": ACCESS_TOKEN, **client.credentials(server.issuer)}
    both = [("resource", server.client(name).resource) for name in ("archive", "depot")]
    grant = ("grant_type", EXCHANGE)
    refused(await server.raw("token_endpoint", [*form.items(), *both, grant]), "invalid_request", "invalid_target")


@pytest.mark.parametrize("missing", ["resource", "subject_token", "subject_token_type"])
async def test_what_is_missing_is_not_made_up(server, subject, missing):
    refused(await exchanged(server, subject, **{missing: None}), "invalid_request", "invalid_target")


@pytest.mark.parametrize("extra", ["audience", "actor_token", "actor_token_type"])
async def test_what_is_not_supported_is_refused_and_not_passed_over(server, subject, extra):
    value = ACCESS_TOKEN if extra == "actor_token_type" else subject
    refused(await exchanged(server, subject, **{extra: value}), "invalid_request")


async def test_an_actor_with_a_token_of_its_own_changes_nobody(server, first, subject):
    actor = {"actor_token": first["id_token"], "actor_token_type": TYPES + "id_token"}
    refused(await exchanged(server, subject, **actor), "invalid_request")


# For what


@pytest.mark.parametrize("scope", ["openid", "beheer:alles", "openid aanleveringen:schrijven"])
async def test_an_exchange_never_gives_another_scope(server, subject, scope):
    refused(await exchanged(server, subject, scope=scope), "invalid_scope")


async def test_the_login_at_the_app_is_not_handed_on(server, subject):
    made = (await exchanged(server, subject)).json()
    assert "openid" not in made.get("scope", "").split()
    assert (await server.userinfo(made["access_token"])).status_code in (401, 403)


@pytest.mark.parametrize("wider", ["more", "elsewhere"])
async def test_an_exchange_never_gives_more_details(server, subject, wider):
    answer = await exchanged(server, subject, authorization_details=server.details(wider))
    refused(answer, "invalid_authorization_details")


async def test_an_exchange_gives_the_details_of_the_token_or_less(server, subject):
    less = json.loads(server.details("less"))
    made = (await exchanged(server, subject, authorization_details=server.details("less"))).json()
    assert made["authorization_details"] == less
    whole = (await exchanged(server, subject)).json()
    assert whole["authorization_details"] == json.loads(server.details("some"))


async def test_what_became_less_does_not_become_more_one_service_further(server, subject):
    made = await exchanged(server, subject, to="depot", authorization_details=server.details("less"))
    token = made.json()["access_token"]
    wider = {"authorization_details": server.details("some")}
    refused(await exchanged(server, token, by="depot", to="exchanger", **wider), "invalid_authorization_details")


async def test_each_service_knows_the_person_by_another_name(server, subject):
    made = (await exchanged(server, subject)).json()["access_token"]
    names = [
        (await server.introspect(token, by=by))["sub"] for token, by in ((subject, "exchanger"), (made, "archive"))
    ]
    assert names[0] != names[1]


# Of what kind


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "saml1", "saml2", "nonsense"])
async def test_a_token_of_another_kind_is_not_exchanged_nor_asked(server, subject, kind):
    refused(await exchanged(server, subject, subject_token_type=TYPES + kind), "invalid_request")
    refused(await exchanged(server, subject, requested_token_type=TYPES + kind), "invalid_request")


async def test_an_id_token_is_not_exchanged_whatever_it_is_called(server, first):
    for kind in ("access_token", "jwt", "id_token"):
        refused(await exchanged(server, first["id_token"], subject_token_type=TYPES + kind), "invalid_request")


async def test_a_refresh_token_is_not_exchanged(server, person):
    made = await Attempt(server, server.client("refreshing"), person).tokens()
    refused(await exchanged(server, made["refresh_token"]), "invalid_request")
    refused(await exchanged(server, made["refresh_token"], subject_token_type=TYPES + "refresh_token"))


async def test_the_token_of_a_machine_stands_for_nobody_and_is_not_exchanged(server):
    machine = server.client("machine")
    form = {"grant_type": "client_credentials", "scope": machine.scope, **machine.extra}
    token = (await server.post("token_endpoint", machine, form)).json()["access_token"]
    refused(await exchanged(server, token, by="gateway"), "invalid_request", "invalid_grant")


async def test_the_token_of_a_person_for_the_api_is_exchanged_by_who_guards_it(server, walk):
    token = (await for_house(server, walk, resource=None))["access_token"]
    assert (await exchanged(server, token, by="gateway")).status_code == 200


@pytest.mark.parametrize("garbage", ["a", "a.b.c", "e30.e30.", "a" * 5000, "é", "' OR 1=1 --"])
async def test_an_invented_token_is_not_exchanged(server, garbage):
    refused(await exchanged(server, garbage), "invalid_request")


async def test_a_token_that_was_changed_is_not_exchanged(server, subject):
    claims = claims_of(subject) | {"client_id": server.client("other").client_id}
    signature = subject.split(".")[2]
    refused(await exchanged(server, unsigned(header_of(subject), claims, signature)), "invalid_request")
    refused(await exchanged(server, unsigned(header_of(subject) | {"alg": "none"}, claims)), "invalid_request")
    exchanger = server.client("exchanger")
    mine = exchanger.assertion(server.issuer, **claims_of(subject), header={"typ": "at+jwt"})
    refused(await exchanged(server, mine), "invalid_request")


# For how long


@pytest.mark.parametrize("why", ["expired", "consent ended", "mandate ended", "mandate paused"])
async def test_a_subject_that_is_over_is_not_exchanged(server, why):
    refused(await exchanged(server, server.spent("subject_token", why)), "invalid_request", "invalid_grant")


async def test_a_revoked_subject_is_not_exchanged(server, subject):
    await server.revoke(subject)
    refused(await exchanged(server, subject), "invalid_request", "invalid_grant")


async def test_what_was_exchanged_ends_no_later_than_the_first_token(server, subject):
    await asyncio.sleep(1.1)
    made = (await exchanged(server, subject)).json()
    seen = [
        (await server.introspect(token, by=by))["exp"]
        for token, by in ((subject, "exchanger"), (made["access_token"], "archive"))
    ]
    assert seen[1] <= seen[0]
    assert time.time() + made["expires_in"] <= seen[0] + 1


async def test_what_was_exchanged_ends_with_the_first_token(server, subject):
    made = (await exchanged(server, subject, to="depot")).json()["access_token"]
    further = (await exchanged(server, made, by="depot", to="exchanger")).json()["access_token"]
    assert (await server.introspect(further, by="exchanger"))["active"] is True
    await server.revoke(subject)
    assert await server.introspect(made, by="depot") == {"active": False}
    assert await server.introspect(further, by="exchanger") == {"active": False}


async def test_who_gives_back_what_he_exchanged_leaves_the_first_token_alone(server, subject):
    made = (await exchanged(server, subject)).json()["access_token"]
    assert (await server.revoke(made, by="exchanger")).status_code == 200
    assert await server.introspect(made, by="archive") == {"active": False}
    assert (await server.introspect(subject, by="exchanger"))["active"] is True


async def test_who_was_only_shown_a_token_cannot_revoke_it(server, subject):
    made = (await exchanged(server, subject)).json()["access_token"]
    for by, token in (("exchanger", subject), ("archive", made), ("app", made)):
        await server.revoke(token, by=by)
    assert (await server.introspect(subject, by="exchanger"))["active"] is True
    assert (await server.introspect(made, by="archive"))["active"] is True


async def test_a_chain_of_services_has_an_end(server, subject):
    hops = [("exchanger", "depot"), ("depot", "exchanger")] * 4
    for by, to in hops:
        answer = await exchanged(server, subject, by=by, to=to)
        if answer.status_code != 200:
            break
        subject = answer.json()["access_token"]
    refused(answer, "invalid_request", "invalid_grant")


async def test_services_that_did_not_get_the_token_learn_nothing_about_it(server, subject):
    made = (await exchanged(server, subject)).json()["access_token"]
    for by in ("depot", "other", "app", "resource"):
        assert await server.introspect(made, by=by) == {"active": False}


# With which key


@pytest.fixture
def key():
    return ECKey.generate_key("P-256")


async def bound(server, walk, key):
    """A token for the exchanging service that is bound to a key of the app."""
    asking = {"resource": server.client("exchanger").resource, "authorization_details": server.details("some")}
    answer = await with_key(walk.again(), key, asking=asking)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


async def test_what_needed_a_key_does_not_become_what_anybody_can_use(server, walk, key):
    refused(await exchanged(server, await bound(server, walk, key)), "invalid_request", "invalid_grant")


async def test_what_needed_a_key_becomes_what_needs_the_key_of_the_service(server, walk, key):
    token, mine = await bound(server, walk, key), ECKey.generate_key("P-256")
    client = server.client("exchanger")
    answer = await with_proof(server, mine, "token_endpoint", form_for(server, token), client=client)
    assert answer.status_code == 200, answer.text
    seen = await server.introspect(answer.json()["access_token"], by="archive")
    assert seen["cnf"]["jkt"] == mine.thumbprint()


async def test_a_proof_for_elsewhere_binds_nothing(server, walk, key):
    token, client = await bound(server, walk, key), server.client("exchanger")
    body = form_for(server, token) | client.credentials(server.issuer)
    proof = proof_of(ECKey.generate_key("P-256"), "POST", server.metadata["introspection_endpoint"])
    address = server.metadata["token_endpoint"]
    refused(await server.http.post(address, data=body, headers={"DPoP": proof}))
