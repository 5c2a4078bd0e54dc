"""Database failure during a request. No 200 without a commit, no bericht without its journal line."""

import asyncio

import pytest
from sqlalchemy import event

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from tests.builders.applications import replace_services
from tests.builders.keys import load_keyring
from tests.builders.letters import build_upload_parts, make_bericht, make_pdf
from tests.builders.machtiging import update_machtiging
from tests.builders.rows import READER_MARKS, READERS

BERICHTEN_URL = f"{API_PREFIX}/berichten/"


@pytest.fixture
async def world_with_lock_timeout(world, database):
    """The same application on connections with a short lock timeout."""
    engine = make_engine(database.url, DatabaseRole.SERVICE, pool_size=4)

    @event.listens_for(engine.sync_engine, "connect")
    def impatiently(connection, _):
        connection.run_async(lambda driver: driver.execute("SET lock_timeout = '20ms'"))

    replace_services(world.app, sessions=make_sessions(engine, load_keyring()))
    yield world
    await engine.dispose()


def is_unreachable(answer):
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "opslag_niet_bereikbaar"
    assert answer.headers["retry-after"] == "5"
    assert "asyncpg" not in answer.text
    return True


async def test_row_65_bericht_read_with_locked_journal_returns_503(world_with_lock_timeout, superuser_connection):
    bericht_id = await world_with_lock_timeout.deliver_letter(inhoud="Geheim")
    token = await world_with_lock_timeout.issue_helper_token()
    async with world_with_lock_timeout.client(token) as client:
        async with superuser_connection.transaction():
            await superuser_connection.execute("LOCK TABLE journal_intake IN ACCESS EXCLUSIVE MODE")
            for path in (API_PREFIX + "/berichten", BERICHTEN_URL + bericht_id):
                answer = await client.get(path)
                assert is_unreachable(answer)
                assert "Geheim" not in answer.text
        assert await READER_MARKS.read(world_with_lock_timeout) == []
        assert (await client.get(BERICHTEN_URL + bericht_id)).status_code == 200
    assert await world_with_lock_timeout.reasons("bericht:lezen") == ["toegestaan"]


async def test_row_65_aanlevering_with_unwritable_journal_returns_503(world_with_lock_timeout, superuser_connection):
    await superuser_connection.execute("REVOKE INSERT ON journal_intake FROM machtiging_service")
    async with world_with_lock_timeout.client(
        await world_with_lock_timeout.issue_token(oin="00000099000000001000")
    ) as client:
        pdf = ("a.pdf", make_pdf(), "application/pdf")
        assert is_unreachable(
            await client.post(API_PREFIX + "/aanleveringen", files=build_upload_parts(make_bericht(kenmerk="K1"), pdf))
        )
        for table in ("bericht", "bijlage", "bijlage_part"):
            assert await READERS[table].count(world_with_lock_timeout) == 0
        await superuser_connection.execute("GRANT INSERT ON journal_intake TO machtiging_service")
        answer = await client.post(
            API_PREFIX + "/aanleveringen", files=build_upload_parts(make_bericht(kenmerk="K1"), pdf)
        )
    assert answer.status_code == 201


async def test_failed_commit_returns_503_without_bericht(world, superuser_connection):
    bericht_id, token = await world.deliver_letter(inhoud="Geheim"), await world.issue_helper_token()
    await superuser_connection.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;"
        "CREATE CONSTRAINT TRIGGER fails_at_commit AFTER INSERT ON journal_intake DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    async with world.client(token) as client:
        answer = await client.get(BERICHTEN_URL + bericht_id)
        assert is_unreachable(answer)
        assert "Geheim" not in answer.text
        assert await READER_MARKS.read(world) == []
        for change in (
            client.delete(BERICHTEN_URL + bericht_id),
            client.patch(BERICHTEN_URL + bericht_id, json={"gelezen": True}),
        ):
            assert is_unreachable(await change)


async def test_killed_database_backend_returns_503_and_next_request_succeeds(world, superuser_connection):
    bericht_id, token = await world.deliver_letter(), await world.issue_helper_token()
    async with world.client(token) as client:
        held = superuser_connection.transaction()
        await held.start()
        await superuser_connection.execute("LOCK TABLE journal_intake IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(client.get(BERICHTEN_URL + bericht_id))
        killed = 0
        while not killed:
            await asyncio.sleep(0.02)
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            for row in await superuser_connection.fetch(waiting):
                killed += await superuser_connection.fetchval("SELECT pg_terminate_backend($1)", row["pid"])
        assert is_unreachable(await asking)
        await held.rollback()
        assert (await client.get(BERICHTEN_URL + bericht_id)).status_code == 200
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_killed_connections_return_503_or_200_and_are_journalled(world, superuser_connection):
    bericht_id, token = await world.deliver_letter(), await world.issue_helper_token()
    async with world.client(token) as client:
        await client.get(BERICHTEN_URL + bericht_id)
        everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await superuser_connection.execute(everybody + " AND pid <> pg_backend_pid()")
        answers = [await client.get(BERICHTEN_URL + bericht_id) for _ in range(7)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200
    answered = 1 + sum(answer.status_code == 200 for answer in answers)
    assert await world.reasons("bericht:lezen") == ["toegestaan"] * answered


async def test_row_46_concurrent_revocation_blocks_bericht_read(world_with_lock_timeout):
    bericht_id, under = await world_with_lock_timeout.deliver_letter(), await world_with_lock_timeout.grant_machtiging()
    token = await world_with_lock_timeout.issue_token(world_with_lock_timeout.helper, under=under)
    async with world_with_lock_timeout.client(token) as client:
        assert (await client.get(BERICHTEN_URL + bericht_id)).status_code == 200
        ending = {"state": "ended", "ended_at": world_with_lock_timeout.clock.now(), "end_reason": "ingetrokken"}
        async with world_with_lock_timeout.sessions() as revoking:
            await update_machtiging(revoking, under, **ending)
            assert is_unreachable(await client.get(BERICHTEN_URL + bericht_id))
            await revoking.commit()
        answer = await client.get(BERICHTEN_URL + bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (403, "machtiging_beeindigd")


async def test_aanlevering_with_failed_bijlage_insert_is_rolled_back(world, superuser_connection):
    await superuser_connection.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.number = 1 THEN RAISE 'disk full'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER fails BEFORE INSERT ON bijlage_part FOR EACH ROW EXECUTE FUNCTION no()"
    )
    large = ("a.pdf", make_pdf(3 * 1024 * 1024), "application/pdf")
    async with world.client(await world.issue_token(oin="00000099000000001000")) as client:
        assert is_unreachable(
            await client.post(API_PREFIX + "/aanleveringen", files=build_upload_parts(make_bericht(), large))
        )
    async with world.sessions() as session:
        for table in ("bericht", "bijlage", "bijlage_part"):
            assert await READERS[table].count(session) == 0
