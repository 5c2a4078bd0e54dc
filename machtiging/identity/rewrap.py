"""After a rotation: the data keys of people, a batch at a time, under the key-encryption key that wraps now.

What is sealed with a data key does not change. Running workers may read and write meanwhile: a wrapped key and its
version are read in one statement and changed in one, and a worker that meets a newer version reads the ring again.
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
    """What one batch came to: how many were rewrapped, whose did not open, and who was last (None: nobody was left)."""

    rewrapped: int
    broken: tuple[PersonId, ...]
    last: PersonId | None


async def rewrap_some(
    session: AsyncSession, keyring: KeyRing, after: PersonId | None, *, at_most: int, at: datetime, by: str = ""
) -> Batch:
    """Rewrap up to `at_most` data keys of people after this one, passing by those that somebody is changing now.

    `by` is the operator.

    A key that does not open stays as it was. Raises Fault `sleutelversie_onbekend` when the ring lacks a version.
    """
    old = select(*_KEYS).where(_PERSON.c.kek_version != keyring.kek_versions[-1]).order_by(_PERSON.c.id).limit(at_most)
    if after is not None:
        old = old.where(_PERSON.c.id > after)
    # The weakest lock that keeps others from changing the row: letters for these people go on coming in.
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
    """How many data keys hang on each version of the key-encryption key."""
    counted = select(_PERSON.c.kek_version, func.count().label("people")).group_by(_PERSON.c.kek_version)
    return {row.kek_version: row.people for row in await session.execute(counted)}
