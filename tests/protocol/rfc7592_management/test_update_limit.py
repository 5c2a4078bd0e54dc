"""Updates of a registration are journalled, so their number before an operator approves is limited."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.oauth.registration.client_configuration import MAX_UNREVIEWED_CHANGES
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import approve_program, register_program
from tests.builders.rows import CLIENTS

REFUSED, CHANGED = "client:geweigerd", "client:gewijzigd"


async def count_journal_lines(oauth) -> int:
    return len([*await oauth.lines(REFUSED), *await oauth.lines(CHANGED)])


async def has_tried(oauth, times: int) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_client SET unseen_changes = :times"), {"times": times})


@pytest.mark.parametrize("before", [MAX_UNREVIEWED_CHANGES - 4, pytest.param(0, marks=pytest.mark.whole)])
async def test_update_limit_counts_refused_and_accepted_updates(production_oauth, before) -> None:
    program = await register_program(production_oauth)
    await has_tried(production_oauth, before)
    for number in range(before, MAX_UNREVIEWED_CHANGES):
        wrong = {"client_name": "<b>"} if number % 2 else {"client_name": f"Leesapp {number}"}
        assert (await program.put(**wrong)).status_code == (400 if number % 2 else 200)
    for changes in ({"client_name": "<b>"}, {"client_name": "Beter leesbaar"}):
        answer = await program.put(**changes)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert await count_journal_lines(production_oauth) == MAX_UNREVIEWED_CHANGES - before


async def test_update_limit_exceeded_still_allows_reading_and_deletion(production_oauth) -> None:
    program = await register_program(production_oauth)
    await has_tried(production_oauth, MAX_UNREVIEWED_CHANGES)
    assert (await program.put()).status_code == 401
    assert (await program.ask("GET")).status_code == 200
    assert (await program.ask("DELETE")).status_code == 204


async def test_update_limit_holds_for_concurrent_updates(production_oauth) -> None:
    program = await register_program(production_oauth)
    await has_tried(production_oauth, MAX_UNREVIEWED_CHANGES - 2)
    answers = await asyncio.gather(*(program.put(client_name="<b>") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [400, 400, 401, 401, 401]
    assert await count_journal_lines(production_oauth) == 2


@pytest.mark.parametrize("tried", [0, MAX_UNREVIEWED_CHANGES])
async def test_update_limit_is_reset_by_approval(production_oauth, tried) -> None:
    program = await register_program(production_oauth)
    await has_tried(production_oauth, tried)
    await approve_program(production_oauth, program.client_id)
    assert (await program.put(contacts=["wij@voorbeeld.example"])).status_code == 200  # needs no approval
    assert (await program.put(client_name="Andere naam")).status_code == 200  # state is proposed again
    async with unit_of_work(production_oauth.sessions) as session:
        assert await CLIENTS.read_value(session, "unseen_changes") == 0
    assert (await program.put(client_name="Nog een naam")).status_code == 200
