"""The query cost of a list page does not grow with box, caseload or journal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from machtiging.audit.access_history.line_groups import WINDOW_SIZES
from machtiging.berichtenbox.queries import BERICHT, BIJLAGE, READER_MARK
from machtiging.identity.people import load_data_key
from machtiging.kernel.ids import uuid7
from tests.builders.letters import BerichtenboxWorld, make_api_world
from tests.builders.people import ISSUER
from tests.builders.portal import make_portal
from tests.protocol.work.office import WorkOffice
from tests.storage.plans.query_plans import buffers, grow, nodes, plan_of, recorded, superuser

SMALL, LARGE = 60, 2_000
# An index that is one level deeper costs a block more for each look into it.
DEEPER = 2
READING = ("SELECT", "WITH")


async def cost(database: Any, work: Callable[[], Awaitable[Any]]) -> tuple[int, int]:
    """The blocks read by these SELECT statements, and the most rows of one plan node."""
    with recorded(database.service) as heard:
        await work()
    said = [one for one in heard if one.statement.lstrip().upper().startswith(READING)]
    assert said
    async with superuser(database.url) as connection:
        plans = [await plan_of(connection, one, run=True) for one in said]
    rows = max(node["Actual Rows"] * node["Actual Loops"] for plan in plans for node in nodes(plan))
    return sum(map(buffers, plans)), int(rows)


async def grown(database: Any, table: str, times: int, **values: str) -> None:
    async with superuser(database.url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await grow(connection, table, times, **values)
        await connection.execute(f"VACUUM ANALYZE {table}")


async def assert_cost_is_constant(
    database: Any, work: Callable[[], Awaitable[Any]], grow_by: Callable[[int], Any], *, scattered: int = 0
) -> None:
    """Assert that the page costs the same at two sizes. A deeper index and scattered rows may add to it."""
    await grow_by(SMALL)
    await work()
    small, _ = await cost(database, work)
    await grow_by(LARGE)
    large, rows = await cost(database, work)
    assert large <= DEEPER * small + scattered, (small, large)
    assert rows < LARGE / 4, rows


def asking(world: BerichtenboxWorld, token: str, path: str) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        async with world.client(token) as client:
            answer = await client.get("/api/v1" + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture
async def world(database, clock):
    made = await make_api_world(database, clock)
    await made.deliver_letter()
    return made


# Every machtiging has an agreement: that of the first one.
COPY_AGREEMENT = """
    INSERT INTO agreement
    SELECT (jsonb_populate_record(first.a, jsonb_build_object('machtiging_id', m.id))).*
    FROM (SELECT one AS a FROM agreement one LIMIT 1) first, machtiging m
    WHERE NOT EXISTS (SELECT FROM agreement WHERE machtiging_id = m.id)
"""


def letters(database, world, owner):
    """Grow this box with read berichten with a bijlage, each a minute older."""
    count = itertools.count(1)

    async def grow_by(times):
        async with world.sessions.begin() as session:
            (like,) = (await session.execute(select(BERICHT).limit(1))).mappings()
            key = await load_data_key(session, world.keyring, world.citizen)
            rows = []
            for number in itertools.islice(count, times):
                new = {"id": uuid7(), "ontvanger_id": owner, "sender_reference": f"{owner}/{number}"}
                subject = key.encrypt(b"Brief", "bericht", str(new["id"]), "onderwerp")
                at = like["published_at"] - timedelta(minutes=number)
                rows.append({**like, **new, "published_at": at, "onderwerp_sealed": subject})
            await session.execute(insert(BERICHT), rows)
            marks = [{"bericht_id": row["id"], "person_id": world.helper, "first_read_at": at} for row in rows]
            await session.execute(insert(READER_MARK), marks)
            enclosed = {"position": 1, "naam_sealed": b"x", "mime_type": "application/pdf", "size": 9, "parts": 1}
            await session.execute(
                insert(BIJLAGE),
                [{**enclosed, "id": uuid7(), "bericht_id": row["id"], "sha256": bytes(32)} for row in rows],
            )
        async with superuser(database.url) as connection:
            await connection.execute("VACUUM ANALYZE bericht, reader_mark, bijlage")

    return grow_by


@pytest.mark.parametrize("whose", ["own box", "under a machtiging"])
@pytest.mark.parametrize("page", ["first", "next"])
async def test_bericht_page_cost_is_independent_of_box_size(database, world, whose, page):
    grow_by = letters(database, world, world.citizen)
    await grow_by(SMALL)
    token = await world.issue_token(world.citizen) if whose == "own box" else await world.issue_helper_token()
    path = "/berichten?aantal=20"
    if page == "next":
        path = (await asking(world, token, path)())["_links"]["next"]["href"].partition("/api/v1")[2]
    await assert_cost_is_constant(database, asking(world, token, path), grow_by)


async def test_bericht_page_cost_is_independent_of_other_boxes(database, world):
    await letters(database, world, world.citizen)(SMALL)
    token = await world.issue_helper_token()
    await assert_cost_is_constant(database, asking(world, token, "/berichten"), letters(database, world, world.helper))


async def test_bericht_list_and_apps_page_cost_is_independent_of_caseload(database, clock, world):
    token = await world.issue_helper_token()
    portal = await make_portal(database, clock)
    browser = await portal.browser_of(world.helper)

    async def caseload(times):
        await grown(database, "machtiging", times, gemachtigde_id=f"'{world.helper}'")
        async with superuser(database.url) as connection:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(COPY_AGREEMENT)
            await connection.execute("VACUUM ANALYZE agreement")

    await assert_cost_is_constant(database, asking(world, token, "/berichten"), caseload)
    await assert_cost_is_constant(database, lambda: browser.open_page(ISSUER + "/apps"), caseload)
    await portal.close()


@pytest.mark.parametrize("page", ["first", "next"])
async def test_overview_page_cost_is_independent_of_journal_size(database, clock, world, page):
    token = await world.issue_helper_token()
    await asking(world, token, "/berichten")()
    portal = await make_portal(database, clock)
    browser = await portal.browser_of(world.citizen)

    ages = itertools.count(0, 1_500)

    async def lines(times):
        values = {"for_person_id": f"'{world.citizen}'", "actor_id": f"'{world.helper}'", "machtiging_id": "NULL"}
        values |= {"act": "'bericht:lezen'"}
        # The picture reads the lines of twelve weeks: the journal grows by older ones.
        earlier = f"to_jsonb((one.t).occurred_at - (n + {next(ages)}) * interval '6 hours')"
        about = "gen_random_uuid()::text"  # equal lines would be one
        await grown(database, "journal_intake", times, **values, occurred_at=earlier, object_id=about)

    await lines(1_500)
    address = ISSUER + "/wie-keek-mee"
    if page == "next":
        shown = await browser.open_page(address)
        address = ISSUER + next(where for where, _ in shown.links if "voor=" in where)
    await assert_cost_is_constant(database, lambda: browser.open_page(address), lines, scattered=WINDOW_SIZES[0])
    await portal.close()


@pytest.mark.parametrize("page", ["first", "next", "one client"])
async def test_own_record_cost_is_independent_of_journal_and_of_other_acts(database, clock, world, page):
    portal = await make_portal(database, clock)
    office = await WorkOffice.open(world, portal)
    client = await office.add_client("Anna de Boer", None, "Brief")
    worker = await office.log_in()
    letters = set(
        re.findall(r"/werk/clienten/[0-9a-f-]{36}/brieven/[0-9a-f-]{36}", (await worker.request("/werk")).text)
    )
    for letter in letters:
        await worker.request(letter)
    ages = itertools.count(0, LARGE)

    async def lines(times):
        """Lines of the worker for this client, and as many of others."""
        mine = {"for_person_id": f"'{office.people['Anna de Boer']}'", "actor_id": f"'{office.worker}'"}
        mine |= {"on_behalf_of": f"'{office.organisation}'", "act": "'bericht:lijst'", "outcome": "'allowed'"}
        earlier = {"occurred_at": f"to_jsonb((one.t).occurred_at - (n + {next(ages)}) * interval '1 hour')"}
        for values in (mine, mine | {"actor_id": f"'{world.citizen}'"}, mine | {"on_behalf_of": "NULL"}):
            await grown(database, "journal_intake", times, **values, **earlier, machtiging_id="NULL")

    await lines(SMALL * 2)
    address = "/werk/wat-ik-deed" + (f"?client={client}" if page == "one client" else "")
    if page == "next":
        older = re.search(r'href="(/werk/wat-ik-deed\?[^"]*voor=[^"]*)"', (await worker.request(address)).text)
        address = older.group(1).replace("&amp;", "&")

    async def open_page():
        assert (await worker.request(address)).status_code == 200

    await assert_cost_is_constant(database, open_page, lines, scattered=0 if page != "one client" else SMALL)
    await portal.close()
