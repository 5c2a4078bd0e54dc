"""The statements of the portal's lists, with 300 machtigingen and 10,000 journal lines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import record_queries
from tests.builders.machtiging import insert_relative_machtiging
from tests.builders.people import ISSUER
from tests.protocol.letters.box import fill_box, statements_of
from tests.storage.plans.query_plans import grow

MOST_STATEMENTS, MOST_STATEMENTS_OF_OVERVIEW = 5, 11
MACHTIGINGEN, JOURNAL_LINES, LETTERS = 300, 10_000, 300


@pytest.fixture
async def crowded(portal, world, superuser_connection):
    """A citizen with many machtigingen, letters and journal lines, and a helper with many machtigingen."""
    mother, son = portal.people.mother, portal.people.son
    await fill_box(world, mother, [f"brief {number}" for number in range(LETTERS)])
    async with unit_of_work(portal.app.state.services.sessions) as session:
        for number in range(MACHTIGINGEN):
            at = portal.clock.now() - timedelta(minutes=number)
            await insert_relative_machtiging(session, mother, son, at)
    await (await portal.mother()).open_page(ISSUER + "/brieven")
    await superuser_connection.execute("SET session_replication_role = replica")
    await grow(
        superuser_connection,
        "journal_intake",
        JOURNAL_LINES,
        for_person_id=f"'{mother}'",
        actor_id=f"'{son}'",
        act="'bericht:lezen'",
        occurred_at="to_jsonb((one.t).occurred_at - n * interval '10 minutes')",
        object_id="gen_random_uuid()::text",
        machtiging_id="(SELECT id FROM machtiging OFFSET n % 300 LIMIT 1)",
    )
    return portal


@pytest.mark.whole
async def test_lists_of_a_crowded_portal_take_at_most_five_statements(crowded, database):
    mother, son = await crowded.mother(), await crowded.son()
    pages = [(mother, "/helpers"), (mother, "/brieven"), (mother, "/wie-keek-mee"), (son, "/ik-help")]
    counts = {path: await count_statements(browser, path, database) for browser, path in pages}
    assert {path: count for path, count in counts.items() if not 0 < count <= MOST_STATEMENTS} == {}


@pytest.mark.whole
async def test_overview_of_a_crowded_portal_takes_a_fixed_number_of_statements(crowded, database):
    # It shows letters, helpers, people, questions and who looked: each is one statement, however many there are.
    for browser in (await crowded.mother(), await crowded.son()):
        assert 0 < await count_statements(browser, "/", database) <= MOST_STATEMENTS_OF_OVERVIEW


async def count_statements(browser, path, database) -> int:
    """Count the statements of a page that was opened before."""
    await browser.open_page(ISSUER + path)
    with record_queries(database) as queries:
        await browser.open_page(ISSUER + path)
    return len(statements_of(queries))
