"""Organisations with employees, clients and letters, inserted in bulk, with real keys, names and MACs.

The machtigingen of the background only fill tables and indexes: nobody reads them, and their MACs are not valid.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.agencies.catalogue import find_catalogue_oin, upsert_catalogue
from machtiging.berichtenbox.queries import BERICHT, READER_MARK
from machtiging.crypto.envelope_encryption import DataKey, KeyedIndex
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.caseload.case_references import encrypt_case_reference
from machtiging.delegation.caseload.search_terms import SearchTerm, list_profile_terms, list_reference_terms
from machtiging.delegation.tables import (
    SEALED_AGREEMENT,
    SEALED_ASSIGNMENT,
    SEALED_MACHTIGING,
    ClientSearchKey,
)
from machtiging.identity.data_keys import data_key_table, ensure_data_key
from machtiging.identity.people import Profile, find_or_create_by_broker
from machtiging.identity.tables import SEALED_PERSON
from machtiging.kernel.birth_date import format_birth_date
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.bench.world import as_owner
from tests.builders.machtiging import build_relative_row
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.rows import AGREEMENTS

_CHUNK = 500
_ISSUER = "http://bench"
_READ_EACH = 5  # every fifth letter was read by the employee
_FIRST = ("Riet", "Karim", "Ali", "Anna", "Gerrit", "Mo", "Rosa", "Fatima", "Joost", "Wim", "Sanne", "Yusuf", "Els")
_LAST = ("Linden", "Amrani", "Boer", "Hofstra", "Haddou", "Fernandes", "Jansen", "Bakker", "Visser", "Smit", "Meijer")
_INSIDE = ("van der", "de", "el", "van", "")
_BACKGROUND = """
CREATE TEMPORARY TABLE filling AS
    SELECT gen_random_uuid() AS root, gen_random_uuid() AS leaf, gen_random_uuid() AS citizen,
        md5('office' || n % 2000)::uuid AS office, md5('employee' || n % 20000)::uuid AS employee
    FROM generate_series(1, {number}) n;
INSERT INTO machtiging OVERRIDING USER VALUE SELECT (jsonb_populate_record(one, jsonb_build_object('id', root,
    'vertegenwoordigde_id', citizen, 'gemachtigde_id', office))).*
    FROM machtiging one, filling WHERE one.id = '{root}';
INSERT INTO machtiging OVERRIDING USER VALUE SELECT (jsonb_populate_record(one, jsonb_build_object('id', leaf,
    'vertegenwoordigde_id', citizen, 'parent_id', root, 'employee_id', employee))).*
    FROM machtiging one, filling WHERE one.id = '{leaf}';
INSERT INTO agreement SELECT (jsonb_populate_record(one, jsonb_build_object('machtiging_id', root))).*
    FROM agreement one, filling WHERE one.machtiging_id = '{root}';
INSERT INTO agreement SELECT (jsonb_populate_record(one, jsonb_build_object('machtiging_id', leaf))).*
    FROM agreement one, filling WHERE one.machtiging_id = '{leaf}';
INSERT INTO assignment SELECT (jsonb_populate_record(one, jsonb_build_object('machtiging_id', leaf))).*
    FROM assignment one, filling WHERE one.machtiging_id = '{leaf}';
INSERT INTO client_search_key (organisation_id, search_key, machtiging_id)
    SELECT office, substring(sha256((root::text || n)::bytea) FROM 1 FOR 16), root
    FROM filling, generate_series(1, 4) n;
DROP TABLE filling
"""


@dataclass(frozen=True)
class OfficeSize:
    """The size of an organisation. The first employee has `own` clients with `letters` each; colleagues the rest."""

    kvk: str
    clients: int
    employees: int
    own: int
    letters: int
    # Clients without a reader, to assign.
    unassigned: int


@dataclass
class BenchOffice:
    """An organisation that was made. `worker` is the person of the first employee."""

    size: OfficeSize
    organisation_id: UUID
    worker: PersonId
    administrator: PersonId
    employees: list[UUID]
    roots: list[UUID] = field(default_factory=list)
    # What the first employee holds.
    leaves: list[UUID] = field(default_factory=list)
    unassigned: list[UUID] = field(default_factory=list)


Say = Callable[[str], None]


def case_reference(number: int) -> str:
    """The case reference of a client."""
    return f"Z{number * 7919 % 100_000:05}"


async def make_office(
    sessions: async_sessionmaker[AsyncSession], keyring: KeyRing, size: OfficeSize, say: Say
) -> BenchOffice:
    """Insert an organisation with its employees, clients, assignments and letters."""
    at = datetime.now(UTC)
    async with unit_of_work(sessions) as session:
        await upsert_catalogue(session)
        office = await _add_office(session, keyring, size, at)
        key = await ensure_data_key(session, keyring, office.organisation_id)
    writer = _OfficeWriter(keyring, office, key, at)
    for first in range(0, size.clients, _CHUNK):
        numbers = range(first, min(first + _CHUNK, size.clients))
        async with unit_of_work(sessions) as session:
            await writer.insert_clients(session, numbers)
        say(f"{size.kvk}: {numbers.stop:,} of {size.clients:,} clients ...")
    return office


async def add_background(url: str, office: BenchOffice, total: int, say: Say) -> None:
    """Fill the database up to so many machtigingen, half of them assignments, of other organisations."""
    async with as_owner(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        there = await connection.fetchval("SELECT count(*) FROM machtiging")
        while (missing := (total - there) // 2) > 0:
            number = min(missing, 50_000)
            text = _BACKGROUND.format(number=number, root=office.roots[0], leaf=office.leaves[0])
            await connection.execute(text)
            there += 2 * number
            say(f"{there:,} of {total:,} machtigingen ...")
        await connection.execute("VACUUM ANALYZE")


async def _add_office(session: AsyncSession, keyring: KeyRing, size: OfficeSize, at: datetime) -> BenchOffice:
    organisation_id = await add_organisation(session, size.kvk)
    # The builder wraps the data key for the key ring of the tests; the first use makes one for this ring.
    party, own = data_key_table(), {"data_key_wrapped": None, "kek_version": None}
    await session.execute(update(party).where(party.c.id == organisation_id).values(own))
    people, employees = [], []
    for number in range(size.employees):
        roles = ["hulpverlener"] if number else ["hulpverlener", "teamleider", "organisatiebeheerder"]
        person_id = await find_or_create_by_broker(session, keyring, _ISSUER, f"{size.kvk}-{number}", at=at)
        people.append(person_id)
        employees.append(await add_employee(session, organisation_id, person_id, roles=roles))
    return BenchOffice(size, organisation_id, people[0], people[0], employees)


def _make_profile(number: int) -> Profile:
    words = (_FIRST[number % len(_FIRST)], _INSIDE[number % len(_INSIDE)], _LAST[number % len(_LAST)])
    born = date(1940, 1, 1) + timedelta(days=number * 37 % 22_000)
    return Profile(" ".join(word for word in words if word), born, None)


@dataclass
class _OfficeWriter:
    """Makes the rows of clients, a chunk in a few statements."""

    keyring: KeyRing
    office: BenchOffice
    key: DataKey
    at: datetime

    async def insert_clients(self, session: AsyncSession, numbers: range) -> None:
        """Insert these clients, with what hangs on them."""
        rows: dict[Table, list[dict[str, Any]]] = {}

        def add(table: Table, row: dict[str, Any]) -> None:
            rows.setdefault(table, []).append(row)

        def add_sealed(sealed: SealedTable, row: dict[str, Any]) -> None:
            add(sealed.table, seal_row(session, sealed, row))

        for number in numbers:
            self._add_client(number, add, add_sealed)
        # Parents first: the tables were first named in that order.
        for table, values in rows.items():
            await session.execute(insert(table), values)

    def _add_client(self, number: int, add: Callable[..., None], add_sealed: Callable[..., None]) -> None:
        citizen, profile = PersonId(uuid7()), _make_profile(number)
        wrapped = self.keyring.create_data_key(citizen)
        born = None if profile.birth_date is None else format_birth_date(profile.birth_date)
        document = json.dumps({"name": profile.name, "birth_date": born, "email": None}).encode()
        party = {"id": citizen, "kind": "person", "created_at": self.at}
        add(data_key_table(), party | {"data_key_wrapped": wrapped.wrapped, "kek_version": wrapped.kek_version})
        person = {"id": citizen, "broker_issuer": _ISSUER, "broker_subject": str(citizen), "created_at": self.at}
        sealed = wrapped.key.encrypt(document, "person", str(citizen), "profiel")
        add_sealed(SEALED_PERSON, person | {"profile_sealed": sealed, "party_kind": "person"})
        root = self._add_link(add_sealed, citizen, number, gemachtigde_id=self.office.organisation_id)
        self.office.roots.append(root)
        self._add_search_keys(add, root, list_profile_terms(profile))
        size = self.office.size
        if number >= size.clients - size.unassigned:
            self.office.unassigned.append(root)
            return
        is_own = number < size.own
        employee = self.office.employees[0 if is_own else 1 + number % (size.employees - 1)]
        leaf = self._add_link(add_sealed, citizen, number, parent_id=root, employee_id=employee)
        reference = case_reference(number)
        work = {"machtiging_id": leaf, "kind": "vast", "assigned_by": self.office.employees[0]}
        work |= {"case_reference_sealed": encrypt_case_reference(self.key, leaf, reference), "replaces_id": None}
        add_sealed(SEALED_ASSIGNMENT, work | {"assigned_at": self.at - timedelta(minutes=number), "confirmed_by": None})
        self._add_search_keys(add, leaf, list_reference_terms(reference))
        if is_own:
            self.office.leaves.append(leaf)
            self._add_letters(add, citizen, wrapped.key, number)

    def _add_link(self, add_sealed: Callable[..., None], citizen: PersonId, number: int, **changes: Any) -> UUID:
        row = {"id": uuid7(), "agreement_number": 1, **build_relative_row(citizen, self.office.worker, self.at)}
        ends_at = self.at + timedelta(days=20 + number * 31 % 340, minutes=number)
        empty = dict.fromkeys(("gemachtigde_id", "parent_id", "employee_id"))
        row |= empty | {"capacity": "professional", "ends_at": ends_at} | changes
        agreement = {name: row.pop(name) for name in list(row) if name in AGREEMENTS.c and name != "mac"}
        agreement |= {"machtiging_id": row["id"], "number": 1, "excluded_team_ids": [], "channel": "online"}
        agreement |= {"text_version": "1", "agreed_by": citizen, "agreed_at": row["offered_at"]}
        add_sealed(SEALED_MACHTIGING, row)
        add_sealed(SEALED_AGREEMENT, agreement | {"needs_confirmation": False})
        return UUID(str(row["id"]))

    def _add_search_keys(self, add: Callable[..., None], machtiging_id: UUID, terms: frozenset[SearchTerm]) -> None:
        index = KeyedIndex(self.key, "client search")
        for term in sorted(terms):
            found = {"organisation_id": self.office.organisation_id, "search_key": index.compute(*term)}
            add(table_of(ClientSearchKey), found | {"machtiging_id": machtiging_id})

    def _add_letters(self, add: Callable[..., None], owner: PersonId, key: DataKey, number: int) -> None:
        for letter in range(self.office.size.letters):
            bericht_id, place = uuid7(), self.at - timedelta(minutes=letter * 60 + number % 60)
            row = {"id": bericht_id, "ontvanger_id": owner, "afzender_oin": find_catalogue_oin(_SENDER)}
            row |= {"dienst_code": "aow", "theme": "pensioen", "sensitivity": "gewoon", "published_at": place}
            row |= {"received_at": place, "sender_reference": str(bericht_id), "content_hash": bytes(32)}
            context = ("bericht", str(bericht_id))
            row |= {"onderwerp_sealed": key.encrypt(b"Uw AOW in het nieuwe jaar", *context, "onderwerp")}
            add(BERICHT, row | {"inhoud_sealed": key.encrypt(b"U krijgt AOW. " * 40, *context, "inhoud")})
            # Half of the clients have letters that were read, so that the order by unread has work.
            if (letter + number) % _READ_EACH < number % _READ_EACH:
                mark = {"bericht_id": bericht_id, "person_id": self.office.worker, "first_read_at": self.at}
                add(READER_MARK, mark)


_SENDER = "Sociale Verzekeringsbank"
