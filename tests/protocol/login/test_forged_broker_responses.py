"""Forged broker responses. Not from our broker, not for this browser, or not for this login attempt."""

import base64
import hashlib
import hmac
import json
import re
from datetime import timedelta

import httpx
import pytest

from machtiging.crypto.jose import verify_jwt
from machtiging.identity import login_attempts
from tests.builders.keys import load_keyring
from tests.builders.messages import read_query
from tests.builders.people import BROKER, CLIENT_ID
from tests.protocol.login.misbehaving_broker import make_login_claims, make_unsigned_id_token

# Failures that anyone can cause; all others need an ID token signed by the broker.
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


async def come_back(browser_at_bad_broker, bad_broker, clock, *, header=None, key=None, token=None, **changes):
    """Start a login and return with a changed ID token; returns the response."""
    asked = read_query(await browser_at_bad_broker.leave())
    claims = make_login_claims(clock.now(), asked["nonce"], **changes)
    bad_broker.token = token(claims) if token else bad_broker.sign(claims, key, **(header or {}))
    return await browser_at_bad_broker.get(
        "/inloggen/terug", params={"code": "c", "state": asked["state"], "iss": BROKER}
    )


async def assert_refused(response, browser_at_bad_broker, read_journal, reason):
    assert response.status_code in {400, 403, 503}
    assert response.headers["content-type"].startswith("text/html")
    assert "Opnieuw inloggen" in response.text
    assert reason in response.text or (reason == "niveau_te_laag" and "Zo doet u dat" in response.text)
    assert browser_at_bad_broker.token is None
    assert (await browser_at_bad_broker.get("/ik")).status_code == 303
    if reason in BY_STRANGERS:
        # unauthenticated failures are not journalled
        assert ("login:mislukt", reason) not in await read_journal()
    else:
        assert (await read_journal())[-1] == ("login:mislukt", reason)


async def test_misbehaving_broker_with_valid_response_is_accepted(browser_at_bad_broker, bad_broker, clock):
    assert (await come_back(browser_at_bad_broker, bad_broker, clock)).status_code == 303
    assert (await browser_at_bad_broker.me())["name"] == "Bram van der Linden"


async def test_state_forged_is_rejected(browser_at_bad_broker, read_journal):
    await browser_at_bad_broker.leave()
    response = await browser_at_bad_broker.get(
        "/inloggen/terug", params={"code": "c", "state": "verzonnen", "iss": BROKER}
    )
    await assert_refused(response, browser_at_bad_broker, read_journal, "inlogpoging_onbekend")


async def test_state_missing_is_rejected(browser_at_bad_broker, read_journal):
    await browser_at_bad_broker.leave()
    await assert_refused(
        await browser_at_bad_broker.get("/inloggen/terug?code=c"),
        browser_at_bad_broker,
        read_journal,
        "inlogpoging_onbekend",
    )


async def test_state_replayed_is_rejected(browser, read_journal):
    callback = await browser.to_callback()
    assert (await browser.get(callback)).status_code == 303
    token = browser.token
    response = await browser.get(callback)
    assert response.status_code == 400
    assert browser.token == token
    assert ("login:mislukt", "inlogpoging_onbekend") not in await read_journal()


async def test_login_csrf_with_response_for_the_attacker_is_rejected(login_world, read_journal):
    attacker, victim = login_world.browser(), login_world.browser()
    await victim.leave("vertegenwoordigde")
    response = await victim.get(await attacker.to_callback("naaste"))
    await assert_refused(response, victim, read_journal, "andere_browser")


async def test_login_response_without_attempt_cookie_is_rejected(browser, read_journal):
    callback = await browser.to_callback()
    browser.http.cookies.delete(login_attempts.LOGIN_COOKIE)
    await assert_refused(await browser.get(callback), browser, read_journal, "andere_browser")


async def test_login_response_after_eleven_minutes_is_rejected(browser, clock, read_journal):
    callback = await browser.to_callback()
    clock.advance(timedelta(minutes=11))
    await assert_refused(await browser.get(callback), browser, read_journal, "inlogpoging_verlopen")


async def test_mix_up_response_with_other_issuer_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal):
    asked = read_query(await browser_at_bad_broker.leave())
    bad_broker.token = bad_broker.sign(make_login_claims(clock.now(), asked["nonce"]))
    back = {"code": "c", "state": asked["state"], "iss": "https://kwaad.example"}
    response = await browser_at_bad_broker.get("/inloggen/terug", params=back)
    await assert_refused(response, browser_at_bad_broker, read_journal, "antwoord_van_andere_uitgever")
    assert not any(request.url.path == "/token" for request in bad_broker.asked)


async def test_mix_up_response_without_issuer_is_rejected(browser, read_journal):
    asked = read_query(await browser.to_callback())
    response = await browser.get("/inloggen/terug", params={"code": asked["code"], "state": asked["state"]})
    await assert_refused(response, browser, read_journal, "antwoord_van_andere_uitgever")


@pytest.mark.parametrize("error", ["server_error", "invalid_request", "<script>", "x" * 3000])
async def test_broker_error_response_is_not_echoed(browser_at_bad_broker, read_journal, error):
    asked = read_query(await browser_at_bad_broker.leave())
    back = {"error": error, "error_description": "<b>hallo</b>", "state": asked["state"], "iss": BROKER}
    response = await browser_at_bad_broker.get("/inloggen/terug", params=back)
    await assert_refused(response, browser_at_bad_broker, read_journal, "broker_meldt_fout")
    assert "hallo" not in response.text
    assert re.findall(r"<script[^>]*>[^<]", response.text) == []
    assert "<script>" not in response.text


async def test_login_response_without_code_is_rejected(browser_at_bad_broker, read_journal):
    asked = read_query(await browser_at_bad_broker.leave())
    response = await browser_at_bad_broker.get("/inloggen/terug", params={"state": asked["state"], "iss": BROKER})
    await assert_refused(response, browser_at_bad_broker, read_journal, "broker_antwoord_ongeldig")


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
async def test_id_token_with_wrong_claims_is_rejected(
    browser_at_bad_broker, bad_broker, clock, read_journal, reason, changes
):
    response = await come_back(browser_at_bad_broker, bad_broker, clock, **changes)
    await assert_refused(response, browser_at_bad_broker, read_journal, reason)


async def test_id_token_replay_with_nonce_of_another_attempt_is_rejected(
    browser_at_bad_broker, bad_broker, clock, read_journal
):
    first = read_query(await browser_at_bad_broker.leave())
    response = await come_back(browser_at_bad_broker, bad_broker, clock, nonce=first["nonce"])
    await assert_refused(response, browser_at_bad_broker, read_journal, "nonce_klopt_niet")


async def test_id_token_with_alg_none_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal):
    response = await come_back(browser_at_bad_broker, bad_broker, clock, token=make_unsigned_id_token)
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


async def test_id_token_with_alg_none_and_known_kid_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal):
    response = await come_back(
        browser_at_bad_broker,
        bad_broker,
        clock,
        token=lambda claims: make_unsigned_id_token(claims, kid=bad_broker.key.kid),
    )
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


@pytest.mark.parametrize("form", ["pem", "jwk"])
async def test_algorithm_confusion_id_token_with_public_key_as_hmac_secret_is_rejected(
    browser_at_bad_broker, bad_broker, clock, read_journal, form
):
    secret = bad_broker.key.as_pem(private=False)
    if form == "jwk":
        secret = json.dumps(bad_broker.key.as_dict(private=False)).encode()

    def forge_token(claims):
        head = json.dumps({"alg": "HS256", "kid": bad_broker.key.kid, "typ": "JWT"})
        signing = ".".join(
            base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in (head, json.dumps(claims))
        )
        tag = hmac.digest(secret, signing.encode(), hashlib.sha256)
        return signing + "." + base64.urlsafe_b64encode(tag).rstrip(b"=").decode()

    await assert_refused(
        await come_back(browser_at_bad_broker, bad_broker, clock, token=forge_token),
        browser_at_bad_broker,
        read_journal,
        "id_token_ongeldig",
    )


async def test_id_token_signed_with_unpublished_key_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal):
    stranger = type(bad_broker.key).generate_key("P-256")
    response = await come_back(browser_at_bad_broker, bad_broker, clock, key=stranger)
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


async def test_id_token_with_key_in_header_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal):
    stranger = type(bad_broker.key).generate_key("P-256")
    header = {"jwk": stranger.as_dict(private=False)}
    response = await come_back(browser_at_bad_broker, bad_broker, clock, key=stranger, header=header)
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_id_token_tampered_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal, part):
    def tampered(claims):
        parts = bad_broker.sign(claims).split(".")
        middle = len(parts[part]) // 2
        parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
        return ".".join(parts)

    response = await come_back(browser_at_bad_broker, bad_broker, clock, token=tampered)
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


@pytest.mark.parametrize("token", [None, 7, ["a.b.c"], {"a": 1}])
async def test_id_token_that_is_no_string_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal, token):
    response = await come_back(browser_at_bad_broker, bad_broker, clock, token=lambda _: token)
    await assert_refused(response, browser_at_bad_broker, read_journal, "broker_antwoord_ongeldig")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "x" * 20_000])
async def test_id_token_malformed_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal, token):
    response = await come_back(browser_at_bad_broker, bad_broker, clock, token=lambda _: token)
    await assert_refused(response, browser_at_bad_broker, read_journal, "id_token_ongeldig")


async def test_broker_jwks_is_refetched_for_new_key(browser_at_bad_broker, bad_broker, clock):
    assert (await come_back(browser_at_bad_broker, bad_broker, clock)).status_code == 303
    bad_broker.key = type(bad_broker.key).generate_key("P-256", auto_kid=True)
    bad_broker.published = [bad_broker.key]
    clock.advance(timedelta(minutes=1))
    assert (await come_back(browser_at_bad_broker, bad_broker, clock)).status_code == 303


async def test_broker_jwks_is_not_refetched_for_each_junk_token(browser_at_bad_broker, bad_broker, clock):
    for _ in range(5):
        await come_back(browser_at_bad_broker, bad_broker, clock, token=make_unsigned_id_token)
    assert sum(request.url.path == "/jwks" for request in bad_broker.asked) == 1


async def test_client_authentication_at_broker_uses_fresh_signed_assertions(browser_at_bad_broker, bad_broker, clock):
    await come_back(browser_at_bad_broker, bad_broker, clock)
    await come_back(browser_at_bad_broker, bad_broker, clock)
    forms = [read_query("?" + r.content.decode()) for r in bad_broker.asked if r.url.path == "/token"]
    told = [
        verify_jwt(form["client_assertion"], load_keyring().public_jwks(), algorithms=("ES256",), typ=None)
        for form in forms
    ]
    for claims in told:
        assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, BROKER)
        assert claims["exp"] - claims["iat"] == 60
    assert told[0]["jti"] != told[1]["jti"]
    assert not any("client_secret" in form for form in forms)


async def test_login_attempt_is_consumed_even_when_the_broker_fails(bad_broker, browser_at_bad_broker, read_journal):
    asked = read_query(await browser_at_bad_broker.leave())
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    bad_broker.answers["/token"] = httpx.ConnectError("weg")
    await assert_refused(
        await browser_at_bad_broker.get("/inloggen/terug", params=back),
        browser_at_bad_broker,
        read_journal,
        "broker_niet_bereikbaar",
    )
    await assert_refused(
        await browser_at_bad_broker.get("/inloggen/terug", params=back),
        browser_at_bad_broker,
        read_journal,
        "inlogpoging_onbekend",
    )
