"""The tables whose rows carry a MAC. Seals rows from before that upgrade, once."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from machtiging import journalled_tables
from machtiging.access.oversight.tables import SEALED_RECORD_OPENING
from machtiging.access_tokens.tables import SEALED_TOKEN
from machtiging.audit.row_states.statement_lines import mark_empty_tables
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_EMERGENCY_STOP,
    SEALED_HANDOVER,
    SEALED_HANDOVER_ITEM,
    SEALED_HELP_REQUEST,
    SEALED_MACHTIGING,
    SEALED_REGISTER_EVENT,
    SEALED_STATUTORY_RELATION,
    SEALED_VERZOEK,
)
from machtiging.identity.tables import SEALED_ATTEMPT, SEALED_PERSON, SEALED_SESSION
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Fault
from machtiging.oauth.tables import (
    SEALED_BACKCHANNEL_REQUEST,
    SEALED_CLIENT,
    SEALED_CODE,
    SEALED_GRANT,
    SEALED_INITIAL_ACCESS_TOKEN,
    SEALED_PUSHED_REQUEST,
    SEALED_REFRESH_TOKEN,
)
from machtiging.organisations.invitations.tables import SEALED_INVITATION_LINK
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_FOUR_EYES_PROPOSAL,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    SEALED_STAND_IN,
    SEALED_TEAM,
    SEALED_TEAM_MEMBERSHIP,
)
from machtiging.storage.row_mac import MAC_COLUMN, RowKeys
from machtiging.tasks.tables import SEALED_TASK, SEALED_TASK_ITEM
from machtiging.verification.codes.tables import SEALED_VERIFICATION_CODE

# Rows of the other tables are deleted by the migration, or expire within minutes.
SEALED_AT_UPGRADE = (SEALED_PERSON, SEALED_CLIENT, SEALED_GRANT, SEALED_REFRESH_TOKEN, SEALED_INITIAL_ACCESS_TOKEN)
SEALED_ORGANISATION_TABLES = (
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    SEALED_EMPLOYEE,
    SEALED_TEAM,
    SEALED_TEAM_MEMBERSHIP,
    SEALED_STAND_IN,
)
SEALED_TABLES = (
    *SEALED_AT_UPGRADE,
    SEALED_MACHTIGING,
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_EMERGENCY_STOP,
    SEALED_HANDOVER,
    SEALED_HANDOVER_ITEM,
    SEALED_HELP_REQUEST,
    SEALED_VERZOEK,
    SEALED_REGISTER_EVENT,
    SEALED_STATUTORY_RELATION,
    *SEALED_ORGANISATION_TABLES,
    SEALED_FOUR_EYES_PROPOSAL,
    SEALED_INVITATION_LINK,
    SEALED_SESSION,
    SEALED_ATTEMPT,
    SEALED_TOKEN,
    SEALED_RECORD_OPENING,
    SEALED_TASK,
    SEALED_TASK_ITEM,
    SEALED_VERIFICATION_CODE,
    SEALED_PUSHED_REQUEST,
    SEALED_CODE,
    SEALED_BACKCHANNEL_REQUEST,
)
_BATCH_SIZE = 500


async def mark_tables_without_rows(connection: AsyncConnection) -> None:
    """Journal of journalled tables without rows that none has to be stated. Runs in the transaction of `migrate`."""
    if journalled_tables.JOURNALLED_TABLES:
        async with AsyncSession(connection, join_transaction_mode="rollback_only") as session:
            await mark_empty_tables(session, journalled_tables.JOURNALLED_TABLES, at=SystemClock().now())
            await session.commit()


async def seal_unsealed_rows(connection: AsyncConnection, keys: RowKeys, *, allowed: bool) -> int:
    """Seal every row without a MAC and return the count. Runs in the transaction of that migration.

    Raises Fault `rijen_niet_verzegeld` when there are such rows and it is not `allowed`.
    """
    count = 0
    for sealed in SEALED_AT_UPGRADE:
        table = sealed.table
        unsealed = select(table).where(table.c[MAC_COLUMN] == b"").limit(_BATCH_SIZE)
        while rows := (await connection.execute(unsealed)).mappings().all():
            if not allowed:
                how = "they are trusted as they are now; run `machtiging migrate --seal-existing-rows`, once"
                raise Fault("rijen_niet_verzegeld", private=f"{table.name} has rows that are not sealed: {how}")
            for row in rows:
                mac = keys.row_mac(sealed.encode_row({**row}))
                await connection.execute(
                    update(table).where(*(table.c[name] == row[name] for name in sealed.key)).values({MAC_COLUMN: mac})
                )
            count += len(rows)
    return count
