"""Rows that tests write by SQL, sealed as the service would have: else they open nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from machtiging.cli.sealed_tables import SEALED_TABLES
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable, seal_row


async def seal_rows(session: Any, *tables: SealedTable) -> None:
    """Seal every row of these tables as it stands (all tables unless some are named). The caller commits."""
    for sealed in tables or SEALED_TABLES:
        table = sealed.table
        for row in (await session.execute(select(table))).mappings().all():
            mine = [table.c[name] == row[name] for name in sealed.key]
            made = seal_row(session, sealed, row)[MAC_COLUMN]
            if made != row[MAC_COLUMN]:
                await session.execute(update(table).where(*mine).values({MAC_COLUMN: made}))
