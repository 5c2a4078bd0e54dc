"""CIBA: the number of statements of a poll."""

from __future__ import annotations

from tests.builders.database import record_queries


async def test_poll_before_decision_takes_three_statements_and_one_commit(ciba_desk, database) -> None:
    request = await ciba_desk.start_request()
    await ciba_desk.polls(request)
    with record_queries(database) as said:
        await ciba_desk.polls(request)
    begins_and_ends = ("BEGIN;", "COMMIT;")
    assert len([each for each in said if each not in begins_and_ends]) == 3, said
    assert said.count("COMMIT;") == 1
