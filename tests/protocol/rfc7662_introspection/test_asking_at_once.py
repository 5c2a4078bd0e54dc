"""A client that asked before is asked for with its question, in one statement: what changed about it holds at once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from machtiging.oauth.suspend_client import suspend
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.clients import ASSERTION_TYPE, agency_client, assertion, make_client_keys
from tests.builders.query_log import record_queries, strip_ping
from tests.builders.sealing import seal_rows

INACTIVE = {"active": False}
CHANGING = "UPDATE oauth_client SET registration = CAST(:new AS jsonb) WHERE client_id = :client_id"


@pytest.fixture
async def token(oauth) -> str:
    flow = await oauth.flow()
    return (await flow.tokens())["access_token"]


@pytest.fixture
async def known(oauth, token):
    """A resource server that asked before."""
    keys = make_client_keys()
    server = await oauth.add(agency_client(keys, client_name="Magazijn", scope="", resource_server=True), keys)
    assert (await ask(server, token)).json()["active"] is True
    return server


async def ask(app, token, **changes):
    return await app.post("/introspect", {"token": token, **changes})


async def change(oauth, app, **members):
    async with unit_of_work(oauth.sessions) as session:
        row = await session.execute(
            text("SELECT registration FROM oauth_client WHERE client_id = :client_id"), {"client_id": app.client_id}
        )
        new = json.dumps(row.scalar_one() | members)
        await session.execute(text(CHANGING), {"new": new, "client_id": app.client_id})
        await seal_rows(session)


async def state_of_client(oauth, app, state):
    async with unit_of_work(oauth.sessions) as session:
        wanted = {"state": state, "client_id": app.client_id}
        await session.execute(text("UPDATE oauth_client SET state = :state WHERE client_id = :client_id"), wanted)
        await seal_rows(session)


async def test_a_known_client_says_one_thing_to_the_database(known, token, database) -> None:
    with record_queries(database) as heard:
        assert (await ask(known, token)).json()["active"] is True
        await asyncio.sleep(0)  # the driver tells what it was told a moment later
    (at_once,) = strip_ping(heard)
    assert "INSERT INTO used_assertion" in at_once
    for table in ("oauth_client", "issued_token", "oauth_grant", "machtiging"):
        assert table in at_once


async def test_keys_that_were_replaced_hold_at_once(oauth, known, token) -> None:
    new = make_client_keys()
    await change(oauth, known, jwks=new.jwks)
    assert (await ask(known, token)).status_code == 401
    renewed = replace(known, keys=new)
    assert (await ask(renewed, token)).json()["active"] is True
    assert (await ask(known, token)).status_code == 401
    assert (await ask(renewed, token)).json()["active"] is True


async def test_a_client_that_changed_is_known_again_after_one_more_look(oauth, known, token, database) -> None:
    await change(oauth, known, client_name="Ander magazijn")
    said = []
    for _ in range(3):
        with record_queries(database) as heard:
            assert (await ask(known, token)).json()["active"] is True
            await asyncio.sleep(0)
        said.append(len(strip_ping(heard)))
    assert said[0] > said[1]
    assert (said[1], said[2]) == (2, 1)


async def test_a_suspended_client_is_out_at_once_and_in_again_when_it_is_resumed(oauth, known, token) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await suspend(session, known.client_id, at=oauth.clock.now())
    refused = await ask(known, token)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    await state_of_client(oauth, known, "active")
    assert (await ask(known, token)).json()["active"] is True


async def test_who_guards_nothing_any_more_is_told_nothing_at_once(oauth, known, token) -> None:
    await change(oauth, known, resource_server=False)
    assert (await ask(known, token)).json() == INACTIVE


async def test_an_assertion_is_good_for_one_question(oauth, known, token) -> None:
    proof = assertion(known.keys, known.client_id, oauth.clock)
    answers = [await ask(known, token, client_assertion=proof) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]


async def test_of_many_questions_at_the_same_moment_with_one_assertion_one_is_answered(oauth, known, token) -> None:
    proof = assertion(known.keys, known.client_id, oauth.clock)
    answers = await asyncio.gather(*(ask(known, token, client_assertion=proof) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_who_signs_for_a_known_client_without_its_key_is_refused_and_keeps_nobody_out(
    oauth, known, token
) -> None:
    stranger = replace(known, keys=make_client_keys())
    for _ in range(3):
        refused = await ask(stranger, token)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert (await ask(known, token)).json()["active"] is True


async def test_an_assertion_of_another_client_in_the_name_of_a_known_one_is_refused(oauth, known, token) -> None:
    other = await oauth.agency()
    proof = assertion(other.keys, other.client_id, oauth.clock)
    form = {"token": token, "client_id": known.client_id, "client_assertion_type": ASSERTION_TYPE}
    answer = await known.http.post("/introspect", data={**form, "client_assertion": proof})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_what_became_of_the_token_is_told_at_once(oauth, known, token) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_grant SET ended_at = now(), end_reason = 'door_burger'"))
    assert (await ask(known, token)).json() == INACTIVE
