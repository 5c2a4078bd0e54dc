"""Find or create people by BSN or broker subject, with data key and profile. An organisation has a name only."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    LargeBinary,
    Row,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    column,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing, WrappedDataKey
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, build_party_insert, unwrap_data_key
from machtiging.identity.profile_claims import Profile, identifies_person, merge_profiles, profiles_match
from machtiging.identity.tables import SEALED_PERSON, Party, Person
from machtiging.kernel.birth_date import format_birth_date, parse_birth_date
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import ROW_INVALID, Fault, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.message_catalogue import LANGUAGES
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row
from machtiging.storage.statement import Executor, ResultRow, Statement

__all__ = [
    "PROFILE_COLUMN_NAMES",
    "PersonComparison",
    "Profile",
    "are_same_person",
    "both_have_bsn",
    "compare_people",
    "decrypt_profile",
    "find_by_bsn",
    "find_ids_by_bsn",
    "find_or_create_by_broker",
    "find_or_create_by_bsn",
    "find_same_person",
    "load_data_key",
    "load_email",
    "load_language",
    "load_profile",
    "load_profiles",
    "profile_from_row",
    "remember_language",
    "save_profile",
    "select_profile",
]

_PERSON, _PARTY = table_of(Person), table_of(Party)
# The two columns of `organisations.tables.Organisation` that a name needs. That package imports this one.
_ORGANISATION = table("organisation", column("id", Uuid()), column("name", Text()))
_IDENTITY_COLUMNS = tuple(_PERSON.c[name] for name in SEALED_PERSON.columns)
_BSN_FIELD = "bsn"
# Built once at import: compiling costs more than executing.
_SELECT_DATA_KEY: Select[Any] = select(*DATA_KEY_COLUMNS).where(_PARTY.c.id == bindparam("party_id"))


_PROFILE_COLUMNS = (*DATA_KEY_COLUMNS, _PERSON.c.profile_sealed, _ORGANISATION.c.name.label("organisation_name"))
PROFILE_COLUMN_NAMES = tuple(each.key for each in _PROFILE_COLUMNS)
_PARTY_WITH_NAME = _PARTY.outerjoin(_PERSON, _PERSON.c.id == _PARTY.c.id).outerjoin(
    _ORGANISATION, _ORGANISATION.c.id == _PARTY.c.id
)


def select_profile(party_id: Any) -> Select[Any]:
    """Build the select of a profile, still encrypted: for a value, parameter or column.

    Of an organisation it has the name. Read its row with `profile_from_row`.
    """
    return select(*_PROFILE_COLUMNS).select_from(_PARTY_WITH_NAME).where(_PARTY.c.id == party_id)


_SELECT_PROFILE = Statement(select_profile(bindparam("person_id")))
_LOCK_PROFILE: Select[Any] = (
    select(*DATA_KEY_COLUMNS, _PERSON.c.profile_sealed)
    .select_from(_PERSON.join(_PARTY, _PARTY.c.id == _PERSON.c.id))
    .where(_PERSON.c.id == bindparam("person_id"))
    .with_for_update(key_share=True, of=_PERSON)
)
_SELECT_PROFILES: Select[Any] = select(_PARTY.c.id, *_PROFILE_COLUMNS).select_from(_PARTY_WITH_NAME)
_PROFILE_FIELD = "profiel"


def _field_context(person_id: PersonId, field: str) -> tuple[str, str, str]:
    """Return the encryption context of a person's field. It binds the ciphertext to person and field."""
    return ("person", str(person_id), field)


async def find_or_create_by_bsn(session: AsyncSession, keyring: KeyRing, bsn: Bsn, *, at: datetime) -> PersonId:
    """Find or create the person with this BSN. Concurrent calls give the same person.

    The BSN is stored encrypted. It is found by a blind index: a keyed hash that reveals nothing without the key.
    """
    index = keyring.blind_index(_BSN_FIELD, bsn.reveal())
    by_index = select(*_IDENTITY_COLUMNS).where(_PERSON.c.bsn_index == index)
    found = (await session.execute(by_index)).one_or_none()
    if found is not None:
        return await _verify_person(session, found)
    person_id = PersonId(uuid7())
    data_key = keyring.create_data_key(person_id)
    sealed = data_key.key.encrypt(bsn.reveal().encode(), *_field_context(person_id, _BSN_FIELD))
    row = {"id": person_id, "bsn_index": index, "bsn_sealed": sealed, "created_at": at}
    return await _insert_or_find(session, row, data_key, by_index, ["bsn_index"])


async def find_by_bsn(session: AsyncSession, keyring: KeyRing, bsn: Bsn) -> PersonId:
    """Find the person with this BSN. Raises NotFound `persoon_onbekend`."""
    index = keyring.blind_index(_BSN_FIELD, bsn.reveal())
    found = (await session.execute(select(*_IDENTITY_COLUMNS).where(_PERSON.c.bsn_index == index))).one_or_none()
    if found is None or not await authenticate_row(session, SEALED_PERSON, found):
        raise NotFound("persoon_onbekend")
    return PersonId(found.id)


async def find_ids_by_bsn(session: AsyncSession, keyring: KeyRing, bsns: Collection[Bsn]) -> dict[Bsn, PersonId]:
    """Find the people with these BSNs in one statement. An unknown BSN, or one of a forged row, is left out."""
    by_index = {keyring.blind_index(_BSN_FIELD, bsn.reveal()): bsn for bsn in bsns}
    wanted = literal(sorted(by_index), ARRAY(LargeBinary))
    rows = (await session.execute(select(*_IDENTITY_COLUMNS).where(_PERSON.c.bsn_index == any_(wanted)))).all()
    return {
        by_index[row.bsn_index]: PersonId(row.id) for row in rows if await authenticate_row(session, SEALED_PERSON, row)
    }


async def find_or_create_by_broker(
    session: AsyncSession, keyring: KeyRing, issuer: str, subject: str, *, at: datetime
) -> PersonId:
    """Find or create the person with this broker subject. Used for people without a BSN."""
    by_name = select(*_IDENTITY_COLUMNS).where(_PERSON.c.broker_issuer == issuer, _PERSON.c.broker_subject == subject)
    found = (await session.execute(by_name)).one_or_none()
    if found is not None:
        return await _verify_person(session, found)
    person_id = PersonId(uuid7())
    data_key = keyring.create_data_key(person_id)
    row = {"id": person_id, "broker_issuer": issuer, "broker_subject": subject, "created_at": at}
    return await _insert_or_find(session, row, data_key, by_name, ["broker_issuer", "broker_subject"])


async def _insert_or_find(
    session: AsyncSession, row: dict[str, Any], data_key: WrappedDataKey, find: Any, unique_columns: list[str]
) -> PersonId:
    """Insert the person and her party, or find the person of a concurrent transaction."""
    person_insert = insert(_PERSON).values(seal_row(session, SEALED_PERSON, row))
    created = person_insert.on_conflict_do_nothing(index_elements=unique_columns).returning(*_IDENTITY_COLUMNS)
    person_cte = created.cte("created")
    party_insert = build_party_insert(person_cte, "person", data_key)
    statement = select(*person_cte.c).add_cte(party_insert.cte("party_of_person"))
    inserted = (await session.execute(statement)).one_or_none()
    person = inserted if inserted is not None else (await session.execute(find)).one_or_none()
    if person is None:
        raise Fault("persoon_niet_aangemaakt")
    return await _verify_person(session, person)


async def _verify_person(session: AsyncSession, person: Row[Any]) -> PersonId:
    """Verify the MAC of a person row and return its id.

    Raises NotAllowed `rij_ongeldig` when the identifiers were changed or swapped. Then nobody may log in as this
    person, and no letter may be delivered to her box.
    """
    if not await authenticate_row(session, SEALED_PERSON, person):
        raise NotAllowed(ROW_INVALID)
    return PersonId(person.id)


async def load_data_key(session: AsyncSession, keyring: KeyRing, party_id: UUID) -> DataKey:
    """Load the data key of a party's letters and profile. Raises NotFound `persoon_onbekend`."""
    row = (await session.execute(_SELECT_DATA_KEY, {"party_id": party_id})).mappings().one_or_none()
    if row is None or row["data_key_wrapped"] is None:
        raise NotFound("persoon_onbekend")
    return unwrap_data_key(row, keyring, party_id)


async def load_data_keys(
    session: AsyncSession, keyring: KeyRing, party_ids: Collection[PersonId]
) -> dict[PersonId, DataKey]:
    """Load the data keys of these parties in one statement. Raises NotFound `persoon_onbekend`."""
    named = _PARTY.c.id == any_(literal(sorted(party_ids), ARRAY(Uuid())))
    query = select(_PARTY.c.id, *DATA_KEY_COLUMNS).where(named, _PARTY.c.data_key_wrapped.is_not(None))
    rows = (await session.execute(query)).mappings().all()
    if len(rows) != len(party_ids):
        raise NotFound("persoon_onbekend")
    return {PersonId(row["id"]): unwrap_data_key({**row}, keyring, row["id"]) for row in rows}


async def load_profile(executor: Executor, keyring: KeyRing, person_id: PersonId) -> Profile | None:
    """Load a party's profile. None for an unknown person, or one who has never logged in."""
    return profile_from_row(await _SELECT_PROFILE.one_or_none(executor, {"person_id": person_id}), keyring, person_id)


def profile_from_row(row: ResultRow | None, keyring: KeyRing, person_id: PersonId) -> Profile | None:
    """Decrypt the profile in a row of `select_profile`; None if there is none."""
    if row is not None and row["organisation_name"] is not None:
        return Profile(row["organisation_name"], None, None)
    if row is None or row["profile_sealed"] is None:
        return None
    return decrypt_profile(unwrap_data_key(row, keyring, person_id), row["profile_sealed"], person_id)


async def load_profiles(
    session: AsyncSession, keyring: KeyRing, person_ids: Collection[PersonId]
) -> dict[PersonId, Profile]:
    """Load the profiles of these parties in one statement. People without one are left out."""
    if not person_ids:
        return {}
    found = map(dict, (await session.execute(_SELECT_PROFILES.where(_PARTY.c.id.in_(person_ids)))).mappings())
    profiles = {row["id"]: profile_from_row(row, keyring, row["id"]) for row in found}
    return {party_id: profile for party_id, profile in profiles.items() if profile is not None}


def decrypt_profile(key: DataKey, sealed: bytes, person_id: PersonId) -> Profile:
    """Decrypt a profile. Raises Fault `versleuteling_klopt_niet` for that of another person."""
    document = json.loads(key.decrypt(sealed, *_field_context(person_id, _PROFILE_FIELD)))
    born = document["birth_date"]
    return Profile(document["name"], None if born is None else parse_birth_date(born), document["email"])


async def save_profile(session: AsyncSession, keyring: KeyRing, person_id: PersonId, received: Profile) -> None:
    """Merge the received claims into the stored profile and encrypt it. Raises NotFound `persoon_onbekend`.

    See `merge_profiles` for values that were not received.
    """
    stored = await load_profile(session, keyring, person_id)
    if stored is not None and merge_profiles(stored, received) == stored:
        return
    # Lock the row: a concurrent login may have changed the profile since it was read.
    row = (await session.execute(_LOCK_PROFILE, {"person_id": person_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("persoon_onbekend")
    key = unwrap_data_key(row, keyring, person_id)
    if row["profile_sealed"] is not None:
        received = merge_profiles(decrypt_profile(key, row["profile_sealed"], person_id), received)
    sealed = key.encrypt(_serialise_profile(received), *_field_context(person_id, _PROFILE_FIELD))
    await session.execute(update(_PERSON).where(_PERSON.c.id == person_id).values(profile_sealed=sealed))


def _serialise_profile(profile: Profile) -> bytes:
    born = None if profile.birth_date is None else format_birth_date(profile.birth_date)
    return json.dumps({"name": profile.name, "birth_date": born, "email": profile.email}).encode()


class PersonComparison:
    """Compares accounts as persons. Loads many accounts at once, each of them once."""

    def __init__(self, session: AsyncSession, keyring: KeyRing) -> None:
        self._session, self._keyring = session, keyring
        self._people: dict[PersonId, Row[Any] | None] = {}
        self._authentic: dict[PersonId, bool] = {}
        self._profile_rows: dict[PersonId, ResultRow | None] = {}
        self._profiles: dict[PersonId, Profile | None] = {}

    async def load(self, person_ids: Collection[PersonId]) -> None:
        """Load these accounts, in one statement. No statement if all were loaded before."""
        missing = sorted({*person_ids} - self._people.keys())
        if missing:
            query = select(*_IDENTITY_COLUMNS).where(_PERSON.c.id == any_(literal(missing, ARRAY(Uuid()))))
            found = {row.id: row for row in (await self._session.execute(query)).all()}
            self._people |= {one: found.get(one) for one in missing}

    async def compare(self, one: PersonId, other: PersonId) -> bool | None:
        """Compare two accounts: True for one person, False for two, None if unknown.

        If both have a BSN it decides; else name and birth date do, if both accounts have them in full. Raises
        NotAllowed `rij_ongeldig`.
        """
        if one == other:
            return True
        if await self.both_have_bsn(one, other):
            return False
        profiles = [await self._open_profile(person_id) for person_id in (one, other)]
        identified = [profile for profile in profiles if profile is not None and identifies_person(profile)]
        return profiles_match(identified[0], identified[1]) if len(identified) == len(profiles) else None

    async def both_have_bsn(self, one: PersonId, other: PersonId) -> bool:
        """Return whether both people have a BSN. Then the BSN alone decides if they are one person.

        Raises NotAllowed `rij_ongeldig`: a forged BSN would make two people of one.
        """
        await self.load([one, other])
        people = [await self._verify(person_id) for person_id in (one, other)]
        return all(person is not None and person.bsn_index is not None for person in people)

    async def _verify(self, person_id: PersonId) -> Row[Any] | None:
        """Verify the MAC of a loaded account, once. Raises NotAllowed `rij_ongeldig`."""
        person = self._people[person_id]
        if person is not None and person_id not in self._authentic:
            self._authentic[person_id] = await authenticate_row(self._session, SEALED_PERSON, person)
        if not self._authentic.get(person_id, True):
            raise NotAllowed(ROW_INVALID)
        return person

    async def _open_profile(self, person_id: PersonId) -> Profile | None:
        """Decrypt a profile, once. The first one loads those of all loaded accounts."""
        if person_id not in self._profile_rows:
            missing = sorted(self._people.keys() - self._profile_rows.keys())
            query = _SELECT_PROFILES.where(_PARTY.c.id == any_(literal(missing, ARRAY(Uuid()))))
            found = {row["id"]: dict(row) for row in (await self._session.execute(query)).mappings()}
            self._profile_rows |= {one: found.get(one) for one in missing}
        if person_id not in self._profiles:
            self._profiles[person_id] = profile_from_row(self._profile_rows[person_id], self._keyring, person_id)
        return self._profiles[person_id]


async def both_have_bsn(session: AsyncSession, keyring: KeyRing, one: PersonId, other: PersonId) -> bool:
    """Return as `PersonComparison.both_have_bsn`."""
    return await PersonComparison(session, keyring).both_have_bsn(one, other)


async def are_same_person(session: AsyncSession, keyring: KeyRing, one: PersonId, other: PersonId) -> bool:
    """Return whether two accounts are known to be one person. False also when that is unknown.

    Raises NotAllowed `rij_ongeldig`.
    """
    return await compare_people(session, keyring, one, other) is True


async def compare_people(session: AsyncSession, keyring: KeyRing, one: PersonId, other: PersonId) -> bool | None:
    """Compare two accounts as `PersonComparison.compare`."""
    return await PersonComparison(session, keyring).compare(one, other)


async def find_same_person(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, others: Collection[PersonId]
) -> PersonId | None:
    """Find among these accounts the same account, else another account of the same person.

    None also if that is unknown. Raises NotAllowed `rij_ongeldig`.
    """
    if person_id in others:
        return person_id
    profiles = await load_profiles(session, keyring, {person_id, *others})
    own = profiles.pop(person_id, None)
    for other, profile in profiles.items():
        alike = own is not None and profiles_match(own, profile)
        if alike and await are_same_person(session, keyring, person_id, other):
            return other
    return None


async def load_email(session: AsyncSession, keyring: KeyRing, person_id: PersonId) -> str | None:
    """Load a person's e-mail address, or None."""
    profile = await load_profile(session, keyring, person_id)
    return None if profile is None else profile.email


async def remember_language(session: AsyncSession, person_id: PersonId, locale: str) -> None:
    """Store the language of a person. Raises ValueError for a language that we do not have."""
    if locale not in LANGUAGES:
        raise ValueError(f"no catalogue of {locale!r}")
    await session.execute(
        update(_PERSON).where(_PERSON.c.id == person_id, _PERSON.c.language != locale).values(language=locale)
    )


async def load_language(session: AsyncSession, person_id: PersonId) -> str | None:
    """Load the language of a person; None if the person is unknown."""
    return (await session.execute(select(_PERSON.c.language).where(_PERSON.c.id == person_id))).scalar_one_or_none()
