"""Failed logins are logged; they are journalled only when the broker vouched for a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.builders.messages import read_query
from tests.builders.people import BROKER
from tests.protocol.login.test_forged_broker_responses import come_back

RETURNS = {
    "without the cookie": ({}, {"code": "c"}, "andere_browser"),
    "another browser's cookie": ({"Cookie": "__Host-inloggen=" + "b" * 43}, {"code": "c"}, "andere_browser"),
    "cancelled": (None, {"error": "access_denied"}, "inloggen_gestopt"),
    "an error": (None, {"error": "server_error"}, "broker_meldt_fout"),
    "no code": (None, {}, "broker_antwoord_ongeldig"),
    "a made-up code": (None, {"code": "verzonnen"}, "broker_weigert"),
    "another issuer": (None, {"code": "c", "iss": "https://kwaad.example"}, "antwoord_van_andere_uitgever"),
}


@pytest.mark.parametrize("way", RETURNS)
async def test_failed_login_without_broker_identity_is_logged_and_not_journalled(browser, read_journal, way):
    headers, answer, reason = RETURNS[way]
    with capture_logs() as logged:
        for _ in range(3):
            state = read_query(await browser.leave())["state"]
            if headers is not None:
                browser.http.cookies.clear()
            await browser.get("/inloggen/terug", params={"state": state, "iss": BROKER} | answer, headers=headers or {})
    assert [line["code"] for line in logged if line["event"] == "login_failed"] == [reason] * 3
    assert await read_journal() == []


async def test_expired_login_attempt_is_logged_and_not_journalled(browser, read_journal, clock):
    callback = await browser.to_callback()
    clock.advance(timedelta(minutes=11))
    await browser.get(callback)
    assert await read_journal() == []


async def test_failed_login_with_broker_identity_is_journalled(browser_at_bad_broker, bad_broker, clock, read_journal):
    await come_back(browser_at_bad_broker, bad_broker, clock, acr="http://eidas.europa.eu/LoA/low")
    assert await read_journal() == [("login:mislukt", "niveau_te_laag")]
