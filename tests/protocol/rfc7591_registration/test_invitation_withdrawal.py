"""Withdrawal of an invitation by an operator."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.crypto.secrets import sha256_digest
from machtiging.kernel.errors import Conflict, NotAuthenticated, NotFound
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.invitations import initial_access_token
from machtiging.oauth.invitations.administration import InvitationStatus, list_invitations, withdraw_invitation
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import create_invitation, make_app_metadata, make_client_keys, post_registration
from tests.builders.database import wait_until_blocked

PAIR = make_client_keys()


def name_of(token: str) -> str:
    return initial_access_token.derive_invitation_name(sha256_digest(token))


async def withdraw_by_operator(oauth, name: str):
    async with unit_of_work(oauth.sessions) as session:
        return await withdraw_invitation(session, name, "beheer1", at=oauth.clock.now())


async def fates(oauth) -> dict[str, InvitationStatus]:
    async with unit_of_work(oauth.sessions) as session:
        return {one.name: one.status for one in await list_invitations(session, at=oauth.clock.now())}


async def assert_refused(oauth, name: str, kind, code: str) -> None:
    with pytest.raises(kind) as told:
        await withdraw_by_operator(oauth, name)
    assert told.value.code == code
    assert describe_refusal(told.value).startswith("Deze uitnodiging")
    assert await oauth.lines("uitnodiging:ingetrokken") == []


async def test_withdrawn_invitation_looks_like_unknown_one(production_oauth) -> None:
    token = await create_invitation(production_oauth, uses=3)
    await withdraw_by_operator(production_oauth, name_of(token))
    answers = [await post_registration(production_oauth, one, make_app_metadata(PAIR)) for one in (token, "x" * 43)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


async def test_invitation_withdrawal_is_journalled_with_the_operator(production_oauth) -> None:
    token = await create_invitation(production_oauth, uses=3)
    await withdraw_by_operator(production_oauth, name_of(token))
    [line] = await production_oauth.lines("uitnodiging:ingetrokken")
    [made] = await production_oauth.lines("client:uitgenodigd")
    assert line.object_id == made.object_id == name_of(token)
    assert (line.reason, line.facts) == ("ingetrokken", {"beheerder": "beheer1", "keren_over": 3})


async def test_invitation_withdrawal_keeps_registered_clients(production_oauth) -> None:
    token = await create_invitation(production_oauth, uses=2)
    assert (await post_registration(production_oauth, token, make_app_metadata(PAIR))).status_code == 201
    assert (await withdraw_by_operator(production_oauth, name_of(token))).uses_left == 1
    assert [line.reason for line in await production_oauth.lines("client:geregistreerd")] == ["voorgesteld"]


@pytest.mark.parametrize("name", ["0" * 16, "", "x", "A" * 16, "0" * 64, "%", "' OR 1=1 --"])
async def test_withdrawal_of_unknown_invitation_is_rejected(production_oauth, name) -> None:
    await create_invitation(production_oauth)
    await assert_refused(production_oauth, name, NotFound, "uitnodiging_onbekend")


async def test_withdrawal_by_invitation_token_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    await assert_refused(production_oauth, token, NotFound, "uitnodiging_onbekend")


async def test_withdrawal_of_used_up_invitation_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    assert (await post_registration(production_oauth, token, make_app_metadata(PAIR))).status_code == 201
    await assert_refused(production_oauth, name_of(token), Conflict, "uitnodiging_opgebruikt")


async def test_withdrawal_of_invitation_refused_too_often_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    for _ in range(initial_access_token.MAX_REFUSALS):
        async with unit_of_work(production_oauth.sessions) as session:
            await initial_access_token.count_invitation_refusal(
                session, sha256_digest(token), at=production_oauth.clock.now()
            )
    await assert_refused(production_oauth, name_of(token), Conflict, "uitnodiging_opgebruikt")


async def test_withdrawal_of_expired_invitation_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth, hours=1)
    production_oauth.later(hours=1)
    await assert_refused(production_oauth, name_of(token), Conflict, "uitnodiging_verlopen")


async def test_withdrawal_of_withdrawn_invitation_is_rejected(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    await withdraw_by_operator(production_oauth, name_of(token))
    with pytest.raises(Conflict) as told:
        await withdraw_by_operator(production_oauth, name_of(token))
    assert told.value.code == "uitnodiging_al_ingetrokken"
    assert len(await production_oauth.lines("uitnodiging:ingetrokken")) == 1


async def test_invitation_list_shows_the_state_of_each(production_oauth) -> None:
    tokens = [
        await create_invitation(production_oauth, **lives)
        for lives in ({"hours": 1}, {"days": 1}, {"days": 2}, {"days": 3})
    ]
    production_oauth.later(hours=2)
    assert (await post_registration(production_oauth, tokens[1], make_app_metadata(PAIR))).status_code == 201
    await withdraw_by_operator(production_oauth, name_of(tokens[2]))
    found = await fates(production_oauth)
    assert [found[name_of(one)] for one in tokens] == [
        InvitationStatus.EXPIRED,
        InvitationStatus.USED_UP,
        InvitationStatus.WITHDRAWN,
        InvitationStatus.OPEN,
    ]


async def test_invitation_withdrawal_waits_for_concurrent_registration(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    async with unit_of_work(production_oauth.sessions) as registering:
        await initial_access_token.consume_invitation(
            registering, sha256_digest(token), at=production_oauth.clock.now()
        )
        taking = asyncio.create_task(withdraw_by_operator(production_oauth, name_of(token)))
        await wait_until_blocked(production_oauth.sessions, taking)
    with pytest.raises(Conflict):
        await taking


async def test_registration_concurrent_with_withdrawal_is_rejected(production_oauth) -> None:
    token, at = await create_invitation(production_oauth), production_oauth.clock.now()

    async def use() -> None:
        async with unit_of_work(production_oauth.sessions) as session:
            await initial_access_token.consume_invitation(session, sha256_digest(token), at=at)

    async with unit_of_work(production_oauth.sessions) as session:
        await withdraw_invitation(session, name_of(token), "beheer1", at=at)
        using = asyncio.create_task(use())
        await wait_until_blocked(production_oauth.sessions, using)
    with pytest.raises(NotAuthenticated):
        await using
