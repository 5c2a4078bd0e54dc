"""The journal is append-only in the database, for every role including the owner."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from machtiging.audit.journal import record
from machtiging.audit.seal import seal_intake
from machtiging.kernel.errors import NotAllowed
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import load_keyring
from tests.storage.audit.journal_lines import make_journal_line, record_journal_lines

CHANGES = {
    "journal": "UPDATE journal SET reason = 'x'",
    "journal_head": "UPDATE journal_head SET signature = 'x'",
    "journal_intake": "UPDATE journal_intake SET reason = 'x'",
}


async def assert_refused(database, role, *statements, because="permission denied|append-only"):
    engine = make_engine(database.url, role, pool_size=1)
    try:
        with pytest.raises(DBAPIError, match=because):
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def record_sealed_and_waiting_lines(database, clock):
    await record_journal_lines(database, clock, 1)
    await seal_intake(database.sealer, load_keyring(), clock)
    await record_journal_lines(database, clock, 1)


@pytest.mark.parametrize("role", list(DatabaseRole))
@pytest.mark.parametrize("table", CHANGES)
async def test_journal_update_is_rejected_for_every_role(database, clock, role, table):
    await record_sealed_and_waiting_lines(database, clock)
    await assert_refused(database, role, CHANGES[table])


@pytest.mark.parametrize("role", list(DatabaseRole))
@pytest.mark.parametrize("table", CHANGES)
async def test_journal_delete_is_rejected_for_every_role(database, clock, role, table):
    await record_sealed_and_waiting_lines(database, clock)
    await assert_refused(database, role, f"DELETE FROM {table}")


@pytest.mark.parametrize("role", list(DatabaseRole))
@pytest.mark.parametrize("table", CHANGES)
async def test_journal_truncate_is_rejected_for_every_role(database, role, table):
    await assert_refused(database, role, f"TRUNCATE {table}")


@pytest.mark.parametrize("role", [DatabaseRole.SERVICE, DatabaseRole.SEALER])
async def test_disabling_journal_triggers_is_rejected(database, role):
    await assert_refused(
        database, role, "ALTER TABLE journal DISABLE TRIGGER ALL", because="must be owner|permission denied"
    )
    await assert_refused(database, role, "SET session_replication_role = replica", because="permission denied")


async def test_moving_line_with_changed_content_to_journal_is_rejected(database, clock):
    await record_journal_lines(database, clock, 1)
    await assert_refused(
        database,
        DatabaseRole.SEALER,
        "INSERT INTO journal SELECT id, occurred_at, act, outcome, 'softened', actor_id, capacity, client_id, "
        "for_person_id, machtiging_id, object_kind, object_id, policy_digest, request_id, facts, 1, "
        "decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') FROM journal_intake",
        "DELETE FROM journal_intake",
        because="append-only",
    )


async def test_sealing_as_service_role_is_rejected(database):
    await assert_refused(
        database,
        DatabaseRole.SERVICE,
        "INSERT INTO journal_head VALUES (1, decode(repeat('00', 32), 'hex'), now(), 'x')",
    )
    await assert_refused(database, DatabaseRole.SERVICE, "DELETE FROM journal_intake")


async def test_intake_insert_as_sealer_role_is_rejected(database):
    await assert_refused(
        database,
        DatabaseRole.SEALER,
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
        "VALUES (gen_random_uuid(), now(), 'a', 'done', 'b', 'c', '{}')",
    )


@pytest.mark.parametrize("column", ["act", "reason"])
async def test_journal_line_without_act_or_reason_is_rejected(database, column):
    values = {"act": "a", "reason": "b"} | {column: ""}
    await assert_refused(
        database,
        DatabaseRole.SERVICE,
        "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, request_id, facts) "
        f"VALUES (gen_random_uuid(), now(), '{values['act']}', 'done', '{values['reason']}', 'c', '{{}}')",
        because="check constraint",
    )


async def count(database):
    async with database.service.connect() as connection:
        return await connection.scalar(text("SELECT count(*) FROM journal_intake"))


async def test_journal_line_of_refusal_is_committed(database, clock):
    with pytest.raises(NotAllowed):
        async with unit_of_work(database.sessions) as session:
            await record(session, make_journal_line(), at=clock.now())
            raise NotAllowed("handeling_niet_toegestaan")
    assert await count(database) == 1


async def test_journal_line_of_fault_is_rolled_back(database, clock):
    with pytest.raises(ZeroDivisionError):
        async with unit_of_work(database.sessions) as session:
            await record(session, make_journal_line(), at=clock.now())
            raise ZeroDivisionError
    assert await count(database) == 0
