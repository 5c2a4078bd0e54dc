"""Each client of an ended session gets a logout token, with limited retries (Back-Channel Logout 1.0)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.openid.backchannel_logout import (
    LOGOUT_EVENT,
    MAX_TRIES,
    RETRY_DELAYS,
    build_post_form,
    send_due_notices,
)
from machtiging.oauth.suspend_client import suspend_client
from machtiging.oauth.tables import SEALED_CLIENT
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.outbound.http_client import OutboundHttpClient
from tests.builders.applications import replace_services
from tests.builders.client import make_app_metadata, make_client_keys
from tests.builders.database import bypass_triggers, seal_rows
from tests.builders.flow import request_userinfo, start_login_flow, verify_id_token, verify_jwt
from tests.builders.rows import GRANTS, LOGIN_SESSIONS, LOGOUT_NOTICES
from tests.protocol.backchannel_logout.logout_receiver import LogoutReceiver, make_logout_sender


@pytest.fixture
async def flow(oauth, receiver):
    """A client with a backchannel_logout_uri and a logged-in person."""
    return await start_login_flow(oauth, await oauth.register_reading_app(backchannel_logout_uri=receiver.uri))


async def leave(flow) -> None:
    """Log out with the button at the top of the page."""
    me = (await flow.browser.get("/ik")).json()
    assert (await flow.browser.post("/uitloggen", {"csrf": me["csrf"]})).status_code == 303


async def notices(oauth) -> list:
    async with unit_of_work(oauth.sessions) as session:
        return await LOGOUT_NOTICES.read(session, order_by="created_at")


async def test_logout_token_names_session_and_person(oauth, flow, receiver) -> None:
    mine = await verify_id_token(oauth, await flow.tokens())
    await leave(flow)
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    assert receiver.paths == ["/sessie-voorbij"]
    assert receiver.came[0].keys() == {"logout_token"}
    header, told = await verify_jwt(oauth, receiver.came[0]["logout_token"])
    assert (header["typ"], header["alg"]) == ("logout+jwt", "RS256")
    assert told.keys() == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    for name in ("iss", "aud", "sub", "sid"):
        assert told[name] == mine[name]
    assert told["events"] == {LOGOUT_EVENT: {}}
    assert told["exp"] - told["iat"] <= 120


async def test_logout_token_is_sent_once_per_client_after_repeated_logins(oauth, flow, receiver) -> None:
    for _ in range(3):
        await flow.tokens()
    await leave(flow)
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    assert len(receiver.came) == 1


async def test_logout_tokens_of_two_clients_have_different_sid_and_aud(oauth, flow, receiver) -> None:
    await flow.tokens()
    flow.app = await oauth.register_reading_app(client_name="Andere app", backchannel_logout_uri=receiver.uri)
    await flow.tokens()
    await leave(flow)
    assert await send_due_notices(make_logout_sender(oauth)) == 2
    told = [(await verify_jwt(oauth, one["logout_token"]))[1] for one in receiver.came]
    assert told[0]["sid"] != told[1]["sid"]
    assert told[0]["aud"] != told[1]["aud"]


async def test_logout_token_is_not_sent_to_client_without_registration_or_session(oauth, flow, receiver) -> None:
    await oauth.register_reading_app(client_name="Nooit gezien", backchannel_logout_uri=receiver.uri)
    flow.app = await oauth.register_reading_app(client_name="Wil het niet weten")
    await flow.tokens()
    await leave(flow)
    assert await notices(oauth) == []


async def test_grant_without_openid_survives_logout_and_sends_no_logout_token(oauth, receiver) -> None:
    flow = await oauth.start_flow(await oauth.register_reading_app(backchannel_logout_uri=receiver.uri))
    tokens = await flow.tokens(scope=None)
    await leave(flow)
    assert await notices(oauth) == []
    told = await flow.app.post("/introspect", {"token": tokens["access_token"]})
    assert told.json()["active"] is True


async def test_logout_ends_tokens_and_codes_in_the_same_transaction(oauth, flow) -> None:
    tokens = await flow.tokens()
    code = await flow.code()
    await leave(flow)
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
    assert [line.reason for line in await oauth.lines("grant:beeindigd")] == ["uitgelogd"] * 2


async def test_logout_leaves_other_browser_session_of_same_person(oauth, flow, receiver) -> None:
    await flow.tokens()
    here, flow.browser = flow.browser, await oauth.logged_in()
    there = await flow.tokens()
    flow.browser = here
    await leave(flow)
    assert len(await notices(oauth)) == 1
    assert (await request_userinfo(oauth, there["access_token"])).status_code == 200


async def test_repeated_login_ends_nothing_and_later_logout_ends_all(oauth, flow, receiver) -> None:
    tokens = await flow.tokens()
    await flow.browser.log_in("naaste", niveau="hoog")
    assert await notices(oauth) == []
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 200
    await leave(flow)
    assert len(await notices(oauth)) == 1
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401


async def test_login_by_another_person_in_the_same_browser_ends_the_session(oauth, flow, receiver) -> None:
    tokens = await flow.tokens()
    await flow.browser.log_in("vertegenwoordigde")
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401


@pytest.mark.parametrize("status", [400, 404, 500, 302, 201])
async def test_logout_token_rejected_by_client_is_retried_with_new_jti(oauth, flow, receiver, status) -> None:
    await flow.tokens()
    await leave(flow)
    receiver.status = status
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    assert len(receiver.came) == 1  # the retry is not due yet, and a redirect is not followed
    receiver.status = 204
    oauth.clock.advance(RETRY_DELAYS[0])
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    first, second = [(await verify_jwt(oauth, one["logout_token"]))[1] for one in receiver.came]
    assert first["jti"] != second["jti"]
    assert first["sid"] == second["sid"]


async def test_logout_token_to_unreachable_client_is_given_up_after_max_tries(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    await receiver.close()
    for wait in RETRY_DELAYS:
        assert await send_due_notices(make_logout_sender(oauth)) == 0
        oauth.clock.advance(wait)
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    [notice] = await notices(oauth)
    assert (notice.tries, notice.sent_at is None, notice.given_up_at is not None) == (MAX_TRIES, True, True)


async def test_slow_client_delays_neither_other_logout_tokens_nor_database(oauth, flow, receiver) -> None:
    await flow.tokens()
    quick = await LogoutReceiver("quick").open()
    flow.app = await oauth.register_reading_app(client_name="Vlotte app", backchannel_logout_uri=quick.uri)
    await flow.tokens()
    await leave(flow)
    receiver.silent = True
    sending = asyncio.create_task(send_due_notices(make_logout_sender(oauth)))
    await asyncio.gather(quick.arrived.wait(), receiver.arrived.wait())
    assert len(await notices(oauth)) == 2  # no lock is held
    receiver.over.set()
    assert await sending == 1
    await quick.close()


async def test_concurrent_senders_send_each_logout_token_once(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    assert sum(await asyncio.gather(*(send_due_notices(make_logout_sender(oauth)) for _ in range(3)))) == 1
    assert len(receiver.came) == 1


async def test_sender_killed_while_sending_leaves_notice_for_retry(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    receiver.silent = True
    sending = asyncio.create_task(send_due_notices(make_logout_sender(oauth)))
    await receiver.arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    receiver.silent = False
    receiver.over.set()
    oauth.clock.advance(RETRY_DELAYS[0])
    assert await send_due_notices(make_logout_sender(oauth)) == 1


async def test_ssrf_logout_token_to_private_address_outside_practice_is_not_sent(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    strict = replace(make_logout_sender(oauth), post=build_post_form(OutboundHttpClient()))
    assert await send_due_notices(strict) == 0
    assert receiver.came == []


async def test_logout_token_to_suspended_client_is_not_sent(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, flow.app.client_id, at=oauth.clock.now())
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    assert receiver.came == []
    assert (await notices(oauth))[0].given_up_at is not None


async def test_logout_notices_are_deleted_after_retention(oauth, flow) -> None:
    await flow.tokens()
    await leave(flow)
    await send_due_notices(make_logout_sender(oauth))
    oauth.later(days=8)
    await send_due_notices(make_logout_sender(oauth))
    assert await notices(oauth) == []


async def test_logout_token_used_as_access_token_is_rejected(oauth, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    await send_due_notices(make_logout_sender(oauth))
    token = receiver.came[0]["logout_token"]
    assert (await request_userinfo(oauth, token)).status_code == 401
    assert (await flow.push(id_token_hint=token)).json()["error"] == "invalid_request"
    told = await flow.app.post("/introspect", {"token": token})
    assert told.json() == {"active": False}


async def test_logout_without_writable_notice_returns_503_and_keeps_session(oauth, flow) -> None:
    await flow.tokens()
    person = (await flow.browser.get("/ik")).json()

    async def fails(session, over, *, at):
        raise OSError("the disk is full")

    replace_services(oauth.service, on_session_end=fails)
    response = await flow.browser.post("/uitloggen", {"csrf": person["csrf"]})
    assert response.status_code == 503
    assert (await flow.browser.get("/ik")).status_code == 200


async def test_consent_concurrent_with_logout_is_ended_or_not_given(oauth, flow) -> None:
    csrf = (await flow.browser.get("/ik")).json()["csrf"]
    forms = [await flow.consent_form(await flow.pushed()) for _ in range(4)]
    presses = [flow.press(form) for form in forms]
    await asyncio.gather(*presses[:2], flow.browser.post("/uitloggen", {"csrf": csrf}), *presses[2:])
    async with unit_of_work(oauth.sessions) as session:
        assert await LOGIN_SESSIONS.count(session, ended_at=None) == 0
        assert await GRANTS.count(session, ended_at=None) == 0


BAD = [
    "http://app.voorbeeld.example/uit",
    "https://app.voorbeeld.example/uit#x",
    "https://10.0.0.1/uit",
    "https://gebruiker@app.voorbeeld.example/",
    "ftp://app.voorbeeld.example/",
    "/uit",
    7,
    ["https://app.voorbeeld.example/uit"],
]


@pytest.mark.parametrize("uri", BAD, ids=json.dumps)
async def test_backchannel_logout_uri_invalid_is_rejected_at_registration(oauth, uri) -> None:
    with pytest.raises(InvalidInput) as refused:
        await oauth.add(make_app_metadata(make_client_keys(), backchannel_logout_uri=uri))
    assert "backchannel_logout_uri" in refused.value.fields


async def test_logout_notice_address_tampered_by_sql_is_ignored(oauth, database, flow, receiver) -> None:
    """A notice has no MAC, and a logout token names a person. It is sent to the URI of the client's row."""
    await flow.tokens()
    await leave(flow)
    thief = await LogoutReceiver("dief").open()
    try:
        async with bypass_triggers(database) as connection:
            await connection.execute(text("UPDATE logout_notice SET uri = :uri"), {"uri": thief.uri})
        assert await send_due_notices(make_logout_sender(oauth)) == 1
        assert (len(thief.came), len(receiver.came)) == (0, 1)
    finally:
        await thief.close()


async def test_logout_notice_of_client_without_logout_uri_is_given_up(oauth, database, flow, receiver) -> None:
    await flow.tokens()
    await leave(flow)
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET registration = registration - 'backchannel_logout_uri'"))
        await seal_rows(session, SEALED_CLIENT)
    assert await send_due_notices(make_logout_sender(oauth)) == 0
    assert receiver.came == []
    [notice] = await notices(oauth)
    assert notice.given_up_at is not None
