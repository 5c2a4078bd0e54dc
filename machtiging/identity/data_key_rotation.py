"""Rewrap data keys in batches under the current key-encryption key, after a key rotation.

Data encrypted with a data key does not change. Workers may read and write during the rotation: a wrapped key and its
version are always read in one statement and written in one. A worker that meets a newer version reloads the key ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing, WrappedDataKey
from machtiging.identity.tables import Person
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of

_PERSON = table_of(Person)
_DATA_KEY_COLUMNS = (_PERSON.c.id, _PERSON.c.data_key_wrapped, _PERSON.c.kek_version)
_UPDATE_DATA_KEY = (
    update(_PERSON)
    .where(_PERSON.c.id == bindparam("whose"))
    .values(data_key_wrapped=bindparam("wrapped"), kek_version=bindparam("version"))
)


@dataclass(frozen=True, slots=True)
class RewrapBatch:
    """The result of one batch: number rewrapped, people with undecryptable keys, last person.

    `last` is None when nobody was left.
    """

    rewrapped: int
    undecryptable: tuple[PersonId, ...]
    last: PersonId | None


async def rewrap_batch(
    session: AsyncSession, keyring: KeyRing, after: PersonId | None, *, limit: int, at: datetime, operator: str = ""
) -> RewrapBatch:
    """Rewrap up to `limit` data keys of people after `after`, skipping locked rows.

    `operator` is the name for the journal. A key that does not decrypt stays as it is. Raises Fault
    `sleutelversie_onbekend` when the ring lacks a version.
    """
    old = (
        select(*_DATA_KEY_COLUMNS)
        .where(_PERSON.c.kek_version != keyring.kek_versions[-1])
        .order_by(_PERSON.c.id)
        .limit(limit)
    )
    if after is not None:
        old = old.where(_PERSON.c.id > after)
    # The weakest lock that stops updates. Deliveries for these people are not blocked.
    rows = (await session.execute(old.with_for_update(key_share=True, skip_locked=True))).all()
    rewrapped = {PersonId(row.id): _try_rewrap(keyring, row.data_key_wrapped, row.kek_version, row.id) for row in rows}
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
    return RewrapBatch(len(changed), broken, PersonId(rows[-1].id) if rows else None)


def _try_rewrap(keyring: KeyRing, wrapped: bytes, version: int, person_id: PersonId) -> WrappedDataKey | None:
    try:
        return keyring.rewrap_data_key(wrapped, version, person_id)
    except Fault as fault:
        if fault.code != "versleuteling_klopt_niet":
            raise
        return None


async def count_data_keys_by_version(session: AsyncSession) -> dict[int, int]:
    """Count the data keys by version of the key-encryption key."""
    counted = select(_PERSON.c.kek_version, func.count().label("people")).group_by(_PERSON.c.kek_version)
    return {row.kek_version: row.people for row in await session.execute(counted)}
