"""Refused registrations are journalled, so an invitation has a limited number of them."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.crypto.secrets import sha256_digest
from machtiging.oauth.invitations.initial_access_token import MAX_REFUSALS
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import (
    create_invitation,
    make_app_metadata,
    make_bearer_header,
    make_client_keys,
    post_registration,
)
from tests.builders.rows import INITIAL_ACCESS_TOKENS

PAIR = make_client_keys()


async def test_refused_registration_is_journalled_with_its_invitation(production_oauth) -> None:
    await post_registration(
        production_oauth, await create_invitation(production_oauth), make_app_metadata(PAIR, client_name="<b>")
    )
    (invited,) = await production_oauth.lines("client:uitgenodigd")
    (line,) = await production_oauth.lines("client:geweigerd")
    assert (line.object_kind, line.object_id) == ("uitnodiging", invited.object_id)
    assert line.client_id is None


async def set_refused_count(oauth, token: str, times: int) -> None:
    """Set the number of refused registrations of this invitation."""
    async with unit_of_work(oauth.sessions) as session:
        mine = text("UPDATE initial_access_token SET refused = :times WHERE token_hash = :mine")
        await session.execute(mine, {"times": times, "mine": sha256_digest(token)})


@pytest.mark.parametrize("before", [MAX_REFUSALS - 3, pytest.param(0, marks=pytest.mark.whole)])
async def test_invitation_is_invalid_after_too_many_refused_registrations(production_oauth, before) -> None:
    token, other = await create_invitation(production_oauth, uses=3), await create_invitation(production_oauth)
    wrong = make_app_metadata(PAIR, client_name="<b>")
    assert (await post_registration(production_oauth, token, make_app_metadata(PAIR))).status_code == 201
    await set_refused_count(production_oauth, token, before)
    for _ in range(before, MAX_REFUSALS):
        assert (await post_registration(production_oauth, token, wrong)).status_code == 400
    for metadata in (wrong, make_app_metadata(PAIR)):
        answer = await post_registration(production_oauth, token, metadata)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert len(await production_oauth.lines("client:geweigerd")) == MAX_REFUSALS - before
    assert (await post_registration(production_oauth, other, make_app_metadata(PAIR))).status_code == 201


async def test_concurrent_refused_registrations_are_journalled_up_to_the_limit(production_oauth) -> None:
    token = await create_invitation(production_oauth)
    await set_refused_count(production_oauth, token, MAX_REFUSALS - 2)
    wrong = make_app_metadata(PAIR, client_name="<b>")
    answers = await asyncio.gather(*(post_registration(production_oauth, token, wrong) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [400, 400, 401, 401, 401]
    assert len(await production_oauth.lines("client:geweigerd")) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"x" * 70_000])
async def test_unreadable_registration_counts_as_refused(production_oauth, body) -> None:
    headers = make_bearer_header(await create_invitation(production_oauth)) | {"Content-Type": "application/json"}
    assert (await production_oauth.connection().post("/register", content=body, headers=headers)).status_code == 400
    async with unit_of_work(production_oauth.sessions) as session:
        assert await INITIAL_ACCESS_TOKENS.read_value(session, "refused") == 1
