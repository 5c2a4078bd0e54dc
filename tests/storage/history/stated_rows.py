"""State rows that a builder inserted without a journal line, as `machtiging keys seal-rows` does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_states.statement_lines import StatementResult, state_next_rows
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.journalled_tables import JOURNALLED_TABLES
from machtiging.storage.unit_of_work import unit_of_work


async def state_all_rows(database: Any, at: datetime) -> int:
    """State every row that no line names yet. Returns the number."""
    result = StatementResult()
    for table in JOURNALLED_TABLES:
        async with unit_of_work(database.sessions) as session:
            await state_next_rows(session, table, None, _load_no_data_keys, result, limit=10_000, at=at)
    assert result.invalid == []
    return result.count


async def _load_no_data_keys(_session: AsyncSession, _party_ids: frozenset[UUID]) -> Mapping[UUID, DataKey]:
    return {}
