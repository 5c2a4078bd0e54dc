"""Seal the existing rows of journalled tables, once, and journal what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import UUID

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging import journalled_tables
from machtiging.audit.row_states.journalled_table import JournalledTable
from machtiging.audit.row_states.statement_lines import (
    StatementResult,
    load_stated_tables,
    mark_begin,
    mark_finished,
    state_next_rows,
)
from machtiging.cli.database import open_service_sessions
from machtiging.cli.operator_name import get_operator_name
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Conflict, Fault, NotFound
from machtiging.settings import Environment, Settings
from machtiging.storage.row_mac import MAC_COLUMN
from machtiging.storage.unit_of_work import unit_of_work

_MAX_ROUNDS = 5
_PRACTICE_BATCH_SIZE = 500
_MAX_ROWS_NAMED = 5
SessionFactory = async_sessionmaker[AsyncSession]


async def state_existing_rows(
    settings: Settings, batch_size: int, on_progress: Callable[[str, int], None]
) -> dict[str, StatementResult]:
    """Seal and state every row of the journalled tables that are not finished; by table.

    One transaction per batch, so a run can be interrupted and repeated. Raises Conflict `rijen_al_verzegeld` when every
    table is finished: a row without a MAC or a line is then no row from before.
    """
    keyring = KeyRing.load(settings.keys_dir)
    results: dict[str, StatementResult] = {}
    async with open_service_sessions(settings) as sessions:
        async with unit_of_work(sessions) as session:
            stated = await load_stated_tables(session)
        unfinished = [table for table in journalled_tables.JOURNALLED_TABLES if table.name not in stated]
        if not unfinished:
            raise Conflict("rijen_al_verzegeld")
        for table in unfinished:
            results[table.name] = await _TableStatement(sessions, keyring, table, batch_size, on_progress).run()
    return results


async def state_practice_rows(settings: Settings) -> None:
    """State the existing rows of a practice world, unless that was done. In production an operator does it."""
    if settings.env is Environment.PRODUCTION:
        raise Fault("oefenwereld_in_productie", private="rows are sealed with machtiging keys seal-rows")
    with suppress(Conflict):
        await state_existing_rows(settings, _PRACTICE_BATCH_SIZE, lambda _name, _count: None)


class _TableStatement:
    """The statement of one table.

    It goes in rounds: a worker of the version before may add a row meanwhile.
    """

    def __init__(
        self,
        sessions: SessionFactory,
        keyring: KeyRing,
        table: JournalledTable,
        batch_size: int,
        on_progress: Callable[[str, int], None],
    ) -> None:
        self._sessions, self._keyring, self._table = sessions, keyring, table
        self._batch_size, self._on_progress = batch_size, on_progress
        self._operator, self._clock = get_operator_name(), SystemClock()

    async def run(self) -> StatementResult:
        """State every row, and journal begin and end. No end while rows without a MAC come in."""
        result = StatementResult()
        async with unit_of_work(self._sessions) as session:
            await mark_begin(session, self._table, at=self._clock.now(), operator=self._operator)
        for _ in range(_MAX_ROUNDS):
            result.invalid.clear()
            await self._state_all_rows(result)
            async with unit_of_work(self._sessions) as session:
                if not await self._has_unsealed_row(session):
                    await mark_finished(session, self._table, at=self._clock.now(), operator=self._operator)
                    result.finished = True
                    return result
        return result

    async def _state_all_rows(self, result: StatementResult) -> None:
        after = None
        while True:
            async with unit_of_work(self._sessions) as session:
                after = await state_next_rows(
                    session,
                    self._table,
                    after,
                    self._load_data_keys,
                    result,
                    limit=self._batch_size,
                    at=self._clock.now(),
                )
            self._on_progress(self._table.name, result.count)
            if after is None:
                return

    async def _has_unsealed_row(self, session: AsyncSession) -> bool:
        table = self._table.sealed.table
        unsealed = select(literal(1)).select_from(table).where(table.c[MAC_COLUMN] == b"").limit(1)
        return await session.scalar(unsealed) is not None

    async def _load_data_keys(self, session: AsyncSession, party_ids: frozenset[UUID]) -> Mapping[UUID, DataKey]:
        found = {}
        for party_id in party_ids:
            try:
                found[party_id] = await load_data_key(session, self._keyring, party_id)
            except NotFound:  # the key was destroyed: the words cannot be read any more
                continue
        return found


def describe_statement(results: Mapping[str, StatementResult]) -> list[str]:
    """Describe the results in sentences for the operator."""
    lines = []
    for name, result in results.items():
        lines.append(f"{name}: {result.count} rows sealed or stated in the journal.")
        if result.invalid:
            some = ", ".join(result.invalid[:_MAX_ROWS_NAMED])
            lines.append(f"{len(result.invalid)} rows are not what their MAC or the journal says: {some}.")
            lines.append("They open nothing. Find out who changed them, and delete or restore them.")
        if not result.finished:
            lines.append("Rows without a MAC come in. Stop the workers of the version before, and run this again.")
    return lines
