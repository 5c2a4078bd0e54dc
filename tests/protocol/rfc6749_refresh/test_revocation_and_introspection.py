"""Refresh tokens at /revoke (RFC 7009) and /introspect (RFC 7662), for their own client only."""

import pytest

from tests.builders.rows import NOTIFICATIONS
from tests.builders.tokens import make_refresh_token_holder, register_refreshing_app


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "onbekend"])
async def test_refresh_token_revoked_ends_the_grant_with_every_token(oauth, hint):
    holder = await make_refresh_token_holder(oauth)
    second = await holder.refreshed()
    response = await holder.app.post("/revoke", {"token": second["refresh_token"], "token_type_hint": hint})
    assert response.status_code == 200
    assert await holder.ended() == "token_ingetrokken"
    for access in (holder.access, second["access_token"]):
        assert not await holder.active(access)
    assert (await holder.refresh(second["refresh_token"])).status_code == 400
    [line] = await oauth.lines("token:ingetrokken")
    assert (line.reason, line.client_id) == ("door_client", holder.app.client_id)
    assert line.for_person_id == oauth.committed.people.mother


async def test_access_token_revoked_ends_the_refresh_token(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.app.post("/revoke", {"token": holder.access})
    assert (await holder.refresh()).status_code == 400
    assert not await holder.active(holder.refresh_token)


async def test_refresh_token_revoked_twice_is_journalled_once(oauth):
    holder = await make_refresh_token_holder(oauth)
    for _ in range(2):
        assert (await holder.app.post("/revoke", {"token": holder.refresh_token})).status_code == 200
    assert len(await oauth.lines("token:ingetrokken")) == 1


async def test_refresh_token_revocation_by_another_client_is_ignored(oauth):
    holder = await make_refresh_token_holder(oauth)
    other = await register_refreshing_app(oauth)
    await other.post("/revoke", {"token": holder.refresh_token})
    assert await holder.ended() is None
    await holder.refreshed()


async def test_used_refresh_token_revoked_ends_the_grant_without_notification(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.refreshed()
    await holder.app.post("/revoke", {"token": holder.refresh_token})
    assert await holder.ended() == "token_ingetrokken"
    assert await NOTIFICATIONS.count(oauth, NOTIFICATIONS.c.kind.like("app_%")) == 0


async def test_refresh_token_introspection_returns_its_expiry(oauth):
    holder = await make_refresh_token_holder(oauth)
    answer = (await holder.app.post("/introspect", {"token": holder.refresh_token})).json()
    now = int(oauth.clock.now().timestamp())
    assert answer == {
        "active": True,
        "client_id": holder.app.client_id,
        "scope": "openid",
        "iat": now,
        "exp": now + 6 * 3600,
    }


async def test_refresh_token_introspection_by_other_clients_is_inactive(oauth):
    holder = await make_refresh_token_holder(oauth)
    for other in (await register_refreshing_app(oauth), await oauth.register_reading_app(resource_server=True)):
        answer = await other.post("/introspect", {"token": holder.refresh_token})
        assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_refresh_token_used_expired_or_unknown_is_inactive(oauth):
    holder = await make_refresh_token_holder(oauth)
    second = await holder.refreshed()
    assert not await holder.active(holder.refresh_token)
    assert await holder.active(second["refresh_token"])
    oauth.later(hours=6)
    assert not await holder.active(second["refresh_token"])
    assert not await holder.active("x" * 43)
    assert await holder.ended() is None  # introspection neither consumes the token nor counts as reuse
