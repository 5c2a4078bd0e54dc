"""Optimistic lock of a bericht read: a change between the two statements shows nothing stale."""

import asyncio

import pytest

from machtiging.access.optimistic_lock import unchanged_since_read
from machtiging.berichtenbox import read_route
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.authority.queries import load_authority
from machtiging.storage.statement import Statement
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import wait_until_blocked
from tests.builders.machtiging import update_machtiging
from tests.builders.rows import READER_MARKS

BERICHTEN_URL = f"{API_PREFIX}/berichten/"
END_MACHTIGING = "UPDATE machtiging SET state = 'ended', ended_at = now(), end_reason = 'ingetrokken' WHERE id = $1"
NEW_ROW_VERSION = "UPDATE machtiging SET purpose = purpose WHERE id = $1"
CLOSE_TOKENS = "UPDATE issued_token SET revoked_at = now()"


@pytest.fixture
def actions_before_write(monkeypatch):
    """Actions to run between the first statement and the write, one per attempt."""
    happening = []
    acting = read_route.read_bericht

    async def after_that(*args, **named):
        if happening:
            await happening.pop()()
        return await acting(*args, **named)

    monkeypatch.setattr(read_route, "read_bericht", after_that)
    return happening


async def get_bericht(world, token, bericht_id):
    async with world.client(token) as client:
        return await client.get(BERICHTEN_URL + bericht_id)


@pytest.mark.parametrize(("change", "code"), [("revoke", "machtiging_beeindigd"), ("pause", "machtiging_gepauzeerd")])
async def test_machtiging_stopped_between_statements_returns_403(world, actions_before_write, change, code):
    bericht_id, under = await world.deliver_letter(inhoud="Geheim"), await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under)
    actions_before_write.append(lambda: getattr(world, change)(under))
    answer = await get_bericht(world, token, bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == [code]
    assert await READER_MARKS.read(world) == []


async def test_token_revoked_between_statements_returns_401(world, superuser_connection, actions_before_write):
    for token in (await world.issue_helper_token(), await world.issue_token(world.citizen)):
        bericht_id = await world.deliver_letter(inhoud="Geheim")
        actions_before_write.append(lambda: superuser_connection.execute(CLOSE_TOKENS))
        answer = await get_bericht(world, token, bericht_id)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_ingetrokken")
        assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == []


async def test_bericht_deleted_between_statements_returns_404(world, superuser_connection, actions_before_write):
    bericht_id = await world.deliver_letter(inhoud="Geheim")
    actions_before_write.append(lambda: superuser_connection.execute("UPDATE bericht SET deleted_at = now()"))
    answer = await get_bericht(world, await world.issue_helper_token(), bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "bericht_onbekend")
    assert "toegestaan" not in await world.reasons("bericht:lezen")


async def test_optimistic_lock_conflict_is_retried_and_journalled_once(
    world, superuser_connection, actions_before_write
):
    bericht_id, under = await world.deliver_letter(), await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under)
    actions_before_write.extend([lambda: superuser_connection.execute(NEW_ROW_VERSION, under)] * 3)
    assert (await get_bericht(world, token, bericht_id)).status_code == 200
    assert actions_before_write == []
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_optimistic_lock_retries_are_limited(world, superuser_connection, actions_before_write):
    bericht_id, under = await world.deliver_letter(inhoud="Geheim"), await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under)
    actions_before_write.extend([lambda: superuser_connection.execute(NEW_ROW_VERSION, under)] * 99)
    answer = await get_bericht(world, token, bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (503, "opslag_niet_bereikbaar")
    assert "Geheim" not in answer.text
    assert await world.reasons("bericht:lezen") == []


async def test_change_of_another_machtiging_is_no_conflict(world, actions_before_write):
    bericht_id, under, other = (
        await world.deliver_letter(),
        await world.grant_machtiging(),
        await world.grant_machtiging(),
    )
    token = await world.issue_token(world.helper, under=under)
    actions_before_write.append(lambda: world.revoke(other))
    assert (await get_bericht(world, token, bericht_id)).status_code == 200


@pytest.mark.parametrize(("how", "status"), [("commit", 403), ("rollback", 200)])
async def test_read_waits_for_concurrent_revocation(world, actions_before_write, how, status):
    bericht_id, under = await world.deliver_letter(), await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under)
    ending = {"state": "ended", "ended_at": world.clock.now(), "end_reason": "ingetrokken"}
    async with world.sessions() as revoking:
        actions_before_write.append(lambda: update_machtiging(revoking, under, **ending))
        reading = asyncio.create_task(get_bericht(world, token, bericht_id))
        await wait_until_blocked(world.sessions, reading)
        await getattr(revoking, how)()
    assert (await reading).status_code == status
    assert len(await world.reasons("bericht:lezen")) == 1


async def test_optimistic_lock_statement_locks_the_machtiging_until_commit(world, database, superuser_connection):
    under = await world.grant_machtiging()
    await world.issue_token(world.helper, under=under)
    jti = await superuser_connection.fetchval("SELECT id FROM issued_token")
    async with unit_of_work(database.sessions) as acting:
        authority = await load_authority(acting, under)
        values = {"jti": jti, "machtiging": under, "version": authority.version}
        assert await Statement(unchanged_since_read(with_machtiging=True)).one_or_none(acting, values) is not None
        ending = asyncio.create_task(superuser_connection.execute(END_MACHTIGING, under))
        await wait_until_blocked(database.sessions, ending)
    await ending
    async with unit_of_work(database.sessions) as later:
        assert await Statement(unchanged_since_read(with_machtiging=True)).one_or_none(later, values) is None
