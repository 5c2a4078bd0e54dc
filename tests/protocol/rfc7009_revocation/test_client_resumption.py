"""Resumption of a suspended client: it gets new tokens; revoked ones stay revoked."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from machtiging.__main__ import main
from machtiging.access.token_lookup import load_token
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth import queries
from machtiging.oauth.suspend_client import resume_client, suspend_client
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import seal_rows
from tests.builders.keys import make_key_directory
from tests.builders.messages import read_claims

CREDENTIALS = {"grant_type": "client_credentials"}


async def moved(oauth, act, client_id):
    async with unit_of_work(oauth.sessions) as session:
        return await act(session, client_id, at=oauth.clock.now())


async def put_in_state(oauth, client_id, state) -> None:
    async with unit_of_work(oauth.sessions) as session:
        await session.execute(
            text("UPDATE oauth_client SET state = :s WHERE client_id = :c"), {"s": state, "c": client_id}
        )
        await seal_rows(session)


async def is_active(oauth, client_id) -> bool:
    async with unit_of_work(oauth.sessions) as session:
        return await queries.find_active_client(session, client_id) is not None


async def test_resumed_client_gets_new_tokens_and_old_ones_stay_revoked(oauth) -> None:
    agency = await oauth.register_agency()
    old = (await agency.post("/token", CREDENTIALS)).json()["access_token"]
    await moved(oauth, suspend_client, agency.client_id)
    assert (await agency.post("/token", CREDENTIALS)).status_code == 401
    assert await moved(oauth, resume_client, agency.client_id) is True
    new = (await agency.post("/token", CREDENTIALS)).json()["access_token"]
    async with unit_of_work(oauth.sessions) as session:
        states = [await load_token(session, read_claims(token)["jti"]) for token in (old, new)]
    assert [state.is_active_at(oauth.clock.now()) for state in states] == [False, True]


async def test_resumption_is_journalled_once(oauth) -> None:
    agency = await oauth.register_agency()
    await moved(oauth, suspend_client, agency.client_id)
    assert [await moved(oauth, resume_client, agency.client_id) for _ in range(2)] == [True, False]
    (line,) = await oauth.lines("client:hervat")
    assert (line.client_id, line.actor_id, line.outcome) == (agency.client_id, None, "done")


async def test_resumption_of_active_client_changes_nothing(oauth) -> None:
    agency = await oauth.register_agency()
    assert await moved(oauth, resume_client, agency.client_id) is False
    assert await oauth.lines("client:hervat") == []


async def test_resumption_of_unapproved_client_is_rejected(oauth) -> None:
    agency = await oauth.register_agency()
    await put_in_state(oauth, agency.client_id, "proposed")
    with pytest.raises(Conflict, match="client_niet_geschorst"):
        await moved(oauth, resume_client, agency.client_id)
    assert not await is_active(oauth, agency.client_id)
    assert await oauth.lines("client:hervat") == []


async def test_resumption_of_unknown_client_is_rejected(oauth) -> None:
    with pytest.raises(NotFound, match="client_onbekend"):
        await moved(oauth, resume_client, "bestaat-niet")


async def test_resumption_leaves_other_clients_suspended(oauth) -> None:
    first, second = await oauth.register_agency(), await oauth.register_agency(client_name="Andere postkamer")
    for app in (first, second):
        await moved(oauth, suspend_client, app.client_id)
    await moved(oauth, resume_client, first.client_id)
    assert [await is_active(oauth, app.client_id) for app in (first, second)] == [True, False]


async def test_resume_command_prints_its_result(oauth, database, monkeypatch, capsys, tmp_path) -> None:
    agency = await oauth.register_agency()
    await moved(oauth, suspend_client, agency.client_id)
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(make_key_directory(tmp_path / "keys")))
    monkeypatch.setenv("MACHTIGING_DATABASE_URL", database.url)
    for told in ("takes part again", "was not suspended"):
        assert await asyncio.to_thread(main, ["clients", "resume", agency.client_id]) == 0
        assert told in capsys.readouterr().err
    await put_in_state(oauth, agency.client_id, "proposed")
    for client_id, code in (("bestaat-niet", "client_onbekend"), (agency.client_id, "client_niet_geschorst")):
        assert await asyncio.to_thread(main, ["clients", "resume", client_id]) == 1
        assert code in capsys.readouterr().err
