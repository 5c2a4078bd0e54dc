"""Machtigingen for tests: values by themselves, and real ones in a database with the people they are about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.catalogue import find_catalogue_oin, upsert_catalogue
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.offer import Giver, MachtigingTerms, OfferResult, offer_machtiging
from machtiging.delegation.rules import (
    Act,
    BerichtEnvelope,
    Capacity,
    Machtiging,
    MachtigingLimits,
    MachtigingScope,
    MachtigingState,
)
from machtiging.identity.people import Profile, find_or_create_by_broker, find_or_create_by_bsn, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.crypto import a_keyring

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = MachtigingLimits(maximum_duration=timedelta(days=365), code_lifetime=timedelta(days=30))
UWV, SVB, CAK = find_catalogue_oin("UWV"), find_catalogue_oin("Sociale Verzekeringsbank"), find_catalogue_oin("CAK")
MOTHER = Bsn("999990019")
SON = Bsn("999990020")
BORN = date(1951, 4, 7)


def a_scope(**changes: Any) -> MachtigingScope:
    """No limits but the ones that must be there: everything since 2020, all that can be given."""
    scope = MachtigingScope(
        afzenders=None,
        diensten=None,
        themes=None,
        excluded_themes=frozenset(),
        highest_sensitivity=Sensitivity.VERTROUWELIJK,
        letters_from=date(2020, 1, 1),
        acts=frozenset({Act.LIST, Act.READ, Act.DOWNLOAD}),
    )
    return replace(scope, **changes)


def a_machtiging(**changes: Any) -> Machtiging:
    """Active, between two strangers, from an hour ago for ninety days."""
    made = Machtiging(
        id=MachtigingId(uuid4()),
        vertegenwoordigde_id=PersonId(uuid4()),
        gemachtigde_id=PersonId(uuid4()),
        gemachtigde_kvk=None,
        parent_id=None,
        capacity=Capacity.RELATIVE,
        purpose="post bijhouden",
        legal_ground="Awb 2:1",
        state=MachtigingState.ACTIVE,
        scope=a_scope(),
        assurance=Assurance.SUBSTANTIAL,
        accepted_assurance=Assurance.SUBSTANTIAL,
        period=Period(NOON - timedelta(hours=1), NOON + timedelta(days=90)),
        ended_at=None,
        end_reason=None,
        offered_at=NOON - timedelta(hours=2),
        accepted_at=NOON - timedelta(hours=1),
    )
    return replace(made, **changes)


def an_envelope(**changes: Any) -> BerichtEnvelope:
    """An ordinary letter of this morning."""
    made = BerichtEnvelope(UWV, "ww-uitkering", Theme.INKOMEN, Sensitivity.GEWOON, NOON - timedelta(hours=3))
    return replace(made, **changes)


def some_terms(**changes: Any) -> MachtigingTerms:
    """Two senders, no health, ninety days. Changes may name a field of the terms or of their scope."""
    scope = a_scope(afzenders=frozenset({UWV, SVB}), excluded_themes=frozenset({Theme.ZORG}))
    in_scope = {name: changes.pop(name) for name in list(changes) if hasattr(scope, name)}
    terms = MachtigingTerms(
        capacity=Capacity.RELATIVE,
        purpose="post bijhouden",
        legal_ground="Awb 2:1",
        scope=replace(scope, **in_scope),
        period=Period(NOON, NOON + timedelta(days=90)),
    )
    return replace(terms, **changes)


@dataclass(frozen=True)
class People:
    """Mother, who gives, and son, who helps; both in the database with a profile."""

    mother: PersonId
    son: PersonId

    @property
    def giver(self) -> Giver:
        return Giver(self.mother, Assurance.SUBSTANTIAL)

    @property
    def helper(self) -> CodeHolder:
        return CodeHolder(self.son, Assurance.SUBSTANTIAL)


async def a_person(
    session: AsyncSession, bsn: Bsn, name: str = "Noor Voorbeeld", born: date | None = BORN, email: str | None = None
) -> PersonId:
    """Somebody with a BSN and a profile."""
    person_id = await find_or_create_by_bsn(session, a_keyring(), bsn, at=NOON)
    await save_profile(session, a_keyring(), person_id, Profile(name, born, email))
    return person_id


async def a_person_without_bsn(session: AsyncSession, name: str, born: date | None) -> PersonId:
    """Somebody whom only the broker knows: an employee, or a citizen of another country."""
    person_id = await find_or_create_by_broker(session, a_keyring(), "https://b.example", name, at=NOON)
    await save_profile(session, a_keyring(), person_id, Profile(name, born, None))
    return person_id


async def mother_and_son(session: AsyncSession) -> People:
    """Add both of them, and the catalogue. The caller commits."""
    await upsert_catalogue(session)
    mother = await a_person(session, MOTHER, "Ans Voorbeeld", BORN, "ans@voorbeeld.example")
    son = await a_person(session, SON, "Bram Voorbeeld", date(1980, 9, 30), "bram@voorbeeld.example")
    return People(mother, son)


async def an_offer(session: AsyncSession, people: People, at: datetime = NOON, **changes: Any) -> OfferResult:
    """Mother offers."""
    return await offer_machtiging(session, a_keyring(), LIMITS, people.giver, some_terms(**changes), at=at)


async def an_accepted_machtiging(
    session: AsyncSession, people: People, at: datetime = NOON, **changes: Any
) -> Machtiging:
    """Mother offers and son accepts."""
    offered = await an_offer(session, people, at, **changes)
    return await accept_offer(session, a_keyring(), people.helper, offered.code, BORN, at=at)


@dataclass(frozen=True)
class Committed:
    """The same, each in a transaction of its own that commits, for tests with several connections."""

    sessions: Any
    people: People

    @classmethod
    async def begin(cls, database: Any) -> Committed:
        async with unit_of_work(database.sessions) as session:
            return cls(database.sessions, await mother_and_son(session))

    async def offer(self, **changes: Any) -> OfferResult:
        async with unit_of_work(self.sessions) as session:
            return await an_offer(session, self.people, **changes)

    async def accept(
        self, code: str, born: date = BORN, helper: CodeHolder | None = None, at: datetime = NOON
    ) -> Machtiging:
        async with unit_of_work(self.sessions) as session:
            return await accept_offer(session, a_keyring(), helper or self.people.helper, code, born, at=at)


def instants(first: datetime, length: timedelta) -> st.SearchStrategy[datetime]:
    """Any instant in the stretch of time."""
    return st.timedeltas(timedelta(0), length).map(lambda passed: first + passed)


def scopes() -> st.SearchStrategy[MachtigingScope]:
    """Any scope over a few senders, diensten and themes, so that they meet often."""
    afzenders = st.none() | st.frozensets(st.sampled_from([UWV, SVB]), min_size=1)
    diensten = st.none() | st.frozensets(st.sampled_from([f"{UWV}/a", f"{UWV}/b", f"{SVB}/a"]), min_size=1)
    few = [Theme.ZORG, Theme.INKOMEN, Theme.WONEN]
    return st.builds(
        MachtigingScope,
        afzenders=afzenders,
        diensten=diensten,
        themes=st.none() | st.frozensets(st.sampled_from(few), min_size=1),
        excluded_themes=st.frozensets(st.sampled_from(few)),
        highest_sensitivity=st.sampled_from(Sensitivity),
        letters_from=st.dates(date(2026, 1, 1), date(2026, 1, 5)),
        acts=st.frozensets(st.sampled_from([Act.LIST, Act.READ, Act.DOWNLOAD]), min_size=1),
    )


def envelopes() -> st.SearchStrategy[BerichtEnvelope]:
    """Any envelope from the same few."""
    return st.builds(
        BerichtEnvelope,
        afzender=st.sampled_from([UWV, SVB]),
        dienst=st.sampled_from(["a", "b"]),
        theme=st.sampled_from([Theme.ZORG, Theme.INKOMEN, Theme.WONEN, Theme.OVERIG]),
        sensitivity=st.sampled_from(Sensitivity),
        published_at=instants(datetime(2025, 12, 31, tzinfo=UTC), timedelta(days=6)),
    )
