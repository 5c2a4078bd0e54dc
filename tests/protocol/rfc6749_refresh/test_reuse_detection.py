"""Refresh token reuse detection (RFC 9700 4.14): a used token that comes again ends the whole grant."""

import asyncio

import pytest
from sqlalchemy import text

from machtiging.access_tokens.sender_constraint.binding import TokenBinding
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.rows import ISSUED_TOKENS, NOTIFICATIONS, REFRESH_TOKENS
from tests.builders.tokens import REFRESHING, make_refresh_token_holder

KEY = "k" * 43


async def app_notifications(oauth) -> list[tuple]:
    async with unit_of_work(oauth.sessions) as session:
        rows = await NOTIFICATIONS.read(session, "person_id", "kind", "facts")
        return [tuple(row) for row in rows if row.kind.startswith("app_")]


async def test_refresh_token_reuse_ends_the_whole_family(oauth):
    holder = await make_refresh_token_holder(oauth)
    second = await holder.refreshed()
    third = await holder.refreshed(second["refresh_token"])
    response = await holder.refresh(second["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    for access in (holder.access, second["access_token"], third["access_token"]):
        assert not await holder.active(access)
    for token in (holder.refresh_token, second["refresh_token"], third["refresh_token"]):
        assert not await holder.active(token)
        assert (await holder.refresh(token)).status_code == 400
    assert await holder.ended() == "verversing_hergebruikt"
    assert await ISSUED_TOKENS.count(oauth, revoked_at=None) == 0


async def test_enumeration_reused_refresh_token_looks_like_unknown_one(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.refreshed()
    twice, unknown = await holder.refresh(), await holder.refresh("x" * 43)
    assert (twice.status_code, twice.content) == (unknown.status_code, unknown.content)


async def test_refresh_token_reuse_is_journalled(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.refreshed()
    await holder.refresh()
    [ended] = await oauth.lines("grant:beeindigd")
    assert (ended.reason, ended.client_id) == ("verversing_hergebruikt", holder.app.client_id)
    assert ended.for_person_id == oauth.committed.people.mother
    assert ended.object_id == str(holder.grant_id)
    [refused] = await oauth.lines("token:geweigerd")
    assert (refused.reason, refused.outcome) == ("verversing_hergebruikt", "refused")


async def test_refresh_token_reuse_notifies_citizen_and_helper_once(oauth):
    holder = await make_refresh_token_holder(oauth)
    await holder.refreshed()
    for _ in range(3):
        await holder.refresh()
    people = oauth.committed.people
    found = await app_notifications(oauth)
    assert [(who, kind) for who, kind, _ in found] == [
        (people.mother, "app_afgesloten_bij_helper"),
        (people.son, "app_afgesloten_voor_helper"),
    ]
    assert all(facts["app"] == "Leesapp" for _, _, facts in found)
    assert all(holder.refresh_token not in str(facts) for _, _, facts in found)


async def test_refresh_token_reuse_for_own_box_notifies_one_person(oauth):
    holder = await make_refresh_token_holder(oauth, own=True)
    await holder.refreshed()
    await holder.refresh()
    assert [(who, kind) for who, kind, _ in await app_notifications(oauth)] == [
        (oauth.committed.people.mother, "app_afgesloten")
    ]


async def test_refresh_token_reuse_leaves_other_consents_active(oauth):
    holder = await make_refresh_token_holder(oauth)
    other = await make_refresh_token_holder(oauth, holder.app, holder.machtiging)
    await holder.refreshed()
    await holder.refresh()
    assert await other.ended() is None
    await other.refreshed()


@pytest.mark.parametrize("late", [{"hours": 7}, {"hours": 26}])
async def test_refresh_token_reuse_long_after_expiry_is_detected(oauth, late):
    holder = await make_refresh_token_holder(oauth)
    await holder.refreshed()
    oauth.later(**late)
    await holder.refresh()
    assert await holder.ended() == "verversing_hergebruikt"


async def test_refresh_token_used_concurrently_succeeds_once_and_ends_the_family(oauth):
    """There is no grace period: it would help a thief too."""
    holder = await make_refresh_token_holder(oauth)
    answers = await asyncio.gather(*(holder.refresh() for _ in range(8)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    assert await holder.ended() == "verversing_hergebruikt"
    assert not await holder.active(won[0]["access_token"])
    assert (await holder.refresh(won[0]["refresh_token"])).status_code == 400
    assert len(await app_notifications(oauth)) == 2
    assert await REFRESH_TOKENS.count(oauth) == 2


async def make_public_holder(oauth):
    app = await oauth.register_public_app(grant_types=REFRESHING)
    return await make_refresh_token_holder(oauth, app, bound=TokenBinding(jkt=KEY))


async def test_refresh_token_of_public_client_without_its_key_is_rejected_and_not_ended(oauth):
    holder = await make_public_holder(oauth)
    assert await REFRESH_TOKENS.read_value(oauth, "jkt") == KEY
    for _ in range(2):
        assert (await holder.refresh()).status_code == 400
    assert await REFRESH_TOKENS.count(oauth, used_at=None) == 1
    assert await holder.ended() is None
    assert await oauth.lines("token:geweigerd") == []  # an unauthenticated client is not journalled


async def test_refresh_token_reuse_by_public_client_is_journalled_once(oauth):
    holder = await make_public_holder(oauth)
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE refresh_token SET used_at = created_at"))
    for _ in range(3):
        assert (await holder.refresh()).status_code == 400
    assert await holder.ended() == "verversing_hergebruikt"
    assert len(await oauth.lines("token:geweigerd")) == 1
