"""An operator takes an invitation back: nobody registers with it any more; what cannot be taken back is said why."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.crypto.secrets import digest
from machtiging.kernel.errors import Conflict, NotAuthenticated, NotFound
from machtiging.oauth.registration import invite
from machtiging.oauth.registration.invitations import Fate, invitations, withdraw
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.clients import code_client, make_client_keys
from tests.builders.lock_waits import wait_until_blocked
from tests.builders.registration import an_invitation, register

PAIR = make_client_keys()


def name_of(token: str) -> str:
    return invite.name_of(digest(token))


async def taken_back(oauth, name: str):
    async with unit_of_work(oauth.sessions) as session:
        return await withdraw(session, name, "beheer1", at=oauth.clock.now())


async def fates(oauth) -> dict[str, Fate]:
    async with unit_of_work(oauth.sessions) as session:
        return {one.name: one.fate for one in await invitations(session, at=oauth.clock.now())}


async def refused(oauth, name: str, kind, code: str) -> None:
    with pytest.raises(kind) as told:
        await taken_back(oauth, name)
    assert told.value.code == code
    assert told.value.public.startswith("Deze uitnodiging")
    assert await oauth.lines("uitnodiging:ingetrokken") == []


async def test_after_that_it_is_answered_as_one_that_never_was(in_earnest) -> None:
    token = await an_invitation(in_earnest, uses=3)
    await taken_back(in_earnest, name_of(token))
    answers = [await register(in_earnest, one, code_client(PAIR)) for one in (token, "x" * 43)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


async def test_the_journal_says_which_and_who(in_earnest) -> None:
    token = await an_invitation(in_earnest, uses=3)
    await taken_back(in_earnest, name_of(token))
    [line] = await in_earnest.lines("uitnodiging:ingetrokken")
    [made] = await in_earnest.lines("client:uitgenodigd")
    assert line.object_id == made.object_id == name_of(token)
    assert (line.reason, line.facts) == ("ingetrokken", {"beheerder": "beheer1", "keren_over": 3})


async def test_what_was_registered_with_it_stays(in_earnest) -> None:
    token = await an_invitation(in_earnest, uses=2)
    assert (await register(in_earnest, token, code_client(PAIR))).status_code == 201
    assert (await taken_back(in_earnest, name_of(token))).uses_left == 1
    assert [line.reason for line in await in_earnest.lines("client:geregistreerd")] == ["voorgesteld"]


@pytest.mark.parametrize("name", ["0" * 16, "", "x", "A" * 16, "0" * 64, "%", "' OR 1=1 --"])
async def test_one_that_is_unknown(in_earnest, name) -> None:
    await an_invitation(in_earnest)
    await refused(in_earnest, name, NotFound, "uitnodiging_onbekend")


async def test_the_token_itself_is_not_its_name(in_earnest) -> None:
    token = await an_invitation(in_earnest)
    await refused(in_earnest, token, NotFound, "uitnodiging_onbekend")


async def test_one_that_was_used_up(in_earnest) -> None:
    token = await an_invitation(in_earnest)
    assert (await register(in_earnest, token, code_client(PAIR))).status_code == 201
    await refused(in_earnest, name_of(token), Conflict, "uitnodiging_opgebruikt")


async def test_one_that_was_refused_too_often(in_earnest) -> None:
    token = await an_invitation(in_earnest)
    for _ in range(invite.MOST_REFUSED):
        async with unit_of_work(in_earnest.sessions) as session:
            await invite.count_refusal(session, digest(token), at=in_earnest.clock.now())
    await refused(in_earnest, name_of(token), Conflict, "uitnodiging_opgebruikt")


async def test_one_that_has_expired(in_earnest) -> None:
    token = await an_invitation(in_earnest, hours=1)
    in_earnest.later(hours=1)
    await refused(in_earnest, name_of(token), Conflict, "uitnodiging_verlopen")


async def test_one_that_was_taken_back_before(in_earnest) -> None:
    token = await an_invitation(in_earnest)
    await taken_back(in_earnest, name_of(token))
    with pytest.raises(Conflict) as told:
        await taken_back(in_earnest, name_of(token))
    assert told.value.code == "uitnodiging_al_ingetrokken"
    assert len(await in_earnest.lines("uitnodiging:ingetrokken")) == 1


async def test_the_list_says_what_has_become_of_each(in_earnest) -> None:
    tokens = [
        await an_invitation(in_earnest, **lives) for lives in ({"hours": 1}, {"days": 1}, {"days": 2}, {"days": 3})
    ]
    in_earnest.later(hours=2)
    assert (await register(in_earnest, tokens[1], code_client(PAIR))).status_code == 201
    await taken_back(in_earnest, name_of(tokens[2]))
    found = await fates(in_earnest)
    assert [found[name_of(one)] for one in tokens] == [Fate.EXPIRED, Fate.USED_UP, Fate.WITHDRAWN, Fate.OPEN]


async def test_taking_it_back_waits_for_one_who_is_registering_with_it(in_earnest) -> None:
    token = await an_invitation(in_earnest)
    async with unit_of_work(in_earnest.sessions) as registering:
        await invite.use_up(registering, digest(token), at=in_earnest.clock.now())
        taking = asyncio.create_task(taken_back(in_earnest, name_of(token)))
        await wait_until_blocked(in_earnest.sessions, taking)
    with pytest.raises(Conflict):
        await taking


async def test_who_registers_while_it_is_taken_back_is_refused(in_earnest) -> None:
    token, at = await an_invitation(in_earnest), in_earnest.clock.now()

    async def use() -> None:
        async with unit_of_work(in_earnest.sessions) as session:
            await invite.use_up(session, digest(token), at=at)

    async with unit_of_work(in_earnest.sessions) as session:
        await withdraw(session, name_of(token), "beheer1", at=at)
        using = asyncio.create_task(use())
        await wait_until_blocked(in_earnest.sessions, using)
    with pytest.raises(NotAuthenticated):
        await using
