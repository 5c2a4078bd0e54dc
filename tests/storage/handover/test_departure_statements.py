"""A departure takes as many statements with sixty clients as with three."""

from __future__ import annotations

from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.audit.row_states.row_check import RowCheck
from machtiging.audit.row_states.statement_lines import mark_finished
from machtiging.audit.state_facts import STATE
from machtiging.delegation.tables import SEALED_HANDOVER, SEALED_HANDOVER_ITEM, SEALED_MACHTIGING
from machtiging.storage.row_mac import verify_row
from tests.builders.database import record_queries
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN
from tests.protocol.letters.box import statements_of
from tests.storage.handover.handover_world import FixedClock

FEW, MANY = 3, 60
JOURNALLED = (
    JournalledTable(SEALED_HANDOVER),
    JournalledTable(SEALED_HANDOVER_ITEM, machtiging_column="machtiging_id"),
)


async def leave_with(departures, count):
    """An employee with so many clients leaves. Returns the employee, and the number of statements."""
    _, employee = await departures.office.hire()
    for _ in range(count):
        await departures.add_client(employee)
    with record_queries(departures.database) as queries:
        done = await departures.leave(employee)
    assert (done.ended, done.waiting) == (count, count)
    return employee, len(statements_of(queries))


async def test_departure_takes_as_many_statements_with_sixty_clients_as_with_three(departures):
    _, few = await leave_with(departures, FEW)
    employee, many = await leave_with(departures, MANY)
    assert few == many
    links = await MACHTIGINGEN.read(departures.database, employee_id=employee)
    items = [row for row in await departures.items() if row.machtiging_id in {link.parent_id for link in links}]
    assert len(links) == len(items) == MANY
    async with departures.database.sessions() as session:
        assert all(verify_row(session, SEALED_MACHTIGING, row) for row in links)
        assert all(verify_row(session, SEALED_HANDOVER_ITEM, row) for row in items)
    ended = await JOURNAL_INTAKE.read(departures.database, act="toewijzing:beeindigd")
    assert {line.machtiging_id for line in ended} >= {link.id for link in links}
    opened = await JOURNAL_INTAKE.read(departures.database, act="overdracht:geopend")
    assert {line.machtiging_id for line in opened} >= {link.parent_id for link in links}
    assert all(STATE in line.facts for line in (*ended, *opened))
    assert await departures.recipients("toewijzing_gestopt") == [departures.office.client] * (FEW + MANY)
    check = RowCheck(departures.database.sessions, load_keyring(), FixedClock(NOON), JOURNALLED)
    async with departures.database.sessions.begin() as session:
        for table in JOURNALLED:
            await mark_finished(session, table, at=NOON, operator=None)
    for _ in JOURNALLED:
        await check.check_next_batch()
    assert check.findings == {}
