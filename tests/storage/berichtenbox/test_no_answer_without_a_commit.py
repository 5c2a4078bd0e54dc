"""The database locked, gone or killed during a request: no 200 without a commit, no letter without its line."""

import asyncio

import pytest
from sqlalchemy import event, text

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from tests.builders.applications import replace_services
from tests.builders.berichtenbox import a_bericht, a_pdf, parts
from tests.builders.crypto import a_keyring

WHERE = f"{API_PREFIX}/berichten/"


@pytest.fixture
async def impatient(world, database):
    """The same application, on connections that wait only a moment for a lock."""
    engine = make_engine(database.url, DatabaseRole.SERVICE, pool_size=4)

    @event.listens_for(engine.sync_engine, "connect")
    def impatiently(connection, _):
        connection.run_async(lambda driver: driver.execute("SET lock_timeout = '20ms'"))

    replace_services(world.app, sessions=make_sessions(engine, a_keyring()))
    yield world
    await engine.dispose()


def is_unreachable(answer):
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "opslag_niet_bereikbaar"
    assert answer.headers["retry-after"] == "5"
    assert "asyncpg" not in answer.text
    return True


async def test_row_65_a_journal_that_cannot_be_written_means_nothing_is_read(impatient, outsider):
    bericht_id = await impatient.letter(inhoud="Geheim")
    token = await impatient.helper_token()
    async with impatient.client(token) as client:
        async with outsider.transaction():
            await outsider.execute("LOCK TABLE journal_intake IN ACCESS EXCLUSIVE MODE")
            for path in (API_PREFIX + "/berichten", WHERE + bericht_id):
                answer = await client.get(path)
                assert is_unreachable(answer)
                assert "Geheim" not in answer.text
        assert await impatient.rows("SELECT * FROM reader_mark") == []
        assert (await client.get(WHERE + bericht_id)).status_code == 200
    assert await impatient.reasons("bericht:lezen") == ["toegestaan"]


async def test_row_65_a_journal_that_refuses_lines_means_nothing_is_delivered(impatient, outsider):
    await outsider.execute("REVOKE INSERT ON journal_intake FROM machtiging_service")
    async with impatient.client(await impatient.token(oin="00000099000000001000")) as client:
        pdf = ("a.pdf", a_pdf(), "application/pdf")
        assert is_unreachable(
            await client.post(API_PREFIX + "/aanleveringen", files=parts(a_bericht(kenmerk="K1"), pdf))
        )
        for table in ("bericht", "bijlage", "bijlage_part"):
            assert (await impatient.rows(f"SELECT count(*) FROM {table}"))[0][0] == 0
        await outsider.execute("GRANT INSERT ON journal_intake TO machtiging_service")
        answer = await client.post(API_PREFIX + "/aanleveringen", files=parts(a_bericht(kenmerk="K1"), pdf))
    assert answer.status_code == 201


async def test_a_commit_that_fails_shows_nothing_and_marks_nothing(world, outsider):
    bericht_id, token = await world.letter(inhoud="Geheim"), await world.helper_token()
    await outsider.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;"
        "CREATE CONSTRAINT TRIGGER fails_at_commit AFTER INSERT ON journal_intake DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    async with world.client(token) as client:
        answer = await client.get(WHERE + bericht_id)
        assert is_unreachable(answer)
        assert "Geheim" not in answer.text
        assert await world.rows("SELECT * FROM reader_mark") == []
        for change in (client.delete(WHERE + bericht_id), client.patch(WHERE + bericht_id, json={"gelezen": True})):
            assert is_unreachable(await change)


async def test_a_backend_that_is_killed_during_the_request_gives_503_and_the_next_request_works(world, outsider):
    bericht_id, token = await world.letter(), await world.helper_token()
    async with world.client(token) as client:
        held = outsider.transaction()
        await held.start()
        await outsider.execute("LOCK TABLE journal_intake IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(client.get(WHERE + bericht_id))
        killed = 0
        while not killed:
            await asyncio.sleep(0.02)
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            for row in await outsider.fetch(waiting):
                killed += await outsider.fetchval("SELECT pg_terminate_backend($1)", row["pid"])
        assert is_unreachable(await asking)
        await held.rollback()
        assert (await client.get(WHERE + bericht_id)).status_code == 200
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_after_every_connection_was_killed_the_next_request_is_refused_or_answered_but_never_half(
    world, outsider
):
    bericht_id, token = await world.letter(), await world.helper_token()
    async with world.client(token) as client:
        await client.get(WHERE + bericht_id)
        everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        await outsider.execute(everybody + " AND pid <> pg_backend_pid()")
        answers = [await client.get(WHERE + bericht_id) for _ in range(7)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200
    answered = 1 + sum(answer.status_code == 200 for answer in answers)
    assert await world.reasons("bericht:lezen") == ["toegestaan"] * answered


async def test_row_46_a_revocation_waits_for_the_answer_under_way_and_then_closes(impatient, outsider):
    bericht_id, under = await impatient.letter(), await impatient.machtiging()
    token = await impatient.token(impatient.helper, under=under)
    async with impatient.client(token) as client:
        assert (await client.get(WHERE + bericht_id)).status_code == 200
        revoking = outsider.transaction()
        await revoking.start()
        end = "UPDATE machtiging SET state = 'ended', ended_at = now(), end_reason = 'ingetrokken' WHERE id = $1"
        await outsider.execute(end, under)
        assert is_unreachable(await client.get(WHERE + bericht_id))
        await revoking.commit()
        answer = await client.get(WHERE + bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (403, "machtiging_beeindigd")


async def test_a_letter_that_is_cut_short_by_the_database_is_not_there(world, outsider):
    await outsider.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.number = 1 THEN RAISE 'disk full'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER fails BEFORE INSERT ON bijlage_part FOR EACH ROW EXECUTE FUNCTION no()"
    )
    large = ("a.pdf", a_pdf(3 * 1024 * 1024), "application/pdf")
    async with world.client(await world.token(oin="00000099000000001000")) as client:
        assert is_unreachable(await client.post(API_PREFIX + "/aanleveringen", files=parts(a_bericht(), large)))
    async with world.sessions() as session:
        for table in ("bericht", "bijlage", "bijlage_part"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
