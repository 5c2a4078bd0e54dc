"""Answers that did not come from our broker, or not to this browser, or not to this question."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import httpx
import pytest

from machtiging.crypto.jose import verify_jwt
from machtiging.identity import attempts
from tests.builders.crypto import a_keyring
from tests.builders.login import BROKER, CLIENT_ID, query_of
from tests.builders.misbehaving_broker import good_claims, unsigned

# What anybody can bring about who has begun a login; all else takes an id_token that the broker signed.
BY_STRANGERS = {
    "inlogpoging_onbekend",
    "inlogpoging_verlopen",
    "andere_browser",
    "antwoord_van_andere_uitgever",
    "broker_meldt_fout",
    "broker_antwoord_ongeldig",
    "broker_weigert",
    "broker_niet_bereikbaar",
    "id_token_ongeldig",
}


async def come_back(victim, crooked, clock, *, header=None, key=None, token=None, **changes):
    """Leave, and come back with an id_token that has these changes; returns the answer."""
    asked = query_of(await victim.leave())
    claims = good_claims(clock.now(), asked["nonce"], **changes)
    crooked.token = token(claims) if token else crooked.sign(claims, key, **(header or {}))
    return await victim.get("/inloggen/terug", params={"code": "c", "state": asked["state"], "iss": BROKER})


async def assert_refused(response, victim, journal, reason):
    assert response.status_code in {400, 403, 503}
    assert response.headers["content-type"].startswith("text/html")
    assert "Opnieuw inloggen" in response.text
    assert reason in response.text
    assert victim.token is None
    assert (await victim.get("/ik")).status_code == 303
    if reason in BY_STRANGERS:
        # Strangers cannot make the journal grow.
        assert ("login:mislukt", reason) not in await journal()
    else:
        assert (await journal())[-1] == ("login:mislukt", reason)


async def test_the_crooked_broker_is_believed_when_it_behaves(victim, crooked, clock):
    assert (await come_back(victim, crooked, clock)).status_code == 303
    assert (await victim.me())["name"] == "Bram van der Linden"


async def test_a_forged_state(victim, journal):
    await victim.leave()
    response = await victim.get("/inloggen/terug", params={"code": "c", "state": "verzonnen", "iss": BROKER})
    await assert_refused(response, victim, journal, "inlogpoging_onbekend")


async def test_no_state_at_all(victim, journal):
    await victim.leave()
    await assert_refused(await victim.get("/inloggen/terug?code=c"), victim, journal, "inlogpoging_onbekend")


async def test_a_state_used_twice(browser, journal):
    callback = await browser.to_callback()
    assert (await browser.get(callback)).status_code == 303
    token = browser.token
    response = await browser.get(callback)
    assert response.status_code == 400
    assert browser.token == token
    assert ("login:mislukt", "inlogpoging_onbekend") not in await journal()


async def test_login_csrf_a_link_with_the_attackers_answer_logs_nobody_in(world, journal):
    attacker, victim = world.browser(), world.browser()
    await victim.leave("vertegenwoordigde")
    response = await victim.get(await attacker.to_callback("naaste"))
    await assert_refused(response, victim, journal, "andere_browser")


async def test_a_browser_without_the_cookie_of_the_attempt(browser, journal):
    callback = await browser.to_callback()
    browser.http.cookies.delete(attempts.COOKIE)
    await assert_refused(await browser.get(callback), browser, journal, "andere_browser")


async def test_an_attempt_of_eleven_minutes_ago(browser, clock, journal):
    callback = await browser.to_callback()
    clock.advance(timedelta(minutes=11))
    await assert_refused(await browser.get(callback), browser, journal, "inlogpoging_verlopen")


async def test_an_answer_that_names_another_issuer(victim, crooked, clock, journal):
    asked = query_of(await victim.leave())
    crooked.token = crooked.sign(good_claims(clock.now(), asked["nonce"]))
    back = {"code": "c", "state": asked["state"], "iss": "https://kwaad.example"}
    response = await victim.get("/inloggen/terug", params=back)
    await assert_refused(response, victim, journal, "antwoord_van_andere_uitgever")
    assert not any(request.url.path == "/token" for request in crooked.asked)


async def test_an_answer_without_issuer_where_the_broker_promised_one(browser, journal):
    asked = query_of(await browser.to_callback())
    response = await browser.get("/inloggen/terug", params={"code": asked["code"], "state": asked["state"]})
    await assert_refused(response, browser, journal, "antwoord_van_andere_uitgever")


@pytest.mark.parametrize("error", ["server_error", "invalid_request", "<script>", "x" * 3000])
async def test_any_other_error_of_the_broker_is_not_repeated(victim, journal, error):
    asked = query_of(await victim.leave())
    back = {"error": error, "error_description": "<b>hallo</b>", "state": asked["state"], "iss": BROKER}
    response = await victim.get("/inloggen/terug", params=back)
    await assert_refused(response, victim, journal, "broker_meldt_fout")
    assert "hallo" not in response.text
    assert "<script" not in response.text


async def test_an_answer_without_code(victim, journal):
    asked = query_of(await victim.leave())
    response = await victim.get("/inloggen/terug", params={"state": asked["state"], "iss": BROKER})
    await assert_refused(response, victim, journal, "broker_antwoord_ongeldig")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("nonce_klopt_niet", {"nonce": "een andere"}),
        ("nonce_klopt_niet", {"nonce": None}),
        ("id_token_niet_voor_ons", {"aud": "ander"}),
        ("id_token_niet_voor_ons", {"azp": "ander"}),
        ("id_token_andere_uitgever", {"iss": "https://kwaad.example"}),
        ("id_token_verlopen", {"exp": 1_700_000_300, "iat": 1_700_000_000}),
        ("niveau_te_laag", {"acr": "http://eidas.europa.eu/LoA/low"}),
        ("niveau_onbekend", {"acr": "hoog"}),
        ("inloggen_te_lang_geleden", {"auth_time": 1_700_000_000}),
        ("id_token_inhoud_klopt_niet", {"bsn": "999990018"}),
    ],
)
async def test_claims_that_do_not_fit(victim, crooked, clock, journal, reason, changes):
    response = await come_back(victim, crooked, clock, **changes)
    await assert_refused(response, victim, journal, reason)


async def test_the_nonce_of_another_login_of_the_same_browser(victim, crooked, clock, journal):
    first = query_of(await victim.leave())
    response = await come_back(victim, crooked, clock, nonce=first["nonce"])
    await assert_refused(response, victim, journal, "nonce_klopt_niet")


async def test_no_signature_at_all(victim, crooked, clock, journal):
    response = await come_back(victim, crooked, clock, token=unsigned)
    await assert_refused(response, victim, journal, "id_token_ongeldig")


async def test_no_signature_under_a_known_kid(victim, crooked, clock, journal):
    response = await come_back(victim, crooked, clock, token=lambda claims: unsigned(claims, kid=crooked.key.kid))
    await assert_refused(response, victim, journal, "id_token_ongeldig")


@pytest.mark.parametrize("form", ["pem", "jwk"])
async def test_hs256_with_the_public_key_as_secret(victim, crooked, clock, journal, form):
    secret = crooked.key.as_pem(private=False)
    if form == "jwk":
        secret = json.dumps(crooked.key.as_dict(private=False)).encode()

    def forged(claims):
        head = json.dumps({"alg": "HS256", "kid": crooked.key.kid, "typ": "JWT"})
        signing = ".".join(
            base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in (head, json.dumps(claims))
        )
        tag = hmac.digest(secret, signing.encode(), hashlib.sha256)
        return signing + "." + base64.urlsafe_b64encode(tag).rstrip(b"=").decode()

    await assert_refused(await come_back(victim, crooked, clock, token=forged), victim, journal, "id_token_ongeldig")


async def test_a_key_that_the_broker_does_not_publish(victim, crooked, clock, journal):
    stranger = type(crooked.key).generate_key("P-256")
    response = await come_back(victim, crooked, clock, key=stranger)
    await assert_refused(response, victim, journal, "id_token_ongeldig")


async def test_a_key_brought_along_in_the_header(victim, crooked, clock, journal):
    stranger = type(crooked.key).generate_key("P-256")
    header = {"jwk": stranger.as_dict(private=False)}
    response = await come_back(victim, crooked, clock, key=stranger, header=header)
    await assert_refused(response, victim, journal, "id_token_ongeldig")


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_one_changed_character(victim, crooked, clock, journal, part):
    def tampered(claims):
        parts = crooked.sign(claims).split(".")
        middle = len(parts[part]) // 2
        parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
        return ".".join(parts)

    response = await come_back(victim, crooked, clock, token=tampered)
    await assert_refused(response, victim, journal, "id_token_ongeldig")


@pytest.mark.parametrize("token", [None, 7, ["a.b.c"], {"a": 1}])
async def test_an_id_token_that_is_no_text(victim, crooked, clock, journal, token):
    response = await come_back(victim, crooked, clock, token=lambda _: token)
    await assert_refused(response, victim, journal, "broker_antwoord_ongeldig")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "x" * 20_000])
async def test_an_id_token_out_of_shape(victim, crooked, clock, journal, token):
    response = await come_back(victim, crooked, clock, token=lambda _: token)
    await assert_refused(response, victim, journal, "id_token_ongeldig")


async def test_new_keys_of_the_broker_are_fetched_when_needed(victim, crooked, clock):
    assert (await come_back(victim, crooked, clock)).status_code == 303
    crooked.key = type(crooked.key).generate_key("P-256", auto_kid=True)
    crooked.published = [crooked.key]
    clock.advance(timedelta(minutes=1))
    assert (await come_back(victim, crooked, clock)).status_code == 303


async def test_junk_tokens_do_not_make_us_fetch_keys_each_time(victim, crooked, clock):
    for _ in range(5):
        await come_back(victim, crooked, clock, token=unsigned)
    assert sum(request.url.path == "/jwks" for request in crooked.asked) == 1


async def test_we_prove_who_we_are_with_a_fresh_signature_and_never_a_secret(victim, crooked, clock):
    await come_back(victim, crooked, clock)
    await come_back(victim, crooked, clock)
    forms = [query_of("?" + r.content.decode()) for r in crooked.asked if r.url.path == "/token"]
    told = [
        verify_jwt(form["client_assertion"], a_keyring().public_jwks(), algorithms=("ES256",), typ=None)
        for form in forms
    ]
    for claims in told:
        assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, BROKER)
        assert claims["exp"] - claims["iat"] == 60
    assert told[0]["jti"] != told[1]["jti"]
    assert not any("client_secret" in form for form in forms)


async def test_the_attempt_is_used_up_even_when_the_broker_fails(crooked, victim, journal):
    asked = query_of(await victim.leave())
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    crooked.answers["/token"] = httpx.ConnectError("weg")
    await assert_refused(await victim.get("/inloggen/terug", params=back), victim, journal, "broker_niet_bereikbaar")
    await assert_refused(await victim.get("/inloggen/terug", params=back), victim, journal, "inlogpoging_onbekend")
