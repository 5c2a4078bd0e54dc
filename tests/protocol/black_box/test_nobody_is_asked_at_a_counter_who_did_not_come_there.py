"""OpenID CIBA Core 1.0 sections 4, 7, 14: who may ask somebody something, whom, in which words, and signed by whom."""

import asyncio
import math
import time

import pytest
from joserfc.jwk import ECKey

from tests.builders.black_box import Attempt, claims_of, header_of, refused, unsigned
from tests.builders.black_box_counter import CIBA, ENDPOINT
from tests.builders.black_box_steps import about, request_object, signed

BAD = ("invalid_request", "invalid_request_object")


@pytest.fixture
def nobody(counter):
    """A hint that is written as one."""
    return counter.told["nobody"]


async def test_a_request_is_answered_with_a_reference_that_cannot_be_guessed_and_a_term(counter, nobody):
    answers = [await counter.tries(nobody) for _ in range(2)]
    told = [answer.json() for answer in answers]
    assert told[0]["auth_req_id"] != told[1]["auth_req_id"]
    for one, answer in zip(told, answers, strict=True):
        assert len(one["auth_req_id"]) * math.log2(64) >= 128
        assert 0 < one["expires_in"] <= 3600
        assert one.get("interval", 5) >= 5
        assert not one.keys() & {"access_token", "id_token", "sub"}
        assert "no-store" in answer.headers["cache-control"]


# Who asks


@pytest.mark.parametrize("by", ["app", "other", "machine", "resource", "public", "signing"])
async def test_a_client_of_another_kind_asks_nobody(counter, nobody, by):
    refused(await counter.tries(nobody, by=by), "unauthorized_client", "invalid_client", "invalid_request")


async def test_without_proof_of_who_asks_nobody_is_asked(server, counter, nobody):
    form = counter.question(nobody) | {"client_id": server.client("desk").client_id}
    refused(await server.post(ENDPOINT, None, form), "invalid_client", "invalid_request")


async def test_with_the_key_of_another_desk_nobody_is_asked(server, counter, nobody):
    forged = server.client("desk").credentials(server.issuer, key=server.client("desk_too").key)
    refused(await counter.tries(nobody, **forged), "invalid_client")


async def test_an_assertion_of_a_desk_is_good_for_one_question(server, counter, nobody):
    same = server.client("desk").credentials(server.issuer)
    assert (await counter.tries(nobody, **same)).status_code == 200
    refused(await counter.tries(nobody, **same), "invalid_client")


async def test_a_desk_has_no_way_in_through_a_browser(server, person, app):
    desk = server.client("desk")
    attempt = Attempt(server, desk, person)
    refused(await attempt.push(redirect_uri=app.redirect_uri))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_question_by_another_method_than_post_is_refused(server, counter, nobody, method):
    form = counter.question(nobody) | server.client("desk").credentials(server.issuer)
    answer = await server.http.request(method, server.metadata[ENDPOINT], data=form)
    assert 400 <= answer.status_code < 500
    assert "auth_req_id" not in answer.text


@pytest.mark.parametrize("twice", ["binding_message", "login_hint", "scope", "client_id"])
async def test_a_parameter_that_stands_twice_asks_nobody(server, counter, nobody, twice):
    form = counter.question(nobody) | server.client("desk").credentials(server.issuer)
    refused(await server.raw(ENDPOINT, [*form.items(), (twice, form[twice])]), "invalid_request", "invalid_client")


# Whom


async def test_without_a_hint_nobody_is_asked(counter):
    refused(await counter.tries("", login_hint=None), "invalid_request")


@pytest.mark.parametrize("second", ["id_token_hint", "login_hint_token"])
async def test_two_hints_are_one_too_many(counter, nobody, spare_token, second):
    refused(await counter.tries(nobody, **{second: spare_token["id_token"]}), "invalid_request")


@pytest.mark.parametrize("kind", ["id_token_hint", "login_hint_token"])
async def test_nobody_is_asked_by_a_token_of_a_login_elsewhere(counter, spare_token, kind):
    """The person logged in at the app and said nothing to this desk."""
    refused(
        await counter.tries("", login_hint=None, **{kind: spare_token["id_token"]}),
        *("invalid_request", "unknown_user_id", "expired_login_hint_token"),
    )


@pytest.mark.parametrize("kind", ["id_token_hint", "login_hint_token"])
async def test_nobody_is_asked_by_an_invented_token(server, counter, kind):
    claims = {"iss": server.issuer, "sub": "x", "aud": server.client("desk").client_id, "exp": time.time() + 60}
    made = unsigned({"alg": "none"}, claims)
    refused(await counter.tries("", login_hint=None, **{kind: made}), "invalid_request", "unknown_user_id")


@pytest.mark.parametrize(
    "hint", ["999990020", "bram.vanderlinden@post.example", "+31612345678", "Bram van der Linden", "x", "../x", "é" * 8]
)
async def test_nobody_is_asked_by_what_others_know_of_him(counter, hint):
    if "hint" not in counter.told:
        pytest.skip("there, every text is a hint")
    refused(await counter.tries(hint), "unknown_user_id", "invalid_request")


async def test_a_hint_of_nobody_is_answered_like_one_of_somebody(counter, nobody):
    asked = await counter.asks()
    answer = await counter.tries(nobody)
    assert answer.status_code == 200
    assert answer.json().keys() == asked.answer.keys()
    assert answer.json()["expires_in"] == asked.answer["expires_in"]


async def test_a_hint_is_good_for_one_question(counter):
    if "hint" not in counter.told:
        pytest.skip("there, every text is a hint")
    asked = await counter.asks()
    await asked.says("yes")
    again = counter.taken("desk_too", asked.person, asked.hint, await counter.tries(asked.hint, by="desk_too"))
    again.open = False  # nobody was asked
    page = await asked.person.ask("GET", counter.server.issuer + counter.told["questions"])
    assert f'action="{counter.told["questions"]}"' not in page.text
    assert await again.hears() == "authorization_pending"


# What


@pytest.mark.parametrize("scope", [None, "", "profile", "aanleveringen:schrijven"])
async def test_a_scope_that_is_not_for_this_desk_is_refused(counter, nobody, scope):
    answer = await counter.tries(nobody, scope=scope)
    refused(answer, "invalid_scope", "invalid_request")


async def test_a_scope_beyond_the_registration_of_this_desk_is_not_granted(counter, nobody):
    scope = f"{counter.server.client('desk').scope} beheer:alles"
    if (await counter.tries(nobody, scope=scope)).status_code == 200:  # RFC 6749 3.3: it may be left out
        asked = await counter.asks(scope=scope)
        await asked.says("yes")
        assert "beheer:alles" not in (await asked.poll()).json()["scope"].split()
    else:
        refused(await counter.tries(nobody, scope=scope), "invalid_scope")


@pytest.mark.parametrize(
    "message",
    ["x" * 300, "a\nb", "a\x00b", "<b>Balie 3</b>", "Balie\u202e3", "Bаlie 3", " ", "https://evil.example/"],
    ids=["long", "newline", "nul", "markup", "turned", "look-alike", "space", "address"],
)
async def test_words_that_could_be_read_differently_on_two_screens_are_refused(counter, nobody, message):
    refused(await counter.tries(nobody, binding_message=message), "invalid_binding_message", "invalid_request")


async def test_without_words_on_both_screens_nobody_is_asked(counter, nobody):
    refused(await counter.tries(nobody, binding_message=None), "invalid_binding_message", "invalid_request")


@pytest.mark.parametrize("term", ["0", "-1", "1.5", "straks", "9" * 40])
async def test_a_term_that_is_no_number_of_seconds_is_refused(counter, nobody, term):
    refused(await counter.tries(nobody, requested_expiry=term), "invalid_request")


async def test_no_question_stands_for_days(counter, nobody):
    answer = await counter.tries(nobody, requested_expiry="900000")
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
async def test_what_would_change_the_question_is_refused_and_not_passed_over(counter, nobody, name, value):
    refused(await counter.tries(nobody, **{name: value}))


async def test_words_about_the_context_ask_for_nothing_more(counter, nobody):
    """FAPI CIBA 5.2.2: a `request_context` may be passed over, or refused; it never is consent."""
    answer = await counter.tries(nobody, request_context='{"user_ip": "127.0.0.1", "approved": true}')
    if answer.status_code == 200:
        assert answer.json().keys() == (await counter.tries(nobody)).json().keys()
    else:
        refused(answer, "invalid_request")


@pytest.mark.parametrize("details", ['[{"type": "betaling"}]', "[]", "{}", "x", '[{"type": "berichtenbox", "a": 1}]'])
async def test_details_that_nobody_knows_are_refused(server, counter, nobody, details):
    server.needs("details")
    refused(await counter.tries(nobody, authorization_details=details), "invalid_authorization_details")


# Signed by whom


def question(server, counter, by="signing_desk", **changes):
    client = server.client(by)
    return signed(client, counter.question(counter.told["nobody"]) | about(server, client), **changes)


async def sent(server, made, by="signing_desk", **beside):
    return await server.post(ENDPOINT, server.client(by), {"request": made, **beside})


@pytest.mark.parametrize("by", ["desk", "signing_desk"])
async def test_a_signed_question_is_taken_once(server, counter, by):
    made = question(server, counter, by)
    assert (await sent(server, made, by)).status_code == 200
    refused(await sent(server, made, by), *BAD)


async def test_of_many_uses_of_one_signed_question_at_once_one_wins(server, counter):
    made = question(server, counter)
    answers = await asyncio.gather(*(sent(server, made) for _ in range(4)))
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_a_desk_that_registered_to_sign_asks_nothing_unsigned(counter, nobody):
    refused(await counter.tries(nobody, by="signing_desk"), *BAD)


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
async def test_a_signed_question_that_is_not_right_is_refused(server, counter, changes):
    refused(await sent(server, question(server, counter, **changes)))


async def test_a_question_that_another_signed_is_refused(server, counter):
    refused(await sent(server, question(server, counter, key=ECKey.generate_key("P-256"))), *BAD)
    other = server.client("desk_too")
    refused(await sent(server, question(server, counter, key=other.key)), *BAD)
    refused(await sent(server, question(server, counter, key=other.key, header={"kid": other.key.kid})), *BAD)
    refused(await sent(server, question(server, counter, by="desk_too")), *BAD)


async def test_a_question_that_was_changed_after_signing_is_refused(server, counter):
    made = question(server, counter)
    changed = claims_of(made) | {"binding_message": "Balie 4"}
    refused(await sent(server, unsigned(header_of(made), changed, made.split(".")[2])), *BAD)


@pytest.mark.parametrize("beside", ["binding_message", "scope", "login_hint", "requested_expiry"])
async def test_what_stands_beside_a_signed_question_is_refused(server, counter, beside):
    value = {"requested_expiry": "60"}.get(beside, counter.question(counter.told["nobody"]).get(beside))
    refused(await sent(server, question(server, counter), **{beside: value}), *BAD)


async def test_a_signed_request_for_a_browser_is_no_question(server, counter, person):
    made = request_object(Attempt(server, server.client("signing_desk"), person))
    refused(await sent(server, made))


# How the answer is fetched


def test_the_answer_is_fetched_and_never_sent(server, counter):
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


async def registers(server, **changes):
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
async def test_no_program_makes_itself_a_counter(server, counter, changes):
    refused(await registers(server, **changes), "invalid_client_metadata", "invalid_redirect_uri")


@pytest.mark.parametrize("address", [None, "https://a.example/klaar", "http://127.0.0.1:9/"])
@pytest.mark.parametrize("way", ["ping", "push"])
async def test_nobody_registers_to_be_called(server, counter, way, address):
    said = {"backchannel_token_delivery_mode": way, "backchannel_client_notification_endpoint": address}
    refused(await registers(server, **said), "invalid_client_metadata")
