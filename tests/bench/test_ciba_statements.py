"""CIBA: the number of statements of a poll."""

from __future__ import annotations

from tests.builders.database import record_queries


async def test_poll_before_decision_takes_three_statements_and_one_commit(counter, database) -> None:
    request = await counter.start_request()
    await counter.polls(request)
    with record_queries(database) as said:
        await counter.polls(request)
    begins_and_ends = ("BEGIN;", "COMMIT;")
    assert len([each for each in said if each not in begins_and_ends]) == 3, said
    assert said.count("COMMIT;") == 1
