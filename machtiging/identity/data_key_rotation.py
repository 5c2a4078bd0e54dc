"""Rewrap data keys in batches under the current key-encryption key, after a key rotation.

Data encrypted with a data key does not change. Workers may read and write during the rotation: a wrapped key and its
version are always read in one statement and written in one. A worker that meets a newer version reloads the key ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing, WrappedDataKey
from machtiging.identity.tables import Party
from machtiging.kernel.errors import Fault
from machtiging.storage.columns import table_of

_PARTY = table_of(Party)
_DATA_KEY_COLUMNS = (_PARTY.c.id, _PARTY.c.data_key_wrapped, _PARTY.c.kek_version)
_UPDATE_DATA_KEY = (
    update(_PARTY)
    .where(_PARTY.c.id == bindparam("whose"))
    .values(data_key_wrapped=bindparam("wrapped"), kek_version=bindparam("version"))
)


@dataclass(frozen=True, slots=True)
class RewrapBatch:
    """The result of one batch: number rewrapped, parties with undecryptable keys, last party.

    `last` is None when none was left.
    """

    rewrapped: int
    undecryptable: tuple[UUID, ...]
    last: UUID | None


async def rewrap_batch(
    session: AsyncSession, keyring: KeyRing, after: UUID | None, *, limit: int, at: datetime, operator: str = ""
) -> RewrapBatch:
    """Rewrap up to `limit` data keys of parties after `after`, skipping locked rows.

    `operator` is the name for the journal. A key that does not decrypt stays as it is. Raises Fault
    `sleutelversie_onbekend` when the ring lacks a version.
    """
    old = (
        select(*_DATA_KEY_COLUMNS)
        .where(_PARTY.c.kek_version != keyring.kek_versions[-1])
        .order_by(_PARTY.c.id)
        .limit(limit)
    )
    if after is not None:
        old = old.where(_PARTY.c.id > after)
    # The weakest lock that stops updates. Deliveries for these parties are not blocked.
    rows = (await session.execute(old.with_for_update(key_share=True, skip_locked=True))).all()
    rewrapped = {row.id: _try_rewrap(keyring, row.data_key_wrapped, row.kek_version, row.id) for row in rows}
    changed = [
        {"whose": who, "wrapped": key.wrapped, "version": key.kek_version}
        for who, key in rewrapped.items()
        if key is not None
    ]
    if changed:
        await session.execute(_UPDATE_DATA_KEY, changed)
        facts = {"kek": keyring.kek_versions[-1], "datasleutels": len(changed), "beheerder": operator}
        line = NewJournalLine(
            JournalAct.SLEUTEL_GEWISSELD, JournalOutcome.DONE, "datasleutels_opnieuw_verpakt", facts=facts
        )
        await record(session, line, at=at)
    broken = tuple(who for who, key in rewrapped.items() if key is None)
    return RewrapBatch(len(changed), broken, rows[-1].id if rows else None)


def _try_rewrap(keyring: KeyRing, wrapped: bytes, version: int, party_id: UUID) -> WrappedDataKey | None:
    try:
        return keyring.rewrap_data_key(wrapped, version, party_id)
    except Fault as fault:
        if fault.code != "versleuteling_klopt_niet":
            raise
        return None


async def count_data_keys_by_version(session: AsyncSession) -> dict[int, int]:
    """Count the data keys by version of the key-encryption key."""
    counted = select(_PARTY.c.kek_version, func.count().label("parties")).group_by(_PARTY.c.kek_version)
    counted = counted.where(_PARTY.c.kek_version.is_not(None))
    return {row.kek_version: row.parties for row in await session.execute(counted)}
