"""Rewrap data keys in batches under the current key-encryption key, after a key rotation.

Data encrypted with a data key does not change. Workers may read and write during the rotation: a wrapped key and its
version are always read in one statement and written in one. A worker that meets a newer version reloads the key ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing, NewDataKey
from machtiging.identity.tables import Person
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId

_PERSON: Table = Person.__table__  # type: ignore[attr-defined]
_KEYS = (_PERSON.c.id, _PERSON.c.data_key_wrapped, _PERSON.c.kek_version)
_WRAPPED_ANEW = (
    update(_PERSON)
    .where(_PERSON.c.id == bindparam("whose"))
    .values(data_key_wrapped=bindparam("wrapped"), kek_version=bindparam("version"))
)


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one batch: number rewrapped, people with an undecryptable key, and the last person.

    `last` is None when nobody was left.
    """

    rewrapped: int
    broken: tuple[PersonId, ...]
    last: PersonId | None


async def rewrap_some(
    session: AsyncSession, keyring: KeyRing, after: PersonId | None, *, at_most: int, at: datetime, by: str = ""
) -> Batch:
    """Rewrap up to `limit` data keys of people after `after`, skipping locked rows.

    `operator` is the name for the journal. A key that does not decrypt stays as it is. Raises Fault
    `sleutelversie_onbekend` when the ring lacks a version.
    """
    old = select(*_KEYS).where(_PERSON.c.kek_version != keyring.kek_versions[-1]).order_by(_PERSON.c.id).limit(at_most)
    if after is not None:
        old = old.where(_PERSON.c.id > after)
    # The weakest lock that stops updates. Deliveries for these people are not blocked.
    rows = (await session.execute(old.with_for_update(key_share=True, skip_locked=True))).all()
    made = {PersonId(row.id): _rewrapped(keyring, row.data_key_wrapped, row.kek_version, row.id) for row in rows}
    changed = [
        {"whose": who, "wrapped": key.wrapped, "version": key.kek_version}
        for who, key in made.items()
        if key is not None
    ]
    if changed:
        await session.execute(_WRAPPED_ANEW, changed)
        facts = {"kek": keyring.kek_versions[-1], "datasleutels": len(changed), "beheerder": by}
        line = Line(JournalAct.SLEUTEL_GEWISSELD, Outcome.DONE, "datasleutels_opnieuw_verpakt", facts=facts)
        await record(session, line, at=at)
    broken = tuple(who for who, key in made.items() if key is None)
    return Batch(len(changed), broken, PersonId(rows[-1].id) if rows else None)


def _rewrapped(keyring: KeyRing, wrapped: bytes, version: int, person_id: PersonId) -> NewDataKey | None:
    try:
        return keyring.rewrap_data_key(wrapped, version, person_id)
    except Fault as fault:
        if fault.code != "versleuteling_klopt_niet":
            raise
        return None


async def data_keys_by_version(session: AsyncSession) -> dict[int, int]:
    """Count the data keys by version of the key-encryption key."""
    counted = select(_PERSON.c.kek_version, func.count().label("people")).group_by(_PERSON.c.kek_version)
    return {row.kek_version: row.people for row in await session.execute(counted)}
