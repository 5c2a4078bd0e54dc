"""Lines of every format in one journal, also those of the schema before."""

import hashlib
import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from machtiging.audit.journal import record
from machtiging.audit.rules import HEAD_ALGORITHM, HEAD_TYPE
from machtiging.audit.seal import seal_intake
from machtiging.audit.verification import verify_journal
from machtiging.kernel.errors import Fault
from machtiging.storage.engine import DatabaseRole, make_engine
from machtiging.storage.migration_runner import migrate_schema
from tests.builders.database import Database, bypass_triggers
from tests.builders.keys import load_keyring
from tests.builders.rows import JOURNAL, JOURNAL_INTAKE
from tests.storage.audit.journal_lines import SOMEBODY, make_journal_line, record_journal_lines
from tests.storage.foundation.test_migrations import migrated_url

__all__ = ["migrated_url"]
BEFORE = "0020"
# As the version before wrote, hashed and moved its lines.
COLUMNS_BEFORE = (
    *("id", "occurred_at", "act", "outcome", "reason", "actor_id", "capacity", "client_id", "for_person_id"),
    *("machtiging_id", "object_kind", "object_id", "policy_digest", "request_id", "facts"),
)
INSERT_BEFORE = (
    "INSERT INTO journal_intake (id, occurred_at, act, outcome, reason, for_person_id, request_id, facts) "
    "VALUES (:id, '2026-11-01 12:00:00.5+00', 'bericht:lezen', 'allowed', 'regel_1', :person, 'r', '{\"a\": 1.10}')"
)
MOVE_BEFORE = (
    f"INSERT INTO journal ({', '.join(COLUMNS_BEFORE)}, seq, previous_hash, hash) "
    f"SELECT {', '.join(COLUMNS_BEFORE)}, :seq, :previous, :hash FROM journal_intake WHERE id = :id"
)


def hash_before(previous, seq, line_id):
    document = dict.fromkeys(COLUMNS_BEFORE) | {
        "id": str(line_id),
        "occurred_at": "1793534400.500000",
        "act": "bericht:lezen",
        "outcome": "allowed",
        "reason": "regel_1",
        "for_person_id": str(SOMEBODY),
        "request_id": "r",
        "facts": '{"a": 1.10}',
        "seq": seq,
        "previous": previous.hex(),
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


@pytest.fixture
async def database_before(migrated_url):
    """A database at the schema before journal formats, with engines of both roles."""
    await migrate_schema(migrated_url, BEFORE)
    service, sealer = (
        make_engine(migrated_url, role, pool_size=2) for role in (DatabaseRole.SERVICE, DatabaseRole.SEALER)
    )
    yield Database(migrated_url, service, sealer)
    await service.dispose()
    await sealer.dispose()


async def insert_lines_before(database, count):
    ids = [uuid4() for _ in range(count)]
    async with database.service.begin() as connection:
        for line_id in ids:
            await connection.execute(text(INSERT_BEFORE), {"id": line_id, "person": SOMEBODY})
    return ids


async def seal_lines_before(database, clock, ids):
    """Seal as the version before did: move and delete the lines, sign the head."""
    previous, keyring = bytes(32), load_keyring()
    async with database.sealer.begin() as connection:
        for seq, line_id in enumerate(ids, 1):
            made = hash_before(previous, seq, line_id)
            values = {"seq": seq, "previous": previous, "hash": made, "id": line_id}
            await connection.execute(text(MOVE_BEFORE), values)
            await connection.execute(text("DELETE FROM journal_intake WHERE id = :id"), {"id": line_id})
            previous = made
        claims = {"seq": len(ids), "hash": previous.hex(), "previous": 0, "signed_at": clock.now().isoformat()}
        signature = keyring.sign_jwt(claims, typ=HEAD_TYPE, alg=HEAD_ALGORITHM)
        head = "INSERT INTO journal_head VALUES (:seq, :hash, :at, :signature)"
        values = {"seq": len(ids), "hash": previous, "at": clock.now(), "signature": signature}
        await connection.execute(text(head), values)


async def count_problems(database):
    report = await verify_journal(database.service, load_keyring())
    assert report.deviations == ()
    return [(problem.kind.value, problem.seq) for problem in report.problems]


async def test_lines_sealed_before_and_after_the_migration_verify_in_one_chain(database_before, clock):
    await seal_lines_before(database_before, clock, await insert_lines_before(database_before, 3))
    await insert_lines_before(database_before, 2)
    await migrate_schema(database_before.url)
    assert await count_problems(database_before) == []
    await record_journal_lines(database_before, clock, 2, on_behalf_of=UUID(int=5))
    assert await seal_intake(database_before.sealer, load_keyring(), clock) == 4
    assert await count_problems(database_before) == []
    async with database_before.service.connect() as connection:
        formats = await JOURNAL.read_column(connection, "format", order_by="seq")
    assert formats == [1, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("column", ["on_behalf_of = gen_random_uuid()", "trace_id = repeat('f', 32)", "format = 2"])
async def test_line_of_format_1_with_newer_content_is_reported(database_before, clock, column):
    await seal_lines_before(database_before, clock, await insert_lines_before(database_before, 3))
    await migrate_schema(database_before.url)
    async with bypass_triggers(database_before) as superuser:
        await superuser.execute(text("ALTER TABLE journal DROP CONSTRAINT journal_format_columns_check"))
        await superuser.execute(text(f"UPDATE journal SET {column} WHERE seq = 2"))
    report = await verify_journal(database_before.service, load_keyring())
    assert [(problem.kind.value, problem.seq) for problem in report.problems] == [("veranderd", 2)]


async def test_worker_of_the_version_before_still_writes_lines(database, clock):
    await insert_lines_before(database, 2)
    assert await seal_intake(database.sealer, load_keyring(), clock) == 2
    assert await count_problems(database) == []


async def test_sealer_of_the_version_before_cannot_move_a_newer_line(database, clock):
    (line_id,) = await record_journal_lines(database, clock, 1)
    values = {"seq": 1, "previous": bytes(32), "hash": bytes(32), "id": line_id}
    with pytest.raises(Exception, match="append-only"):
        async with database.sealer.begin() as connection:
            await connection.execute(text(MOVE_BEFORE), values)
            await connection.execute(text("DELETE FROM journal_intake WHERE id = :id"), {"id": line_id})
    assert await seal_intake(database.sealer, load_keyring(), clock) == 1
    assert await count_problems(database) == []


async def test_line_of_later_format_waits_and_blocks_no_other_line(database, clock):
    await insert_lines_before(database, 1)
    async with database.service.begin() as connection:
        later = INSERT_BEFORE.replace("(id,", "(format, id,").replace("(:id,", "(3, :id,")
        await connection.execute(text(later), {"id": uuid4(), "person": SOMEBODY})
    assert await seal_intake(database.sealer, load_keyring(), clock) == 1
    async with database.service.connect() as connection:
        assert await JOURNAL_INTAKE.read_column(connection, "format") == [3]
    assert await count_problems(database) == []


@pytest.mark.parametrize("sealed", [True, False])
async def test_downgrade_that_breaks_newer_lines_is_refused(database_before, clock, sealed):
    await migrate_schema(database_before.url)
    async with database_before.sessions.begin() as session:
        await record(session, make_journal_line(), at=clock.now())
    if sealed:
        await seal_intake(database_before.sealer, load_keyring(), clock)
    with pytest.raises(Fault, match="journaal_nieuwere_vorm"):
        await migrate_schema(database_before.url, BEFORE)
    await seal_intake(database_before.sealer, load_keyring(), clock)
    assert await count_problems(database_before) == []


async def test_downgrade_to_base_with_newer_lines_removes_the_journal(database_before, clock):
    await migrate_schema(database_before.url)
    await record_journal_lines(database_before, clock, 1)
    await migrate_schema(database_before.url, "base")
    await migrate_schema(database_before.url)
    assert await count_problems(database_before) == []


async def test_downgrade_with_lines_of_format_1_keeps_the_chain(database_before, clock):
    await migrate_schema(database_before.url)
    await insert_lines_before(database_before, 2)
    await seal_intake(database_before.sealer, load_keyring(), clock)
    await migrate_schema(database_before.url, BEFORE)
    await migrate_schema(database_before.url)
    assert await count_problems(database_before) == []
