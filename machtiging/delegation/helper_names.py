"""The name that a giver writes for her helper, shown to her until acceptance.

It is personal data in her own words, so it is encrypted with her data key and opens only at its own machtiging.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import structlog
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.tables import HelperNameRow
from machtiging.identity.people import load_data_key
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

_HELPER_NAME = table_of(HelperNameRow)
_log = structlog.get_logger("machtiging.delegation")


async def insert_helper_name(
    session: AsyncSession, keyring: KeyRing, giver_id: PersonId, machtiging_id: UUID, name: str
) -> None:
    """Store the name that this giver wrote for the helper of her machtiging."""
    key = await load_data_key(session, keyring, giver_id)
    sealed = key.encrypt(name.encode(), *_name_context(machtiging_id))
    await session.execute(insert(_HELPER_NAME).values(machtiging_id=machtiging_id, sealed=sealed))


async def load_helper_names(
    session: AsyncSession, keyring: KeyRing, giver_id: PersonId, machtiging_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Load the names that this giver wrote, for those of these machtigingen that she gave."""
    if not machtiging_ids:
        return {}
    table = machtiging_table()
    hers = (table.c.id.in_(machtiging_ids), table.c.vertegenwoordigde_id == giver_id)
    chosen = select(_HELPER_NAME.c.machtiging_id, _HELPER_NAME.c.sealed).join(
        table, table.c.id == _HELPER_NAME.c.machtiging_id
    )
    rows = (await session.execute(chosen.where(*hers))).all()
    if not rows:
        return {}
    key = await load_data_key(session, keyring, giver_id)
    names: dict[UUID, str] = {}
    for row in rows:
        try:
            names[row.machtiging_id] = key.decrypt(row.sealed, *_name_context(row.machtiging_id)).decode()
        except Fault as fault:
            # The row was tampered with. The list goes on without this name, and the log tells the operator.
            _log.error("helper_name_does_not_open", code=fault.code, detail=fault.private)
    return names


def _name_context(machtiging_id: UUID) -> tuple[str, ...]:
    return ("helper_name", str(machtiging_id))
