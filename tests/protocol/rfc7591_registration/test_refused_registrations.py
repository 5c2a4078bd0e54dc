"""Refused registrations are journalled, so an invitation has a limited number of them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.crypto.secrets import digest
from machtiging.oauth.registration.invite import MOST_REFUSED
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.clients import code_client, make_client_keys
from tests.builders.registration import an_invitation, bearer, register

PAIR = make_client_keys()


async def test_refused_registration_is_journalled_with_its_invitation(production_oauth) -> None:
    await register(production_oauth, await an_invitation(production_oauth), code_client(PAIR, client_name="<b>"))
    (invited,) = await production_oauth.lines("client:uitgenodigd")
    (line,) = await production_oauth.lines("client:geweigerd")
    assert (line.object_kind, line.object_id) == ("uitnodiging", invited.object_id)
    assert line.client_id is None


async def refused_before(oauth, token: str, times: int) -> None:
    """Set the number of refused registrations of this invitation."""
    async with unit_of_work(oauth.sessions) as session:
        mine = text("UPDATE initial_access_token SET refused = :times WHERE token_hash = :mine")
        await session.execute(mine, {"times": times, "mine": digest(token)})


@pytest.mark.parametrize("before", [MOST_REFUSED - 3, pytest.param(0, marks=pytest.mark.whole)])
async def test_invitation_is_invalid_after_too_many_refused_registrations(production_oauth, before) -> None:
    token, other = await an_invitation(production_oauth, uses=3), await an_invitation(production_oauth)
    wrong = code_client(PAIR, client_name="<b>")
    assert (await register(production_oauth, token, code_client(PAIR))).status_code == 201
    await refused_before(production_oauth, token, before)
    for _ in range(before, MOST_REFUSED):
        assert (await register(production_oauth, token, wrong)).status_code == 400
    for metadata in (wrong, code_client(PAIR)):
        answer = await register(production_oauth, token, metadata)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert len(await production_oauth.lines("client:geweigerd")) == MOST_REFUSED - before
    assert (await register(production_oauth, other, code_client(PAIR))).status_code == 201


async def test_concurrent_refused_registrations_are_journalled_up_to_the_limit(production_oauth) -> None:
    token = await an_invitation(production_oauth)
    await refused_before(production_oauth, token, MOST_REFUSED - 2)
    wrong = code_client(PAIR, client_name="<b>")
    answers = await asyncio.gather(*(register(production_oauth, token, wrong) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [400, 400, 401, 401, 401]
    assert len(await production_oauth.lines("client:geweigerd")) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"x" * 70_000])
async def test_unreadable_registration_counts_as_refused(production_oauth, body) -> None:
    headers = bearer(await an_invitation(production_oauth)) | {"Content-Type": "application/json"}
    assert (await production_oauth.connection().post("/register", content=body, headers=headers)).status_code == 400
    async with unit_of_work(production_oauth.sessions) as session:
        assert await session.scalar(text("SELECT refused FROM initial_access_token")) == 1
