"""Failures of the login broker (unreachable, slow, oversized, other issuer). A page with a way on, never a fault."""

import asyncio
import json

import httpx
import pytest
from structlog.testing import capture_logs

from tests.builders.applications import replace_services
from tests.builders.messages import read_query
from tests.builders.people import BROKER, ISSUER, make_broker
from tests.protocol.login.misbehaving_broker import make_login_claims

DISCOVERY = "/.well-known/openid-configuration"


def assert_explained(response, reason):
    assert response.headers["content-type"].startswith("text/html")
    assert "Opnieuw inloggen" in response.text
    assert "Traceback" not in response.text
    assert reason in response.text


async def assert_login_failed(response, read_journal, reason):
    """Assert a failed login without an identity from the broker: explained, not journalled."""
    assert_explained(response, reason)
    assert ("login:mislukt", reason) not in await read_journal()


async def assert_refused_at_the_start(browser_at_bad_broker, read_journal, reason, **query):
    """Assert a failure before the redirect: logged, not journalled, as anyone can cause it."""
    with capture_logs() as logged:
        response = await browser_at_bad_broker.get("/inloggen", params=query)
    assert_explained(response, reason)
    assert [entry["code"] for entry in logged if entry["event"] == "login_failed"] == [reason]
    assert await read_journal() == []
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
async def test_unreachable_broker_returns_503_with_retry_after(
    browser_at_bad_broker, bad_broker, read_journal, trouble
):
    bad_broker.answers[DISCOVERY] = trouble
    response = await assert_refused_at_the_start(
        browser_at_bad_broker, read_journal, "broker_niet_bereikbaar", terug="/machtigingen"
    )
    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert "/inloggen?terug=/machtigingen" in response.text


async def test_recovered_broker_is_used_at_once(browser_at_bad_broker, bad_broker):
    bad_broker.answers[DISCOVERY] = httpx.ConnectError("x")
    assert (await browser_at_bad_broker.get("/inloggen")).status_code == 503
    del bad_broker.answers[DISCOVERY]
    assert (await browser_at_bad_broker.get("/inloggen")).status_code == 303


async def test_broker_answer_without_end_is_given_up(browser_at_bad_broker, bad_broker, read_journal):
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    service = browser_at_bad_broker.apps[ISSUER]
    replace_services(service, broker=make_broker(bad_broker, total_timeout=0.2))
    bad_broker.answers[DISCOVERY] = httpx.Response(200, stream=Dripping())
    await assert_refused_at_the_start(browser_at_bad_broker, read_journal, "broker_niet_bereikbaar")


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
async def test_broker_discovery_malformed_is_rejected(browser_at_bad_broker, bad_broker, read_journal, reason, answer):
    bad_broker.answers[DISCOVERY] = answer
    await assert_refused_at_the_start(browser_at_bad_broker, read_journal, reason)


async def test_broker_discovery_oversized_is_rejected(browser_at_bad_broker, bad_broker, read_journal):
    padded = json.dumps(bad_broker.metadata) + " " * 300_000
    bad_broker.answers[DISCOVERY] = httpx.Response(200, content=padded.encode())
    await assert_refused_at_the_start(browser_at_bad_broker, read_journal, "broker_antwoord_ongeldig")


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
async def test_broker_discovery_with_other_issuer_or_endpoints_is_rejected(
    browser_at_bad_broker, bad_broker, read_journal, reason, changes
):
    bad_broker.metadata |= changes
    await assert_refused_at_the_start(browser_at_bad_broker, read_journal, reason)


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": [1]}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
async def test_broker_jwks_without_usable_key_is_rejected(browser_at_bad_broker, bad_broker, clock, read_journal, keys):
    asked = read_query(await browser_at_bad_broker.leave())
    bad_broker.answers["/jwks"] = httpx.Response(200, json=keys)
    bad_broker.token = bad_broker.sign(make_login_claims(clock.now(), asked["nonce"]))
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    await assert_login_failed(
        await browser_at_bad_broker.get("/inloggen/terug", params=back), read_journal, "id_token_ongeldig"
    )
    assert browser_at_bad_broker.token is None


async def test_broker_token_error_is_rejected_without_journal_line(browser_at_bad_broker, bad_broker, read_journal):
    asked = read_query(await browser_at_bad_broker.leave())
    bad_broker.answers["/token"] = httpx.Response(400, json={"error": "invalid_grant"})
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    await assert_login_failed(
        await browser_at_bad_broker.get("/inloggen/terug", params=back), read_journal, "broker_weigert"
    )


def _token_response(token: str, trouble: str) -> httpx.Response:
    tokens = {"access_token": "none", "token_type": "Bearer", "id_token": token}
    if trouble.isdigit():
        return httpx.Response(int(trouble), json=tokens)
    if trouble == "oversized":
        return httpx.Response(200, json=tokens | {"more": "x" * 300_000})
    return httpx.Response(200, content=b'{"id_token":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(status, "broker_weigert") for status in ("201", "302", "400", "401", "404", "429")]
    + [("503", "broker_niet_bereikbaar")]
    + [(body, "broker_antwoord_ongeldig") for body in ("oversized", "nested")],
)
async def test_valid_id_token_in_broken_token_response_is_rejected(
    browser_at_bad_broker, bad_broker, clock, read_journal, trouble, reason
):
    asked = read_query(await browser_at_bad_broker.leave())
    token = bad_broker.sign(make_login_claims(clock.now(), asked["nonce"]))
    bad_broker.answers["/token"] = _token_response(token, trouble)
    back = {"code": "c", "state": asked["state"], "iss": BROKER}
    await assert_login_failed(await browser_at_bad_broker.get("/inloggen/terug", params=back), read_journal, reason)
    assert browser_at_bad_broker.token is None
