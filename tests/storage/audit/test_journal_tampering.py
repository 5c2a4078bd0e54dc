"""Journal tampering by a superuser with triggers off: verify detects it and names the line."""

import pytest
from sqlalchemy import select, text

from machtiging.audit.canonical import canonical_columns
from machtiging.audit.rules import HEAD_ALGORITHM, HEAD_TYPE, hash_line, head_claims
from machtiging.audit.seal import seal_intake
from machtiging.audit.tables import JournalLine
from machtiging.audit.verification import MAX_PROBLEMS, verify_journal
from machtiging.crypto.key_manifest import KeyKind
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.rotation import rotate_key
from machtiging.storage.columns import table_of
from tests.builders.database import bypass_triggers
from tests.builders.keys import MADE_AT, load_keyring, make_key_directory
from tests.storage.audit.journal_lines import record_journal_lines


async def seal_journal_lines(database, clock, batches=(4, 4)):
    for count in batches:
        await record_journal_lines(database, clock, count, facts={"pogingen": 1})

        await seal_intake(database.sealer, load_keyring(), clock)


async def found(database, **options):
    report = await verify_journal(database.service, load_keyring(), **options)
    assert report.ok == (not report.problems)
    return [(problem.kind.value, problem.seq) for problem in report.problems]


async def tamper(database, *statements):
    async with bypass_triggers(database) as superuser:
        for statement in statements:
            await superuser.execute(text(statement))


OTHER = {
    "id": "gen_random_uuid()",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "act": "'bericht:lijst'",
    "outcome": "'refused'",
    "reason": "'regel_2'",
    "actor_id": "gen_random_uuid()",
    "capacity": "''",
    "client_id": "'x'",
    "for_person_id": "NULL",
    "machtiging_id": "gen_random_uuid()",
    "object_kind": "''",
    "object_id": "NULL",
    "policy_digest": "''",
    "request_id": "request_id || ' '",
    "facts": "'{\"pogingen\": 1.0}'",
    "format": "format + 1",
    "on_behalf_of": "gen_random_uuid()",
    "trace_id": "repeat('f', 32)",
}


@pytest.mark.parametrize("column", OTHER)
async def test_changed_column_is_detected_at_its_line(database, clock, column):
    await seal_journal_lines(database, clock)
    await tamper(database, f"UPDATE journal SET {column} = {OTHER[column]} WHERE seq = 3")
    assert await found(database) == [("veranderd", 3)]


async def test_deleted_line_is_reported_by_number(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(database, "DELETE FROM journal WHERE seq = 3")
    assert await found(database) == [("ontbreekt", 3)]


async def test_deleted_range_is_reported_once(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(database, "DELETE FROM journal WHERE seq BETWEEN 3 AND 6")
    report = await verify_journal(database.service, load_keyring())
    assert [problem.text for problem in report.problems] == ["De regels 3 tot en met 6 ontbreken."]


async def test_deleted_first_lines_are_detected(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(database, "DELETE FROM journal WHERE seq <= 2")
    assert await found(database) == [("ontbreekt", 1)]


async def test_deleted_line_is_detected_after_renumbering(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(
        database,
        "ALTER TABLE journal DROP CONSTRAINT journal_seq_check",
        "DELETE FROM journal WHERE seq = 3",
        "UPDATE journal SET seq = -seq WHERE seq > 3",
        "UPDATE journal SET seq = -seq - 1 WHERE seq < 0",
    )
    problems = await found(database)
    assert problems[0] == ("losgeraakt", 3)
    assert {("veranderd", number) for number in range(3, 8)} < set(problems)
    assert ("afgeknipt", 8) in problems


async def test_swapped_lines_are_both_reported(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(
        database,
        "ALTER TABLE journal DROP CONSTRAINT journal_seq_check",
        "UPDATE journal SET seq = -5 WHERE seq = 3",
        "UPDATE journal SET seq = 3 WHERE seq = 5",
        "UPDATE journal SET seq = 5 WHERE seq = -5",
    )
    problems = await found(database)
    assert {("veranderd", 3), ("veranderd", 5)} <= set(problems)
    assert {seq for _, seq in problems} <= {3, 4, 5, 6}


async def test_appended_forged_line_is_reported_as_unsigned(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(
        database,
        "INSERT INTO journal SELECT gen_random_uuid(), occurred_at, act, outcome, 'verzonnen', actor_id, capacity, "
        "client_id, for_person_id, machtiging_id, object_kind, object_id, policy_digest, request_id, facts, 9, hash, "
        "hash FROM journal WHERE seq = 8",
    )
    assert await found(database) == [("veranderd", 9), ("niet_ondertekend", 9)]


async def test_duplicate_line_number_is_reported(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(
        database,
        "ALTER TABLE journal DROP CONSTRAINT journal_seq_key",
        "INSERT INTO journal SELECT gen_random_uuid(), occurred_at, act, outcome, 'verzonnen', actor_id, capacity, "
        "client_id, for_person_id, machtiging_id, object_kind, object_id, policy_digest, request_id, facts, 4, "
        "previous_hash, hash FROM journal WHERE seq = 4",
    )
    problems = await found(database)
    assert ("dubbel", 4) in problems
    assert {seq for _, seq in problems} <= {4, 5}


async def test_line_without_number_or_hash_is_reported(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(
        database,
        "ALTER TABLE journal ALTER seq DROP NOT NULL, ALTER hash DROP NOT NULL, ALTER previous_hash DROP NOT NULL",
        "UPDATE journal SET hash = NULL, previous_hash = NULL WHERE seq = 2",
        "UPDATE journal SET seq = NULL WHERE seq = 6",
    )
    problems = await found(database)
    assert {("veranderd", 2), ("ontbreekt", 6), ("dubbel", None)} <= set(problems)


async def rewrite_from(database, first, reason):
    """The strongest attacker without our keys: change a line and recompute every later hash."""
    async with bypass_triggers(database) as superuser:
        change = text("UPDATE journal SET reason = :reason WHERE seq = :seq")
        await superuser.execute(change, {"reason": reason, "seq": first})
        journal = table_of(JournalLine)
        rows = (await superuser.execute(select(*canonical_columns(journal)).order_by(journal.c.seq))).mappings().all()
        previous = bytes(32)
        for row in rows:
            own = hash_line(previous, row["seq"], row)
            assert (own == row["hash"]) == (row["seq"] < first)
            await superuser.execute(
                text("UPDATE journal SET previous_hash = :previous, hash = :own WHERE seq = :seq"),
                {"previous": previous, "own": own, "seq": row["seq"]},
            )
            previous = own


async def test_recomputed_hash_chain_is_detected_by_signed_heads(database, clock):
    await seal_journal_lines(database, clock, (3, 3, 3))
    await rewrite_from(database, 5, "verzonnen")
    assert await found(database) == [("veranderd", 6), ("veranderd", 9)]


async def test_recomputed_hash_chain_with_heads_is_detected_by_signatures(database, clock):
    await seal_journal_lines(database, clock, (3, 3))
    await rewrite_from(database, 5, "verzonnen")
    await tamper(database, "UPDATE journal_head h SET hash = j.hash FROM journal j WHERE j.seq = h.seq")
    assert ("kop_vervalst", 6) in await found(database)


async def test_head_signed_by_another_key_ring_is_rejected(database, clock, tmp_path):
    directory = make_key_directory(tmp_path / "keys")
    rotate_key(directory, KeyKind.ES256, MADE_AT, immediately=True)
    rotate_key(directory, KeyKind.ES256, MADE_AT, immediately=True)
    forger = KeyRing.load(directory)
    await seal_journal_lines(database, clock)
    async with bypass_triggers(database) as superuser:
        own = await superuser.scalar(text("SELECT hash FROM journal WHERE seq = 8"))
        at = await superuser.scalar(text("SELECT signed_at FROM journal_head WHERE seq = 8"))
        forged = forger.sign_jwt(head_claims(8, own, 4, at), typ=HEAD_TYPE, alg=HEAD_ALGORITHM)
        await superuser.execute(text("UPDATE journal_head SET signature = :forged WHERE seq = 8"), {"forged": forged})
    assert await found(database) == [("kop_vervalst", 8), ("niet_ondertekend", 5)]


@pytest.mark.parametrize(
    "change",
    ["signed_at = signed_at + interval '1 second'", "hash = decode(repeat('ab', 32), 'hex')", "signature = 'x'"],
)
async def test_changed_head_is_detected(database, clock, change):
    await seal_journal_lines(database, clock)
    await tamper(database, f"UPDATE journal_head SET {change} WHERE seq = 8")
    assert await found(database) == [("kop_vervalst", 8), ("niet_ondertekend", 5)]


async def test_deleted_head_is_detected(database, clock):
    await seal_journal_lines(database, clock, (2, 2, 2))
    await tamper(database, "DELETE FROM journal_head WHERE seq = 4")
    assert await found(database) == [("kop_ontbreekt", 6)]


async def test_truncated_journal_is_detected_by_its_heads(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(database, "DELETE FROM journal WHERE seq > 4")
    assert await found(database) == [("afgeknipt", 5)]


async def test_emptied_journal_is_detected_by_its_heads(database, clock):
    await seal_journal_lines(database, clock)
    await tamper(database, "DELETE FROM journal")
    assert ("afgeknipt", 1) in await found(database)


async def test_journal_truncated_with_heads_is_detected_by_external_head(database, clock):
    await seal_journal_lines(database, clock)
    kept = (await verify_journal(database.service, load_keyring())).head
    await tamper(database, "DELETE FROM journal WHERE seq > 4", "DELETE FROM journal_head WHERE seq > 4")
    assert await found(database) == []
    assert await found(database, expected_head=kept) == [("afgeknipt", 5)]


async def test_journal_truncated_and_regrown_is_detected_by_external_head(database, clock):
    await seal_journal_lines(database, clock)
    kept = (await verify_journal(database.service, load_keyring())).head
    await tamper(database, "DELETE FROM journal WHERE seq > 4", "DELETE FROM journal_head WHERE seq > 4")
    await seal_journal_lines(database, clock, (6,))
    assert await found(database) == []
    assert await found(database, expected_head=kept) == [("veranderd", 8)]


async def test_external_head_verifies_a_longer_journal(database, clock):
    await seal_journal_lines(database, clock)
    kept = (await verify_journal(database.service, load_keyring())).head
    await seal_journal_lines(database, clock, (3,))
    assert await found(database, expected_head=f"{kept}\n") == []


async def test_forged_external_head_is_rejected(database, clock):
    await seal_journal_lines(database, clock)
    assert await found(database, expected_head="a.b.c") == [("kop_vervalst", None)]


async def test_verify_report_is_bounded(database, clock):
    await seal_journal_lines(database, clock, (MAX_PROBLEMS + 20,))
    await tamper(database, "UPDATE journal SET reason = 'x'")
    report = await verify_journal(database.service, load_keyring(), batch=50)
    assert len(report.problems) == MAX_PROBLEMS
    assert report.problem_count == MAX_PROBLEMS + 20


async def test_verify_reports_progress(database, clock):
    await seal_journal_lines(database, clock, (5,))
    seen = []
    report = await verify_journal(
        database.service, load_keyring(), batch=2, progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert report.lines == 5
