"""Authentication requests: client, hint, binding message and signature (OpenID CIBA Core 1.0 sections 4, 7, 14)."""

import asyncio
import math
import time

import pytest
from joserfc.jwk import ECKey

from tests.builders.messages import make_unsigned_jwt, read_claims, read_header
from tests.protocol.black_box.authorization_server import Attempt, assert_refused
from tests.protocol.black_box.ciba_desk import CIBA, ENDPOINT
from tests.protocol.black_box.client_requests import about, request_object, signed

BAD = ("invalid_request", "invalid_request_object")


@pytest.fixture
def unknown_hint(ciba_desk):
    """A well-formed login_hint of an unknown person."""
    return ciba_desk.description["nobody"]


async def test_ciba_request_returns_unguessable_auth_req_id_and_expiry(ciba_desk, unknown_hint):
    answers = [await ciba_desk.tries(unknown_hint) for _ in range(2)]
    told = [answer.json() for answer in answers]
    assert told[0]["auth_req_id"] != told[1]["auth_req_id"]
    for one, answer in zip(told, answers, strict=True):
        assert len(one["auth_req_id"]) * math.log2(64) >= 128
        assert 0 < one["expires_in"] <= 3600
        assert one.get("interval", 5) >= 5
        assert not one.keys() & {"access_token", "id_token", "sub"}
        assert "no-store" in answer.headers["cache-control"]


# Client authentication


@pytest.mark.parametrize("by", ["app", "other", "machine", "resource", "public", "signing"])
async def test_ciba_request_by_client_of_other_grant_type_is_rejected(ciba_desk, unknown_hint, by):
    assert_refused(
        await ciba_desk.tries(unknown_hint, by=by), "unauthorized_client", "invalid_client", "invalid_request"
    )


async def test_ciba_request_without_client_authentication_is_rejected(server, ciba_desk, unknown_hint):
    form = ciba_desk.question(unknown_hint) | {"client_id": server.client("desk").client_id}
    assert_refused(await server.post(ENDPOINT, None, form), "invalid_client", "invalid_request")


async def test_ciba_request_with_key_of_another_client_is_rejected(server, ciba_desk, unknown_hint):
    forged = server.client("desk").credentials(server.issuer, key=server.client("desk_too").key)
    assert_refused(await ciba_desk.tries(unknown_hint, **forged), "invalid_client")


async def test_ciba_request_with_replayed_client_assertion_is_rejected(server, ciba_desk, unknown_hint):
    same = server.client("desk").credentials(server.issuer)
    assert (await ciba_desk.tries(unknown_hint, **same)).status_code == 200
    assert_refused(await ciba_desk.tries(unknown_hint, **same), "invalid_client")


async def test_ciba_client_in_code_flow_is_rejected(server, person, app):
    desk = server.client("desk")
    attempt = Attempt(server, desk, person)
    assert_refused(await attempt.push(redirect_uri=app.redirect_uri))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_ciba_request_by_method_other_than_post_is_rejected(server, ciba_desk, unknown_hint, method):
    form = ciba_desk.question(unknown_hint) | server.client("desk").credentials(server.issuer)
    answer = await server.http.request(method, server.metadata[ENDPOINT], data=form)
    assert 400 <= answer.status_code < 500
    assert "auth_req_id" not in answer.text


@pytest.mark.parametrize("twice", ["binding_message", "login_hint", "scope", "client_id"])
async def test_ciba_request_with_duplicate_parameter_is_rejected(server, ciba_desk, unknown_hint, twice):
    form = ciba_desk.question(unknown_hint) | server.client("desk").credentials(server.issuer)
    assert_refused(
        await server.raw(ENDPOINT, [*form.items(), (twice, form[twice])]), "invalid_request", "invalid_client"
    )


# Hints


async def test_ciba_request_without_hint_is_rejected(ciba_desk):
    assert_refused(await ciba_desk.tries("", login_hint=None), "invalid_request")


@pytest.mark.parametrize("second", ["id_token_hint", "login_hint_token"])
async def test_ciba_request_with_two_hints_is_rejected(ciba_desk, unknown_hint, spare_token, second):
    assert_refused(await ciba_desk.tries(unknown_hint, **{second: spare_token["id_token"]}), "invalid_request")


@pytest.mark.parametrize("kind", ["id_token_hint", "login_hint_token"])
async def test_ciba_request_with_id_token_as_hint_is_rejected(ciba_desk, spare_token, kind):
    """The person logged in at the app, not at this counter."""
    assert_refused(
        await ciba_desk.tries("", login_hint=None, **{kind: spare_token["id_token"]}),
        *("invalid_request", "unknown_user_id", "expired_login_hint_token"),
    )


@pytest.mark.parametrize("kind", ["id_token_hint", "login_hint_token"])
async def test_ciba_request_with_invented_token_as_hint_is_rejected(server, ciba_desk, kind):
    claims = {"iss": server.issuer, "sub": "x", "aud": server.client("desk").client_id, "exp": time.time() + 60}
    made = make_unsigned_jwt({"alg": "none"}, claims)
    assert_refused(await ciba_desk.tries("", login_hint=None, **{kind: made}), "invalid_request", "unknown_user_id")


@pytest.mark.parametrize(
    "hint", ["999990020", "bram.vanderlinden@post.example", "+31612345678", "Bram van der Linden", "x", "../x", "é" * 8]
)
async def test_ciba_request_with_personal_data_as_hint_is_rejected(ciba_desk, hint):
    if "hint" not in ciba_desk.description:
        pytest.skip("there, every text is a hint")
    assert_refused(await ciba_desk.tries(hint), "unknown_user_id", "invalid_request")


async def test_enumeration_ciba_hint_of_unknown_person_is_answered_like_a_known_one(ciba_desk, unknown_hint):
    asked = await ciba_desk.asks()
    answer = await ciba_desk.tries(unknown_hint)
    assert answer.status_code == 200
    assert answer.json().keys() == asked.answer.keys()
    assert answer.json()["expires_in"] == asked.answer["expires_in"]


async def test_ciba_hint_replayed_reaches_no_person(ciba_desk):
    if "hint" not in ciba_desk.description:
        pytest.skip("there, every text is a hint")
    asked = await ciba_desk.asks()
    await asked.says("yes")
    again = ciba_desk.record_request(
        "desk_too", asked.person, asked.hint, await ciba_desk.tries(asked.hint, by="desk_too")
    )
    again.open = False  # no person was asked
    page = await asked.person.ask("GET", ciba_desk.server.issuer + ciba_desk.description["questions"])
    assert f'action="{ciba_desk.description["questions"]}"' not in page.text
    assert await again.hears() == "authorization_pending"


# Scope, binding message, expiry


@pytest.mark.parametrize("scope", [None, "", "profile", "aanleveringen:schrijven"])
async def test_ciba_request_with_scope_of_other_clients_is_rejected(ciba_desk, unknown_hint, scope):
    answer = await ciba_desk.tries(unknown_hint, scope=scope)
    assert_refused(answer, "invalid_scope", "invalid_request")


async def test_ciba_request_with_unregistered_scope_is_not_granted(ciba_desk, unknown_hint):
    scope = f"{ciba_desk.server.client('desk').scope} beheer:alles"
    if (await ciba_desk.tries(unknown_hint, scope=scope)).status_code == 200:  # RFC 6749 3.3: the scope may be omitted
        asked = await ciba_desk.asks(scope=scope)
        await asked.says("yes")
        assert "beheer:alles" not in (await asked.poll()).json()["scope"].split()
    else:
        assert_refused(await ciba_desk.tries(unknown_hint, scope=scope), "invalid_scope")


@pytest.mark.parametrize(
    "message",
    ["x" * 300, "a\nb", "a\x00b", "<b>Balie 3</b>", "Balie\u202e3", "Bаlie 3", " ", "https://evil.example/"],
    ids=["long", "newline", "nul", "markup", "turned", "look-alike", "space", "address"],
)
async def test_ciba_binding_message_ambiguous_is_rejected(ciba_desk, unknown_hint, message):
    assert_refused(
        await ciba_desk.tries(unknown_hint, binding_message=message), "invalid_binding_message", "invalid_request"
    )


async def test_ciba_request_without_binding_message_is_rejected(ciba_desk, unknown_hint):
    assert_refused(
        await ciba_desk.tries(unknown_hint, binding_message=None), "invalid_binding_message", "invalid_request"
    )


@pytest.mark.parametrize("term", ["0", "-1", "1.5", "straks", "9" * 40])
async def test_ciba_requested_expiry_invalid_is_rejected(ciba_desk, unknown_hint, term):
    assert_refused(await ciba_desk.tries(unknown_hint, requested_expiry=term), "invalid_request")


async def test_ciba_requested_expiry_is_capped(ciba_desk, unknown_hint):
    answer = await ciba_desk.tries(unknown_hint, requested_expiry="900000")
    assert answer.json()["expires_in"] <= 3600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_code", "1234"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x"),
        ("request_uri", "http://127.0.0.1:9/vraag.jwt"),
        ("resource", "https://evil.example/api"),
        ("prompt", "none"),
        ("max_age", "0"),
        ("claims", '{"id_token": {"name": null}}'),
    ],
)
async def test_ciba_request_with_unsupported_parameter_is_rejected(ciba_desk, unknown_hint, name, value):
    assert_refused(await ciba_desk.tries(unknown_hint, **{name: value}))


async def test_ciba_request_context_is_ignored_or_rejected(ciba_desk, unknown_hint):
    """FAPI CIBA 5.2.2: a `request_context` is ignored or rejected; it is never consent."""
    answer = await ciba_desk.tries(unknown_hint, request_context='{"user_ip": "127.0.0.1", "approved": true}')
    if answer.status_code == 200:
        assert answer.json().keys() == (await ciba_desk.tries(unknown_hint)).json().keys()
    else:
        assert_refused(answer, "invalid_request")


@pytest.mark.parametrize("details", ['[{"type": "betaling"}]', "[]", "{}", "x", '[{"type": "berichtenbox", "a": 1}]'])
async def test_ciba_authorization_details_unknown_are_rejected(server, ciba_desk, unknown_hint, details):
    server.needs("details")
    assert_refused(await ciba_desk.tries(unknown_hint, authorization_details=details), "invalid_authorization_details")


# Signed requests


def question(server, ciba_desk, by="signing_desk", **changes):
    client = server.client(by)
    return signed(client, ciba_desk.question(ciba_desk.description["nobody"]) | about(server, client), **changes)


async def send_request(server, made, by="signing_desk", **beside):
    return await server.post(ENDPOINT, server.client(by), {"request": made, **beside})


@pytest.mark.parametrize("by", ["desk", "signing_desk"])
async def test_ciba_signed_request_replayed_is_rejected(server, ciba_desk, by):
    made = question(server, ciba_desk, by)
    assert (await send_request(server, made, by)).status_code == 200
    assert_refused(await send_request(server, made, by), *BAD)


async def test_ciba_signed_request_used_concurrently_is_accepted_once(server, ciba_desk):
    made = question(server, ciba_desk)
    answers = await asyncio.gather(*(send_request(server, made) for _ in range(4)))
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_downgrade_ciba_unsigned_request_by_signing_client_is_rejected(ciba_desk, unknown_hint):
    assert_refused(await ciba_desk.tries(unknown_hint, by="signing_desk"), *BAD)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "een-ander"},
        {"client_id": "een-ander"},
        {"aud": None},
        {"aud": "https://evil.example"},
        {"exp": None},
        {"exp": 1},
        {"exp": 4102444800},
        {"iat": None, "nbf": None},
        {"nbf": 4102444800},
        {"iat": 4102444800},
        {"jti": None},
        {"header": {"alg": "none"}},
        {"header": {"typ": "at+jwt"}},
        {"header": {"typ": "client-authentication+jwt"}},
        {"request": "a.b.c"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"binding_message": "<b>x</b>"},
        {"login_hint": None},
        {"scope": "profile"},
    ],
    ids=str,
)
async def test_ciba_signed_request_with_wrong_claims_is_rejected(server, ciba_desk, changes):
    assert_refused(await send_request(server, question(server, ciba_desk, **changes)))


async def test_ciba_signed_request_with_key_of_another_is_rejected(server, ciba_desk):
    assert_refused(await send_request(server, question(server, ciba_desk, key=ECKey.generate_key("P-256"))), *BAD)
    other = server.client("desk_too")
    assert_refused(await send_request(server, question(server, ciba_desk, key=other.key)), *BAD)
    assert_refused(
        await send_request(server, question(server, ciba_desk, key=other.key, header={"kid": other.key.kid})), *BAD
    )
    assert_refused(await send_request(server, question(server, ciba_desk, by="desk_too")), *BAD)


async def test_ciba_signed_request_tampered_is_rejected(server, ciba_desk):
    made = question(server, ciba_desk)
    changed = read_claims(made) | {"binding_message": "Balie 4"}
    assert_refused(await send_request(server, make_unsigned_jwt(read_header(made), changed, made.split(".")[2])), *BAD)


@pytest.mark.parametrize("beside", ["binding_message", "scope", "login_hint", "requested_expiry"])
async def test_ciba_parameter_beside_signed_request_is_rejected(server, ciba_desk, beside):
    value = {"requested_expiry": "60"}.get(beside, ciba_desk.question(ciba_desk.description["nobody"]).get(beside))
    assert_refused(await send_request(server, question(server, ciba_desk), **{beside: value}), *BAD)


async def test_ciba_signed_request_made_for_the_browser_is_rejected(server, ciba_desk, person):
    made = request_object(Attempt(server, server.client("signing_desk"), person))
    assert_refused(await send_request(server, made))


# Delivery mode and registration


def test_ciba_metadata_offers_poll_mode_only(server, ciba_desk):
    assert server.metadata["backchannel_token_delivery_modes_supported"] == ["poll"]
    assert server.metadata[ENDPOINT].startswith(server.issuer + "/")
    weak = {"none", "HS256", "HS384", "HS512"}
    assert not weak & set(server.metadata["backchannel_authentication_request_signing_alg_values_supported"])


def registration(**changes):
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    made = {
        "client_name": "Nieuwe balie",
        "grant_types": [CIBA],
        "backchannel_token_delivery_mode": "poll",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "openid",
        "jwks": {"keys": [key.as_dict(private=False)]},
    } | changes
    return {name: value for name, value in made.items() if value is not None}


async def register_client(server, **changes):
    server.needs("newcomer")
    token = {"Authorization": f"Bearer {server.told['clients']['newcomer']['initial_access_token']}"}
    return await server.http.post(server.metadata["registration_endpoint"], json=registration(**changes), headers=token)


ALONE = {
    "poll": {},
    "unsaid": {"backchannel_token_delivery_mode": None},
    "with a user code": {"backchannel_user_code_parameter": True},
    "without a key": {"token_endpoint_auth_method": "none", "jwks": None},
    "unsigned": {"backchannel_authentication_request_signing_alg": "none"},
    "with a shared secret": {"backchannel_authentication_request_signing_alg": "HS256"},
    "with a browser too": {"grant_types": [CIBA, "authorization_code"], "redirect_uris": ["https://a.example/b"]},
}


@pytest.mark.parametrize("changes", ALONE.values(), ids=ALONE)
async def test_ciba_client_self_registration_is_rejected(server, ciba_desk, changes):
    assert_refused(await register_client(server, **changes), "invalid_client_metadata", "invalid_redirect_uri")


@pytest.mark.parametrize("address", [None, "https://a.example/klaar", "http://127.0.0.1:9/"])
@pytest.mark.parametrize("way", ["ping", "push"])
async def test_ciba_ping_or_push_registration_is_rejected(server, ciba_desk, way, address):
    said = {"backchannel_token_delivery_mode": way, "backchannel_client_notification_endpoint": address}
    assert_refused(await register_client(server, **said), "invalid_client_metadata")
