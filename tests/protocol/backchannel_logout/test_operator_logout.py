"""Logout by an operator (a citizen calls: stolen telephone, unknown login) ends all her sessions."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.identity.rules import SessionEndReason
from machtiging.oauth.grant_management.operator_session_end import (
    SessionEndCounts,
    SessionEndOrder,
    end_sessions_for_person,
)
from machtiging.oauth.openid.backchannel_logout import send_due_notices
from machtiging.oauth.openid.session_expiry import expire_sessions
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import BOX_HANDLER
from tests.builders.flow import request_userinfo, start_login_flow, verify_id_token, verify_jwt
from tests.builders.rows import GRANTS, LOGIN_SESSIONS, NOTIFICATIONS
from tests.builders.tokens import REFRESHING
from tests.protocol.backchannel_logout.logout_receiver import make_logout_sender

DEVICE_LOST_ORDER = SessionEndOrder("beheer1", SessionEndReason.DEVICE_LOST)
MISUSE_ORDER = SessionEndOrder("beheer1", SessionEndReason.MISUSE, consents=True)


@pytest.fixture
async def flow(oauth, receiver):
    """A client with refresh tokens and a backchannel_logout_uri, and the logged-in son."""
    return await start_login_flow(
        oauth, await oauth.register_reading_app(backchannel_logout_uri=receiver.uri, grant_types=REFRESHING)
    )


async def log_out_everywhere(oauth, person, order: SessionEndOrder = DEVICE_LOST_ORDER) -> SessionEndCounts:
    async with unit_of_work(oauth.sessions) as session:
        return await end_sessions_for_person(session, BOX_HANDLER, person, order, at=oauth.clock.now())


async def logout_notifications(oauth) -> list[tuple]:
    async with unit_of_work(oauth.sessions) as session:
        found = await NOTIFICATIONS.read(session, "person_id", "kind", kind="uitgelogd_door_ons")
        return [tuple(row) for row in found]


@pytest.fixture
def son_id(oauth):
    return oauth.committed.people.son


async def refresh_status(flow, tokens) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return (await flow.app.post("/token", form)).status_code


async def test_operator_logout_ends_all_sessions_and_their_grants(oauth, flow, son_id) -> None:
    tokens, code = await flow.tokens(), await flow.code()
    other = await oauth.logged_in("naaste")
    ended = await log_out_everywhere(oauth, son_id)
    assert ended == SessionEndCounts(sessions=2, consents=2)
    for browser in (flow.browser, other):
        assert (await browser.get("/ik")).status_code == 303
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 401
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
    assert await refresh_status(flow, tokens) == 400


async def test_operator_logout_sends_logout_tokens(oauth, flow, receiver, son_id) -> None:
    mine = await verify_id_token(oauth, await flow.tokens())
    await log_out_everywhere(oauth, son_id)
    assert await send_due_notices(make_logout_sender(oauth)) == 1
    _, said = await verify_jwt(oauth, receiver.came[0]["logout_token"])
    assert (said["sid"], said["sub"], said["aud"]) == (mine["sid"], mine["sub"], mine["aud"])


async def test_operator_logout_leaves_other_persons_sessions_and_consents(oauth, flow, son_id) -> None:
    hers = await start_login_flow(oauth, flow.app, "vertegenwoordigde")
    tokens = await hers.tokens()
    await log_out_everywhere(oauth, son_id, MISUSE_ORDER)
    assert (await hers.browser.get("/ik")).status_code == 200
    assert (await request_userinfo(oauth, tokens["access_token"])).status_code == 200


async def test_operator_logout_is_journalled_with_operator_reason_and_person(oauth, flow, son_id) -> None:
    await flow.tokens()
    await log_out_everywhere(oauth, son_id)
    [line] = await oauth.lines("sessie:beeindigd")
    assert (line.reason, line.capacity, line.actor_id) == ("toestel_kwijt", "beheerder", None)
    assert line.for_person_id == son_id
    assert line.facts == {"beheerder": "beheer1", "sessies": 1, "toestemmingen": 1}
    [grant] = await oauth.lines("grant:beeindigd")
    assert (grant.reason, grant.capacity, grant.actor_id) == ("uitgelogd_door_beheerder", "beheerder", None)


async def test_operator_logout_notifies_the_person_once(oauth, flow, son_id) -> None:
    await flow.tokens()
    await oauth.logged_in("naaste")
    await log_out_everywhere(oauth, son_id)
    assert await logout_notifications(oauth) == [(son_id, "uitgelogd_door_ons")]


async def test_operator_logout_without_session_is_journalled_and_not_notified(oauth, son_id) -> None:
    assert await log_out_everywhere(oauth, son_id) == SessionEndCounts(0, 0)
    assert len(await oauth.lines("sessie:beeindigd")) == 1
    assert await logout_notifications(oauth) == []


async def test_operator_logout_ends_grants_of_expired_session_too(oauth, flow, receiver, son_id) -> None:
    tokens = await flow.tokens()
    oauth.later(minutes=20)
    await expire_sessions(oauth.sessions, oauth.service.state.services.session_limits, oauth.clock)
    assert await log_out_everywhere(oauth, son_id) == SessionEndCounts(sessions=0, consents=1)
    assert await refresh_status(flow, tokens) == 400
    assert await send_due_notices(make_logout_sender(oauth)) == 1, "the app was told when it expired, and not again"
    assert await logout_notifications(oauth) == [(son_id, "uitgelogd_door_ons")]


async def test_operator_logout_ends_consent_without_login_only_on_request(oauth, son_id) -> None:
    flow = await oauth.start_flow()
    tokens = await flow.tokens(scope=None)

    async def active() -> bool:
        return (await flow.app.post("/introspect", {"token": tokens["access_token"]})).json()["active"]

    assert await log_out_everywhere(oauth, son_id) == SessionEndCounts(sessions=1, consents=0)
    assert await active()
    assert await log_out_everywhere(oauth, son_id, MISUSE_ORDER) == SessionEndCounts(sessions=0, consents=1)
    assert not await active()


async def test_consent_concurrent_with_operator_logout_is_ended_or_not_given(oauth, flow, son_id) -> None:
    forms = [await flow.consent_form(await flow.pushed()) for _ in range(4)]
    presses = [flow.press(form) for form in forms]
    await asyncio.gather(*presses[:2], log_out_everywhere(oauth, son_id), *presses[2:])
    async with unit_of_work(oauth.sessions) as session:
        assert await LOGIN_SESSIONS.count(session, ended_at=None) == 0
        assert await GRANTS.count(session, ended_at=None) == 0
