"""People: found or created by BSN or by broker subject, with their data key and profile."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto.envelope import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.keys import DATA_KEY_COLUMNS, data_key_in
from machtiging.identity.particulars import Profile, merge_profiles
from machtiging.identity.tables import SEALED_PERSON, Person
from machtiging.kernel.birth_date import parse_birth_date, write_birth_date
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Fault, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.row_mac import INVALID, seal
from machtiging.storage.statement import Statement, Work

__all__ = [
    "Profile",
    "address_of",
    "both_have_bsn",
    "data_key_of",
    "find_by_bsn",
    "find_or_create_by_broker",
    "find_or_create_by_bsn",
    "profile_from",
    "profile_of",
    "save_profile",
]

_PERSON: Table = Person.__table__  # type: ignore[attr-defined]
_IDENTITY = tuple(_PERSON.c[name] for name in SEALED_PERSON.columns)
_BSN = "bsn"
# Built once at import: compiling costs more than executing.
_DATA_KEY: Select[Any] = select(*DATA_KEY_COLUMNS).where(_PERSON.c.id == bindparam("person_id"))
_SEALED = Statement(_DATA_KEY.add_columns(_PERSON.c.profile_sealed))
_PROFILE_LOCKED: Select[Any] = _DATA_KEY.add_columns(_PERSON.c.profile_sealed).with_for_update(key_share=True)
_PROFILE = "profiel"


def _place(person_id: PersonId, what: str) -> tuple[str, str, str]:
    """Return the encryption context of a person's field. It binds the ciphertext to person and field."""
    return ("person", str(person_id), what)


async def find_or_create_by_bsn(session: AsyncSession, keyring: KeyRing, bsn: Bsn, *, at: datetime) -> PersonId:
    """Find or create the person with this BSN. Concurrent calls give the same person.

    The BSN is stored encrypted. It is found by a blind index: a keyed hash that reveals nothing without the key.
    """
    index = keyring.blind_index(_BSN, bsn.reveal())
    by_index = select(*_IDENTITY).where(_PERSON.c.bsn_index == index)
    found = (await session.execute(by_index)).one_or_none()
    if found is not None:
        return await _verify_person(session, found)
    person_id = PersonId(uuid7())
    made = keyring.new_data_key(person_id)
    sealed = made.key.seal(bsn.reveal().encode(), *_place(person_id, _BSN))
    row = {"id": person_id, "bsn_index": index, "bsn_sealed": sealed, "created_at": at}
    row |= {"data_key_wrapped": made.wrapped, "kek_version": made.kek_version}
    return await _create(session, row, by_index, ["bsn_index"])


async def find_by_bsn(session: AsyncSession, keyring: KeyRing, bsn: Bsn) -> PersonId:
    """Find the person with this BSN. Raises NotFound `persoon_onbekend`."""
    index = keyring.blind_index(_BSN, bsn.reveal())
    found = (await session.execute(select(*_IDENTITY).where(_PERSON.c.bsn_index == index))).one_or_none()
    if found is None or not await authenticate_row(session, SEALED_PERSON, found):
        raise NotFound("persoon_onbekend", "Deze persoon kennen wij niet.")
    return PersonId(found.id)


async def find_or_create_by_broker(
    session: AsyncSession, keyring: KeyRing, issuer: str, subject: str, *, at: datetime
) -> PersonId:
    """Find or create the person with this broker subject. Used for people without a BSN."""
    by_name = select(*_IDENTITY).where(_PERSON.c.broker_issuer == issuer, _PERSON.c.broker_subject == subject)
    found = (await session.execute(by_name)).one_or_none()
    if found is not None:
        return await _verify_person(session, found)
    person_id = PersonId(uuid7())
    made = keyring.new_data_key(person_id)
    row = {"id": person_id, "broker_issuer": issuer, "broker_subject": subject, "created_at": at}
    row |= {"data_key_wrapped": made.wrapped, "kek_version": made.kek_version}
    return await _create(session, row, by_name, ["broker_issuer", "broker_subject"])


async def _create(session: AsyncSession, row: dict[str, Any], again: Any, unique: list[str]) -> PersonId:
    """Insert the person, or return the one that a concurrent transaction inserted first."""
    sealed = seal(session, SEALED_PERSON, row)
    statement = insert(_PERSON).values(sealed).on_conflict_do_nothing(index_elements=unique).returning(*_IDENTITY)
    made = (await session.execute(statement)).one_or_none()
    person = made if made is not None else (await session.execute(again)).one_or_none()
    if person is None:
        raise Fault("persoon_niet_aangemaakt")
    return await _verify_person(session, person)


async def _verify_person(session: AsyncSession, person: Row[Any]) -> PersonId:
    """Verify the MAC of a person row and return its id.

    Raises NotAllowed `rij_ongeldig` when the identifiers were changed or swapped. Then nobody may log in as this
    person, and no letter may be delivered to her box.
    """
    if not await authenticate_row(session, SEALED_PERSON, person):
        raise NotAllowed(INVALID, "Er klopt iets niet in onze gegevens. Wij zoeken dit uit. Er is niets gedaan.")
    return PersonId(person.id)


async def data_key_of(session: AsyncSession, keyring: KeyRing, person_id: PersonId) -> DataKey:
    """Load the data key of a person's letters and profile. Raises NotFound `persoon_onbekend`."""
    row = (await session.execute(_DATA_KEY, {"person_id": person_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("persoon_onbekend", "Deze persoon kennen wij niet.")
    return data_key_in(row, keyring, person_id)


async def profile_of(work: Work, keyring: KeyRing, person_id: PersonId) -> Profile | None:
    """Load a person's profile. None when the person is unknown or has never logged in."""
    row = await _SEALED.one(work, {"person_id": person_id})
    if row is None or row["profile_sealed"] is None:
        return None
    return profile_from(data_key_in(row, keyring, person_id), row["profile_sealed"], person_id)


def profile_from(key: DataKey, sealed: bytes, person_id: PersonId) -> Profile:
    """Decrypt a profile. Raises Fault `versleuteling_klopt_niet` for that of another person."""
    told = json.loads(key.open(sealed, *_place(person_id, _PROFILE)))
    born = told["birth_date"]
    return Profile(told["name"], None if born is None else parse_birth_date(born), told["email"])


async def save_profile(session: AsyncSession, keyring: KeyRing, person_id: PersonId, told: Profile) -> None:
    """Merge the received claims into the stored profile and encrypt it. Raises NotFound `persoon_onbekend`.

    See `merge_profiles` for values that were not received.
    """
    known = await profile_of(session, keyring, person_id)
    if known is not None and merge_profiles(known, told) == known:
        return
    # Lock the row: a concurrent login may have changed the profile since it was read.
    row = (await session.execute(_PROFILE_LOCKED, {"person_id": person_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("persoon_onbekend", "Deze persoon kennen wij niet.")
    key = data_key_in(row, keyring, person_id)
    if row["profile_sealed"] is not None:
        told = merge_profiles(profile_from(key, row["profile_sealed"], person_id), told)
    sealed = key.seal(_as_json(told), *_place(person_id, _PROFILE))
    await session.execute(update(_PERSON).where(_PERSON.c.id == person_id).values(profile_sealed=sealed))


def _as_json(profile: Profile) -> bytes:
    born = None if profile.birth_date is None else write_birth_date(profile.birth_date)
    return json.dumps({"name": profile.name, "birth_date": born, "email": profile.email}).encode()


async def both_have_bsn(session: AsyncSession, one: PersonId, other: PersonId) -> bool:
    """Return whether both people have a BSN. Then the BSN alone decides if they are one person."""
    with_bsn = select(func.count()).where(_PERSON.c.id.in_([one, other]), _PERSON.c.bsn_index.is_not(None))
    return await session.scalar(with_bsn) == len({one, other})


async def address_of(session: AsyncSession, keyring: KeyRing, person_id: PersonId) -> str | None:
    """Load a person's e-mail address, or None."""
    profile = await profile_of(session, keyring, person_id)
    return None if profile is None else profile.email
