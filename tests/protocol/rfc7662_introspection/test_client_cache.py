"""Introspection by a cached client, re-checked in the statement that answers.

So changes hold at once.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.client import make_agency_metadata, make_client_assertion, make_client_keys
from tests.builders.database import seal_rows
from tests.builders.messages import ASSERTION_TYPE
from tests.builders.rows import CLIENTS

INACTIVE = {"active": False}
CHANGING = "UPDATE oauth_client SET registration = CAST(:new AS jsonb) WHERE client_id = :client_id"


@pytest.fixture
async def token(oauth) -> str:
    flow = await oauth.start_flow()
    return (await flow.tokens())["access_token"]


@pytest.fixture
async def cached_resource_server(oauth, token):
    """A resource server that is in the client cache."""
    keys = make_client_keys()
    server = await oauth.add(make_agency_metadata(keys, client_name="Magazijn", scope="", resource_server=True), keys)
    assert (await ask(server, token)).json()["active"] is True
    return server


async def ask(app, token, **changes):
    return await app.post("/introspect", {"token": token, **changes})


async def change(oauth, app, **members):
    async with unit_of_work(oauth.sessions) as session:
        registration = await CLIENTS.read_value(session, "registration", client_id=app.client_id)
        new = json.dumps(registration | members)
        await session.execute(text(CHANGING), {"new": new, "client_id": app.client_id})
        await seal_rows(session)


async def state_of_client(oauth, app, state):
    async with unit_of_work(oauth.sessions) as session:
        wanted = {"state": state, "client_id": app.client_id}
        await session.execute(text("UPDATE oauth_client SET state = :state WHERE client_id = :client_id"), wanted)
        await seal_rows(session)


async def test_introspection_after_key_change_uses_the_new_key(oauth, cached_resource_server, token) -> None:
    new = make_client_keys()
    await change(oauth, cached_resource_server, jwks=new.jwks)
    assert (await ask(cached_resource_server, token)).status_code == 401
    renewed = replace(cached_resource_server, keys=new)
    assert (await ask(renewed, token)).json()["active"] is True
    assert (await ask(cached_resource_server, token)).status_code == 401
    assert (await ask(renewed, token)).json()["active"] is True


async def test_introspection_by_suspended_client_is_rejected_until_resumed(
    oauth, cached_resource_server, token
) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, cached_resource_server.client_id, at=oauth.clock.now())
    refused = await ask(cached_resource_server, token)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    await state_of_client(oauth, cached_resource_server, "active")
    assert (await ask(cached_resource_server, token)).json()["active"] is True


async def test_introspection_by_former_resource_server_is_inactive_at_once(
    oauth, cached_resource_server, token
) -> None:
    await change(oauth, cached_resource_server, resource_server=False)
    assert (await ask(cached_resource_server, token)).json() == INACTIVE


async def test_introspection_with_replayed_assertion_is_rejected(oauth, cached_resource_server, token) -> None:
    proof = make_client_assertion(cached_resource_server.keys, cached_resource_server.client_id, oauth.clock)
    answers = [await ask(cached_resource_server, token, client_assertion=proof) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]


async def test_introspection_with_one_assertion_concurrently_is_answered_once(
    oauth, cached_resource_server, token
) -> None:
    proof = make_client_assertion(cached_resource_server.keys, cached_resource_server.client_id, oauth.clock)
    answers = await asyncio.gather(*(ask(cached_resource_server, token, client_assertion=proof) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_introspection_with_wrong_key_is_rejected_and_does_not_lock_out_the_client(
    oauth, cached_resource_server, token
) -> None:
    stranger = replace(cached_resource_server, keys=make_client_keys())
    for _ in range(3):
        refused = await ask(stranger, token)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert (await ask(cached_resource_server, token)).json()["active"] is True


async def test_introspection_with_assertion_of_another_client_is_rejected(oauth, cached_resource_server, token) -> None:
    other = await oauth.register_agency()
    proof = make_client_assertion(other.keys, other.client_id, oauth.clock)
    form = {"token": token, "client_id": cached_resource_server.client_id, "client_assertion_type": ASSERTION_TYPE}
    answer = await cached_resource_server.http.post("/introspect", data={**form, "client_assertion": proof})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_introspection_of_ended_grant_is_inactive_at_once(oauth, cached_resource_server, token) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(text("UPDATE oauth_grant SET ended_at = now(), end_reason = 'door_burger'"))
    assert (await ask(cached_resource_server, token)).json() == INACTIVE
