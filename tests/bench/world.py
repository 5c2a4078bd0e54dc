"""The world that the requests are about: a database, keys, people, machtigingen, letters and tokens.

Everything is made with the verbs of the service itself; only what the floor and the peer need comes on top.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import insert, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.access.bearer import AgencyActor
from machtiging.access_tokens.issued_token import IssuedTokenFacts, api_audience
from machtiging.access_tokens.tokens import insert_token
from machtiging.agencies.catalogue import find_catalogue_oin, upsert_catalogue
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.berichtenbox.aanlevering import Aanlevering, deliver_bericht
from machtiging.berichtenbox.authorization_details.rules import build_authorization_details
from machtiging.berichtenbox.schemas import BerichtIn
from machtiging.crypto.keyring import KeyRing, generate_key_ring
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.offer import Giver, MachtigingTerms, offer_machtiging
from machtiging.delegation.rules import Act, Capacity, MachtigingLimits, MachtigingScope
from machtiging.identity.people import Profile, find_or_create_by_broker, find_or_create_by_bsn, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import MachtigingId, PersonId, TokenId, uuid7
from machtiging.kernel.period import Period
from machtiging.organisations.tables import SEALED_TEAM, SEALED_TEAM_MEMBERSHIP
from machtiging.storage.embedded_postgres import EmbeddedPostgres
from machtiging.storage.engine import DatabaseRole, make_engine, make_sessions
from machtiging.storage.migration_runner import migrate_schema
from machtiging.storage.row_mac import seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.machtiging import insert_machtiging
from tests.builders.organisations import KVK, add_employee, add_organisation

CITIZENS = ("999990019", "999990020", "999990032", "999990044", "123456782", "111222333")
HELPERS_EACH = 4
LETTERS_EACH = 8
_BORN = date(1948, 5, 17)
READING = frozenset({Act.LIST, Act.READ, Act.DOWNLOAD})
_LIMITS = MachtigingLimits(maximum_duration=timedelta(days=365), code_lifetime=timedelta(days=30))
_TEXT = """Geachte heer, mevrouw,

In deze brief leest u hoeveel AOW u dit jaar krijgt. Uw pensioen wordt elke maand rond de 23e betaald op het
rekeningnummer dat bij ons bekend is. U hoeft niets te doen als uw gegevens kloppen. Verandert er iets, geef dat dan
binnen vier weken aan ons door. Dat geldt bijvoorbeeld als u gaat samenwonen, als u langer dan drie maanden naar het
buitenland gaat, of als uw inkomen verandert.

Heeft u vragen? Bel ons dan op werkdagen tussen 8.00 en 17.00 uur. Houd deze brief bij de hand.

Met vriendelijke groet,
Sociale Verzekeringsbank
"""


@dataclass(frozen=True)
class Holding:
    """A person and the machtiging of this person, for an organisation or as a relative."""

    person_id: PersonId
    machtiging_id: MachtigingId | None
    organisation_kvk: str | None


@dataclass(frozen=True)
class Reading:
    """One letter, and a helper's token that may read it."""

    bericht_id: str
    token: str
    holding: Holding


@dataclass(frozen=True)
class BenchWorld:
    """The database, key ring and readable letters of a measurement."""

    url: str
    keys: Path
    keyring: KeyRing
    issuer: str
    readings: list[Reading]
    # The same letters, read by an employee in a team: a chain of three.
    chain_readings: list[Reading]

    @property
    def dsn(self) -> str:
        """The database for asyncpg, as the role of the service."""
        address = make_url(self.url).set(drivername="postgresql", username=DatabaseRole.SERVICE.value)
        return address.render_as_string(hide_password=False)


@asynccontextmanager
async def database(place: Path) -> AsyncIterator[str]:
    """An embedded PostgreSQL of our own as it is delivered: fsync and synchronous_commit on."""
    embedded = EmbeddedPostgres(place / "postgres")
    url = embedded.start()
    try:
        await migrate_schema(url)
        yield url
    finally:
        embedded.stop()


@asynccontextmanager
async def as_owner(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection to the embedded server, for tables outside the service."""
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def sessions_of(url: str, keyring: KeyRing) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions in the role of the service."""
    engine = make_engine(url, DatabaseRole.SERVICE, pool_size=2)
    try:
        yield make_sessions(engine, keyring)
    finally:
        await engine.dispose()


async def make_world(url: str, place: Path, issuer: str) -> BenchWorld:
    """Citizens with letters; helpers with an accepted machtiging and a token for each."""
    keys = place / "keys"
    generate_key_ring(keys)
    keyring = KeyRing.load(keys)
    readings: list[Reading] = []
    chain_readings: list[Reading] = []
    at = datetime.now(UTC)
    async with sessions_of(url, keyring) as sessions:
        async with unit_of_work(sessions) as session:
            await upsert_catalogue(session)
            workers = await _team(session, keyring, at)
        for number, digits in enumerate(CITIZENS):
            async with unit_of_work(sessions) as session:
                made = await _citizen(session, keyring, issuer, (number, Bsn(digits)), at)
                readings += made
                citizen = await find_or_create_by_bsn(session, keyring, Bsn(digits), at=at)
                letters = [reading.bericht_id for reading in made[:LETTERS_EACH]]
                for person_id, employee_id in workers.employees:
                    leaf = await _chain(session, citizen, workers, employee_id, at)
                    token = await _token(session, keyring, issuer, (person_id, leaf), at, KVK)
                    chain_readings += [Reading(letter, token, Holding(person_id, leaf, KVK)) for letter in letters]
    async with as_owner(url) as connection:
        # There is no mail server here, and retries would only disturb the measurement.
        await connection.execute("UPDATE notification SET sent_at = now()")
        await connection.execute("ANALYZE")
    return BenchWorld(url, keys, keyring, issuer, readings, chain_readings)


async def _citizen(
    session: AsyncSession, keyring: KeyRing, issuer: str, who: tuple[int, Bsn], at: datetime
) -> list[Reading]:
    number, bsn = who
    citizen = await find_or_create_by_bsn(session, keyring, bsn, at=at)
    await save_profile(session, keyring, citizen, Profile("M. Voorbeeld", _BORN, None))
    letters = [await _letter(session, keyring, bsn, f"{number}-{index}", at) for index in range(LETTERS_EACH)]
    readings = []
    for index in range(HELPERS_EACH):
        helper = await find_or_create_by_broker(session, keyring, "http://bench", f"{number}-{index}", at=at)
        machtiging_id = await _machtiging(session, keyring, citizen, helper, at)
        token = await _token(session, keyring, issuer, (helper, machtiging_id), at)
        readings += [Reading(letter, token, Holding(helper, machtiging_id, None)) for letter in letters]
    return readings


@dataclass(frozen=True)
class _BenchTeam:
    """A recognised organisation, a team of it, and its employees with their people."""

    organisation_id: UUID
    team_id: UUID
    employees: list[tuple[PersonId, UUID]]


async def _team(session: AsyncSession, keyring: KeyRing, at: datetime) -> _BenchTeam:
    organisation_id, team_id = await add_organisation(session, KVK), uuid7()
    team = {"id": team_id, "organisation_id": organisation_id, "name": "wijk"}
    await session.execute(insert(SEALED_TEAM.table).values(seal_row(session, SEALED_TEAM, team)))
    employees = []
    for index in range(HELPERS_EACH):
        person_id = await find_or_create_by_broker(session, keyring, "http://bench", f"team-{index}", at=at)
        employee_id = await add_employee(session, organisation_id, person_id)
        member = {"id": uuid7(), "organisation_id": organisation_id, "team_id": team_id}
        member |= {"employee_id": employee_id, "starts_at": at}
        sealed = seal_row(session, SEALED_TEAM_MEMBERSHIP, member)
        await session.execute(insert(SEALED_TEAM_MEMBERSHIP.table).values(sealed))
        employees.append((person_id, employee_id))
    return _BenchTeam(organisation_id, team_id, employees)


async def _chain(
    session: AsyncSession, citizen: PersonId, team: _BenchTeam, employee_id: UUID, at: datetime
) -> MachtigingId:
    """Citizen to organisation, to team, to employee: with the terms that the relatives have. Returns the last link."""
    terms = {
        "vertegenwoordigde_id": citizen,
        "capacity": "professional",
        "purpose": "post bijhouden",
        "legal_ground": "Awb 2:1 lid 1",
        "state": "active",
        "afzenders": [find_catalogue_oin("Sociale Verzekeringsbank"), find_catalogue_oin("UWV")],
        "excluded_themes": [Theme.ZORG.value],
        "highest_sensitivity": Sensitivity.GEVOELIG.value,
        "letters_from": at.date() - timedelta(days=30),
        "acts": sorted(act.value for act in READING),
        "assurance": Assurance.SUBSTANTIAL.value,
        "accepted_assurance": Assurance.SUBSTANTIAL.value,
        "starts_at": at,
        "ends_at": at + timedelta(days=90),
        "offered_at": at,
        "accepted_at": at,
    }
    root = await insert_machtiging(session, id=uuid7(), gemachtigde_id=team.organisation_id, **terms)
    middle = await insert_machtiging(session, id=uuid7(), parent_id=root, team_id=team.team_id, **terms)
    return await insert_machtiging(session, id=uuid7(), parent_id=middle, employee_id=employee_id, **terms)


async def _letter(session: AsyncSession, keyring: KeyRing, bsn: Bsn, kenmerk: str, at: datetime) -> str:
    oin = find_catalogue_oin("Sociale Verzekeringsbank")
    sender = AgencyActor(oin, "bench", frozenset({"aanleveringen:schrijven"}))
    bericht = BerichtIn.model_validate(
        {
            "ontvanger": {"type": "BSN", "waarde": bsn.reveal()},
            "dienst": "aow",
            "onderwerp": "Uw AOW in het nieuwe jaar",
            "inhoud": _TEXT,
        }
    )
    delivered = await deliver_bericht(session, keyring, sender, Aanlevering(bericht, kenmerk, []), at=at)
    return str(delivered.bericht_id)


async def _machtiging(
    session: AsyncSession, keyring: KeyRing, citizen: PersonId, helper: PersonId, at: datetime
) -> MachtigingId:
    scope = MachtigingScope(
        afzenders=frozenset({find_catalogue_oin("Sociale Verzekeringsbank"), find_catalogue_oin("UWV")}),
        diensten=None,
        themes=None,
        excluded_themes=frozenset({Theme.ZORG}),
        highest_sensitivity=Sensitivity.GEVOELIG,
        letters_from=at.date() - timedelta(days=30),
        acts=READING,
    )
    terms = MachtigingTerms(
        Capacity.RELATIVE, "post bijhouden", "Awb 2:1 lid 1", scope, Period(at, at + timedelta(days=90))
    )
    offered = await offer_machtiging(session, keyring, _LIMITS, Giver(citizen, Assurance.SUBSTANTIAL), terms, at=at)
    taker = CodeHolder(helper, Assurance.SUBSTANTIAL)
    await accept_offer(session, keyring, taker, offered.code, _BORN, at=at)
    return offered.machtiging_id


async def _token(
    session: AsyncSession,
    keyring: KeyRing,
    issuer: str,
    whose: tuple[PersonId, MachtigingId],
    at: datetime,
    organisation_kvk: str | None = None,
) -> str:
    helper, machtiging_id = whose
    expires_at = at + timedelta(hours=1)
    facts = IssuedTokenFacts(
        id=TokenId(uuid7()),
        client_id="bench-reader",
        grant_id=None,
        person_id=helper,
        machtiging_id=machtiging_id,
        oin=None,
        scope="berichten",
        acts=READING,
        assurance=Assurance.SUBSTANTIAL,
        issued_at=at,
        expires_at=expires_at,
        organisation_kvk=organisation_kvk,
    )
    await insert_token(session, facts)
    now = int(at.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": keyring.pairwise_subject(helper, "bench"),
        "aud": api_audience(issuer),
        "iat": now,
        "nbf": now,
        "exp": int(expires_at.timestamp()),
        "jti": str(facts.id),
        "client_id": facts.client_id,
        "azp": facts.client_id,
        "scope": facts.scope,
        "acr": "http://eidas.europa.eu/LoA/substantial",
        "auth_time": now,
        "represents": {"iss": issuer, "sub": keyring.pairwise_subject(helper, "bench-2"), "sub_id_type": "pairwise"},
        "authorization_details": build_authorization_details(machtiging_id, facts.acts),
    }
    return keyring.sign_jwt(claims, typ="at+jwt")
