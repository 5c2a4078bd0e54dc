"""Doctor: compare every row of the journalled tables with the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging import journalled_tables
from machtiging.audit.row_states.journalled_table import JournalledTable, load_journalled_rows
from machtiging.audit.row_states.row_check import BATCH_SIZE, find_row_problem
from machtiging.audit.row_states.statement_lines import find_unstated_tables, load_stated_tables
from machtiging.cli.database import open_service_sessions
from machtiging.cli.doctor_checks.installation import Finding, FindingStatus
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Fault
from machtiging.settings import Settings
from machtiging.storage.unit_of_work import unit_of_work

_SUBJECT = "journal rows"
_MAX_ROWS_NAMED = 5
SessionFactory = async_sessionmaker[AsyncSession]


async def check_journalled_rows(settings: Settings) -> AsyncIterator[Finding]:
    """Report rows that differ from the journal, and tables that wait for `keys seal-rows`.

    Yields nothing when key ring or database is unreadable: another check reports that.
    """
    tables = journalled_tables.JOURNALLED_TABLES
    if not tables:
        return
    try:
        keyring = KeyRing.load(settings.keys_dir)
        async with open_service_sessions(settings) as sessions:
            async with unit_of_work(sessions) as session:
                unstated = [table.name for table in await find_unstated_tables(session, tables)]
            count = 0
            problems: list[str] = []
            for table in tables:
                table_count, table_problems = await _check_table(sessions, keyring, table)
                count, problems = count + table_count, problems + table_problems
    except Fault:
        return
    if unstated:
        what = f"rows of {', '.join(unstated)} have not all been sealed"
        yield Finding(_SUBJECT, FindingStatus.ATTENTION, what, "Run machtiging keys seal-rows, once.")
    if problems:
        some = f"{len(problems)} of {count} are not what the journal says: {', '.join(problems[:_MAX_ROWS_NAMED])}"
        mend = "Find out who changed them in the database; docs/operations.md, Rows and the journal."
        yield Finding(_SUBJECT, FindingStatus.WRONG, some, mend)
    elif not unstated:
        yield Finding(_SUBJECT, FindingStatus.OK, f"{count}, all as the journal says")


async def _check_table(sessions: SessionFactory, keyring: KeyRing, table: JournalledTable) -> tuple[int, list[str]]:
    """Return the number of rows, and the rows with a problem. One transaction per batch."""
    after: list[Any] | None = None
    count, problems = 0, []
    while True:
        async with unit_of_work(sessions) as session:
            rows = await load_journalled_rows(session, table.sealed, limit=BATCH_SIZE, after=after)
            stated = table.name in await load_stated_tables(session)
        count += len(rows)
        for row in rows:
            problem = find_row_problem(row, keyring, stated=stated)
            if problem is not None:
                problems.append(f"{row.key} ({problem})")
        if len(rows) < BATCH_SIZE:
            return count, problems
        after = [rows[-1].row[name] for name in table.sealed.key]
