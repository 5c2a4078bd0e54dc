"""A broker that is away, slow, large or other than it says: the visitor gets a page and a way on, never a fault."""

import asyncio
import json

import httpx
import pytest
from structlog.testing import capture_logs

from tests.builders.login import BROKER, ISSUER, broker_through, query_of
from tests.builders.misbehaving_broker import good_claims

DISCOVERY = "/.well-known/openid-configuration"


def assert_explained(response, reason):
    assert response.headers["content-type"].startswith("text/html")
    assert "Opnieuw inloggen" in response.text
    assert "Traceback" not in response.text
    assert reason in response.text


async def assert_told(response, journal, reason):
    """A login that had begun here, and for which the broker vouched for nobody."""
    assert_explained(response, reason)
    assert ("login:mislukt", reason) not in await journal()


async def assert_refused_at_the_start(victim, journal, reason, **query):
    """Nothing has begun, and anybody can come here as often as he likes: a line in the log, none in the journal."""
    with capture_logs() as logged:
        response = await victim.get("/inloggen", params=query)
    assert_explained(response, reason)
    assert [entry["code"] for entry in logged if entry["event"] == "login_failed"] == [reason]
    assert await journal() == []
    return response


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.Response(503),
        TimeoutError(),
    ],
    ids=["away", "slow", "broken", "503", "timeout"],
)
async def test_a_broker_that_is_away_is_told_as_503_with_a_time_to_try_again(victim, crooked, journal, trouble):
    crooked.answers[DISCOVERY] = trouble
    response = await assert_refused_at_the_start(victim, journal, "broker_niet_bereikbaar", terug="/machtigingen")
    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert "/inloggen?terug=/machtigingen" in response.text


async def test_a_broker_that_comes_back_is_used_at_once(victim, crooked):
    crooked.answers[DISCOVERY] = httpx.ConnectError("x")
    assert (await victim.get("/inloggen")).status_code == 503
    del crooked.answers[DISCOVERY]
    assert (await victim.get("/inloggen")).status_code == 303


async def test_a_broker_that_never_finishes_its_answer_is_left(victim, crooked, journal):
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    service = victim.apps[ISSUER]
    service.state.broker = broker_through(crooked, patience=0.2)
    crooked.answers[DISCOVERY] = httpx.Response(200, stream=Dripping())
    await assert_refused_at_the_start(victim, journal, "broker_niet_bereikbaar")


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("broker_weigert", httpx.Response(404)),
        ("broker_weigert", httpx.Response(302, headers={"Location": "https://kwaad.example"})),
        ("broker_antwoord_ongeldig", httpx.Response(200, content=b"<html>")),
        ("broker_antwoord_ongeldig", httpx.Response(200, content=b"[]")),
        ("broker_antwoord_ongeldig", httpx.Response(200, content=b"\xff\xfe")),
        ("broker_antwoord_ongeldig", httpx.Response(200, content=b"[" * 100_000)),
    ],
)
async def test_an_answer_that_is_no_description_is_refused(victim, crooked, journal, reason, answer):
    crooked.answers[DISCOVERY] = answer
    await assert_refused_at_the_start(victim, journal, reason)


async def test_a_description_that_is_right_but_endless_is_refused(victim, crooked, journal):
    padded = json.dumps(crooked.metadata) + " " * 300_000
    crooked.answers[DISCOVERY] = httpx.Response(200, content=padded.encode())
    await assert_refused_at_the_start(victim, journal, "broker_antwoord_ongeldig")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("broker_noemt_andere_uitgever", {"issuer": "https://kwaad.example"}),
        ("broker_noemt_andere_uitgever", {"issuer": BROKER + "/"}),
        ("broker_noemt_andere_uitgever", {"issuer": None}),
        ("broker_beschrijving_ongeldig", {"authorization_endpoint": "javascript:alert(1)"}),
        ("broker_beschrijving_ongeldig", {"token_endpoint": "http://inloggen.test/token"}),
        ("broker_beschrijving_ongeldig", {"jwks_uri": None}),
        ("broker_beschrijving_ongeldig", {"jwks_uri": "file:///etc/passwd"}),
        ("broker_beschrijving_ongeldig", {"code_challenge_methods_supported": ["plain"]}),
        ("broker_beschrijving_ongeldig", {"code_challenge_methods_supported": None}),
        ("broker_beschrijving_ongeldig", {"code_challenge_methods_supported": 5}),
    ],
)
async def test_a_description_that_is_not_our_brokers_is_refused(victim, crooked, journal, reason, changes):
    crooked.metadata |= changes
    await assert_refused_at_the_start(victim, journal, reason)


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": [1]}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
async def test_a_key_set_without_a_usable_key_lets_nobody_in(victim, crooked, clock, journal, keys):
    asked = query_of(await victim.leave())
    crooked.answers["/jwks"] = httpx.Response(200, json=keys)
    crooked.token = crooked.sign(good_claims(clock.now(), asked["nonce"]))
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    await assert_told(await victim.get("/inloggen/terug", params=back), journal, "id_token_ongeldig")
    assert victim.token is None


async def test_a_code_that_the_broker_refuses(victim, crooked, journal):
    asked = query_of(await victim.leave())
    crooked.answers["/token"] = httpx.Response(400, json={"error": "invalid_grant"})
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    await assert_told(await victim.get("/inloggen/terug", params=back), journal, "broker_weigert")
