"""Suspension of a client. It is unknown from then on and all its tokens are revoked; consents stay."""

from __future__ import annotations

import asyncio

import pytest

from machtiging.__main__ import main
from machtiging.access.token_lookup import load_token
from machtiging.kernel.errors import NotFound
from machtiging.oauth import queries
from machtiging.oauth.suspend_client import suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.keys import make_key_directory
from tests.builders.messages import read_claims
from tests.builders.rows import MACHTIGINGEN

CREDENTIALS = {"grant_type": "client_credentials"}


async def suspend_app(oauth, app) -> int:
    async with unit_of_work(oauth.sessions) as session:
        return await suspend_client(session, app.client_id, at=oauth.clock.now())


async def revoked(oauth, token) -> bool:
    async with unit_of_work(oauth.sessions) as session:
        return (await load_token(session, read_claims(token)["jti"])).revoked_at is not None


async def test_suspension_revokes_all_tokens_of_that_client_only(oauth) -> None:
    flow, agency = await oauth.start_flow(), await oauth.register_agency()
    first, second = [(await flow.tokens())["access_token"] for _ in range(2)]
    other = (await agency.post("/token", CREDENTIALS)).json()["access_token"]
    assert await suspend_app(oauth, flow.app) == 2
    assert [await revoked(oauth, token) for token in (first, second, other)] == [True, True, False]
    assert (await agency.post("/token", CREDENTIALS)).status_code == 200


async def test_suspended_client_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    await suspend_app(oauth, flow.app)
    for answer in (await flow.redeem(code), await flow.push()):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_suspension_keeps_consents_and_machtiging(oauth) -> None:
    flow = await oauth.start_flow()
    await flow.tokens()
    await suspend_app(oauth, flow.app)
    assert await oauth.lines("grant:beeindigd") == []
    async with unit_of_work(oauth.sessions) as session:
        assert len(await queries.list_active_grants(session, oauth.committed.people.son)) == 1
        assert await MACHTIGINGEN.read_value(session, "state") == "active"


async def test_suspension_is_journalled_once_with_token_count(oauth) -> None:
    flow = await oauth.start_flow()
    await flow.tokens()
    assert [await suspend_app(oauth, flow.app) for _ in range(2)] == [1, 0]
    (line,) = await oauth.lines("client:geschorst")
    assert (line.client_id, line.actor_id, line.facts) == (flow.app.client_id, None, {"tokens": 1})


async def test_suspension_of_unknown_client_is_rejected(oauth) -> None:
    async with oauth.sessions() as session:
        with pytest.raises(NotFound, match="client_onbekend"):
            await suspend_client(session, "bestaat-niet", at=oauth.clock.now())


async def test_suspension_waits_for_concurrent_token_issuance(oauth) -> None:
    agency = await oauth.register_agency()
    async with unit_of_work(oauth.sessions) as session:
        assert await queries.lock_active_client(session, agency.client_id)
        waiting = asyncio.create_task(suspend_app(oauth, agency))
        await wait_until_blocked(oauth.sessions, waiting)
    await waiting
    async with unit_of_work(oauth.sessions) as session:
        assert not await queries.lock_active_client(session, agency.client_id)


async def test_token_issuance_during_suspension_is_rejected(oauth) -> None:
    agency = await oauth.register_agency()
    async with unit_of_work(oauth.sessions) as session:
        await suspend_client(session, agency.client_id, at=oauth.clock.now())
        issuing = asyncio.create_task(agency.post("/token", CREDENTIALS))
        await wait_until_blocked(oauth.sessions, issuing)
    answer = await issuing
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_suspend_command_prints_its_result(oauth, database, monkeypatch, capsys, tmp_path) -> None:
    agency = await oauth.register_agency()
    token = (await agency.post("/token", CREDENTIALS)).json()["access_token"]
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", database.url)
    assert await asyncio.to_thread(main, ["clients", "suspend", agency.client_id]) == 0
    assert "1 token" in capsys.readouterr().err
    assert await revoked(oauth, token)
    assert await asyncio.to_thread(main, ["clients", "suspend", "bestaat-niet"]) == 1
    assert "client_onbekend" in capsys.readouterr().err
