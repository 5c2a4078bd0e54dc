"""Machtiging, agreement and assignment stand in the journal: an older row put back is found."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import delete, insert, update

from machtiging.audit.row_states.journalled_table import ROW_NOT_JOURNALLED, ROW_REVERTED
from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.rules import Capacity
from machtiging.journalled_tables import JOURNALLED_TABLES
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import Committed, insert_machtiging
from tests.builders.organisations import KVK, add_recognised_organisation
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN

TABLES = [table for table in JOURNALLED_TABLES if table.name in {"machtiging", "agreement", "assignment"}]


@pytest.fixture
async def assigned(database):
    """A machtiging that an employee accepted for the organisation. Its tables have no rows from before."""
    world = await Committed.begin(database)
    async with unit_of_work(database.sessions) as session:
        await add_recognised_organisation(session, KVK, world.people.son)
        for table in TABLES:
            await mark_finished(session, table, at=NOON, operator=None)
    offered = await world.offer(capacity=Capacity.PROFESSIONAL)
    helper = CodeHolder(world.people.son, Assurance.SUBSTANTIAL, KVK)
    await world.accept(offered.code, helper=helper)
    return world, offered.machtiging_id


async def find_problems(database, clock):
    check = RowCheck(database.sessions, load_keyring(), clock, TABLES)
    for _ in TABLES:
        with suppress(Fault):  # the check fails while it has findings
            await check.check_next_batch()
    return check.findings


async def test_rows_of_offer_acceptance_and_pause_are_what_the_journal_says(assigned, database, clock):
    world, machtiging_id = assigned
    async with unit_of_work(database.sessions) as session:
        await pause_machtiging(session, machtiging_id, world.people.mother, at=NOON)
    assert [table.name for table in TABLES] == ["machtiging", "agreement", "assignment"]
    assert await find_problems(database, clock) == {}


async def test_paused_machtiging_put_back_is_found_by_check_and_doctor(assigned, database, clock, run_command):
    world, machtiging_id = assigned
    row = await MACHTIGINGEN.read_one(database, id=machtiging_id)
    async with unit_of_work(database.sessions) as session:
        await pause_machtiging(session, machtiging_id, world.people.mother, at=NOON)
    async with bypass_triggers(database) as superuser:
        putting = update(MACHTIGINGEN.table).where(MACHTIGINGEN.c.id == machtiging_id)
        await superuser.execute(putting.values(dict(row._mapping)))
    assert await find_problems(database, clock) == {f"machtiging:{machtiging_id}": ROW_REVERTED}
    told = await run_command("doctor")
    assert told.code == 1
    assert f"machtiging:{machtiging_id} ({ROW_REVERTED})" in told.out


async def test_machtiging_copied_into_the_database_is_found(assigned, database, clock):
    world, machtiging_id = assigned
    row = dict((await MACHTIGINGEN.read_one(database, id=machtiging_id))._mapping)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(delete(MACHTIGINGEN.table).where(MACHTIGINGEN.c.id == machtiging_id))
    async with unit_of_work(database.sessions) as session:
        terms = {"highest_sensitivity": "gewoon", "letters_from": NOON.date(), "acts": ["lijst"], "assurance": "hoog"}
        period = {"starts_at": NOON, "ends_at": NOON.replace(year=2027), "excluded_themes": []}
        parties = {"vertegenwoordigde_id": world.people.mother, "gemachtigde_id": world.people.son}
        values = {name: row[name] for name in ("purpose", "legal_ground", "offered_at", "accepted_at", "state")}
        values |= {"capacity": "relative", "accepted_assurance": "hoog"}
        copied = await insert_machtiging(session, **values, **terms, **period, **parties)
    async with bypass_triggers(database) as superuser:
        await superuser.execute(insert(MACHTIGINGEN.table).values(row))
    assert await find_problems(database, clock) == {
        f"machtiging:{copied}": ROW_NOT_JOURNALLED,
        f"agreement:{copied}:1": ROW_NOT_JOURNALLED,
    }


async def test_purpose_is_not_readable_in_the_journal(assigned, database):
    assert "post bijhouden" not in await JOURNAL_INTAKE.dump(database)
