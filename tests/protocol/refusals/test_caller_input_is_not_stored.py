"""Text chosen by the caller reaches neither journal nor log: it may hold a BSN."""

from __future__ import annotations

import io

import pytest

from machtiging.access_tokens.issued_token import api_audience
from machtiging.access_tokens.tokens import insert_token
from machtiging.identity.session import SESSION_COOKIE
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.structured_logging import configure_logging
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.command_line import preserve_logging
from tests.builders.people import ISSUER
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.refusals.test_unauthenticated_journal import A_BSN, AN_ID, JUNK, addresses

ANOTHER = "8c0d3f9e-1111-4111-8111-000999990019"
CARRIED = {
    "X-Request-ID": AN_ID,
    "User-Agent": f"app/{A_BSN}",
    "Referer": f"https://app.example/{A_BSN}",
    "X-Forwarded-For": A_BSN,
    "X-Correlation-ID": AN_ID,
    "traceparent": f"00-{'0' * 23}{A_BSN}-0000000{A_BSN}-01",
}


async def read_journal(portal) -> str:
    return await JOURNAL_INTAKE.dump(portal.app.state.services)


@pytest.mark.parametrize("request_id", [AN_ID, AN_ID.upper(), ANOTHER, A_BSN, f"verzoek-{A_BSN}", "a" * 32])
async def test_request_id_of_caller_is_neither_logged_nor_journalled(portal, request_id):
    stream, browser = io.StringIO(), await portal.mother()
    cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[ISSUER][SESSION_COOKIE]}"}
    with preserve_logging():
        configure_logging("INFO", stream)
        answer = await portal.http.get(ISSUER + "/brieven", headers=cookie | {"X-Request-ID": request_id})
    assert answer.status_code == 200
    kept = await read_journal(portal)
    assert "bericht:lijst" in kept
    assert '"event": "request"' in stream.getvalue()
    assert request_id not in kept + stream.getvalue()


@pytest.mark.parametrize("by", ["session", "token"])
async def test_bsn_in_caller_input_is_neither_logged_nor_journalled(portal, by):
    stream, people, at = io.StringIO(), portal.people, portal.clock.now()
    browser = await portal.mother()
    known = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[ISSUER][SESSION_COOKIE]}"}
    if by == "token":
        known = {"Authorization": f"Bearer {await issue_token(portal, people.mother, at)}"}
    words = JUNK | {"voor": A_BSN, "regel": AN_ID, "zoek": A_BSN, "doel": A_BSN, "kenmerk": A_BSN, "terug": f"/{A_BSN}"}
    with preserve_logging():
        configure_logging("INFO", stream)
        for method, path in addresses():
            if path in ("/inloggen", "/uitloggen"):
                continue
            body = {} if method in ("GET", "HEAD") else {"data": words}
            await portal.http.request(method, ISSUER + path, params=words, headers=known | CARRIED, **body)
    said = stream.getvalue() + await read_journal(portal)
    assert "bericht:l" in said
    assert [line[:300] for line in said.splitlines() if A_BSN in line] == []


@pytest.mark.parametrize("trace_id", ["4bf92f3577b34da6a3ce929d0e0e4736", f"abcdefabcdefabcdefabcde{A_BSN}"])
async def test_trace_id_of_caller_is_journalled_unless_it_could_hold_a_bsn(portal, trace_id):
    browser, parent_id = await portal.mother(), "00f067aa0ba902b7"
    cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[ISSUER][SESSION_COOKIE]}"}
    carried = {"traceparent": f"00-{trace_id}-{parent_id}-01"}
    assert (await portal.http.get(ISSUER + "/brieven", headers=cookie | carried)).status_code == 200
    kept = await JOURNAL_INTAKE.read_column(portal.app.state.services, "trace_id", act="bericht:lijst")
    assert [one == trace_id for one in kept] == [A_BSN not in trace_id]
    assert parent_id not in await read_journal(portal)


async def issue_token(portal, person_id, at) -> str:
    facts = make_token_facts(at, person_id=person_id)
    async with unit_of_work(portal.app.state.services.sessions) as session:
        await insert_token(session, facts)
    return sign_access_token(facts, iss=ISSUER, aud=api_audience(ISSUER))
