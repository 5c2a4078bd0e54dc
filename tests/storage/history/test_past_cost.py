"""The past of one machtiging costs the same in a long journal."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from machtiging.delegation.authority.history import load_authority_at
from tests.builders.database import bypass_triggers
from tests.storage.history.past_world import RandomActs
from tests.storage.plans.query_plans import nodes, plan_of, recorded, superuser

_GROW = """
INSERT INTO journal (id, occurred_at, act, outcome, reason, request_id, facts, seq, previous_hash, hash)
SELECT gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '1 second', 'a', 'done', 'b', '',
    jsonb_build_object('toestand', jsonb_build_array(jsonb_build_object('sleutel', 'machtiging:' || n))),
    n + 10000, sha256(''), sha256('')
FROM generate_series(1, 30000) n
"""


async def test_past_is_found_by_index_in_a_long_journal(world, clock):
    acts = await RandomActs.begin(world)
    await world.seal()
    clock.advance(timedelta(hours=1))
    async with bypass_triggers(world.database) as connection:
        await connection.execute(text(_GROW))
        await connection.execute(text("ANALYZE"))
    with recorded(world.database.service) as sent:
        async with world.database.sessions() as session:
            assert await load_authority_at(session, acts.leaf, clock.now()) is not None
    reading = [one for one in sent if "toestand" in one.statement]
    assert len(reading) == 1
    async with superuser(world.database.url) as connection:
        plan = await plan_of(connection, reading[0], run=True)
    assert "ix_journal_state" in {node.get("Index Name") for node in nodes(plan)}
    assert ("Seq Scan", "journal") not in {(node["Node Type"], node.get("Relation Name")) for node in nodes(plan)}
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan)) < 1000
