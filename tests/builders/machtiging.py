"""Machtigingen for tests: values by themselves, and real ones in a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.catalogue import find_catalogue_oin
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.authority.rules import Authority, build_authority
from machtiging.delegation.authority.standings import EmployeeStanding, OrganisationStanding
from machtiging.delegation.offer import MachtigingTerms, OfferResult, offer_machtiging
from machtiging.delegation.rules import (
    Act,
    BerichtEnvelope,
    Capacity,
    Machtiging,
    MachtigingLimits,
    MachtigingScope,
    MachtigingState,
)
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.organisations.rules import Ceiling, EmployeeRole, EmployeeState, RecognitionStatus
from machtiging.storage.row_mac import reseal_changes, seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.people import BORN, People, add_mother_and_son
from tests.builders.rows import AGREEMENTS, MACHTIGINGEN

MACHTIGING_LIMITS = MachtigingLimits(maximum_duration=timedelta(days=365), code_lifetime=timedelta(days=30))
UWV, SVB, CAK = find_catalogue_oin("UWV"), find_catalogue_oin("Sociale Verzekeringsbank"), find_catalogue_oin("CAK")


def make_scope(**changes: Any) -> MachtigingScope:
    """No limits but the ones that must be there. Everything since 2020, all that can be given."""
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


def make_machtiging(**changes: Any) -> Machtiging:
    """Active, between two strangers, from an hour ago for ninety days."""
    made = Machtiging(
        id=MachtigingId(uuid4()),
        vertegenwoordigde_id=PersonId(uuid4()),
        gemachtigde_id=PersonId(uuid4()),
        parent_id=None,
        capacity=Capacity.RELATIVE,
        purpose="post bijhouden",
        legal_ground="Awb 2:1",
        state=MachtigingState.ACTIVE,
        scope=make_scope(),
        assurance=Assurance.SUBSTANTIAL,
        accepted_assurance=Assurance.SUBSTANTIAL,
        period=Period(NOON - timedelta(hours=1), NOON + timedelta(days=90)),
        ended_at=None,
        end_reason=None,
        offered_at=NOON - timedelta(hours=2),
        accepted_at=NOON - timedelta(hours=1),
    )
    return replace(made, **changes)


ORGANISATION = OrganisationStanding(
    id=uuid4(),
    kvk="90000001",
    name="Wijkteam",
    recognition=RecognitionStatus.RECOGNISED,
    ceiling=Ceiling(sensitivity=Sensitivity.VERTROUWELIJK, days=1826),
    epoch=1,
)


def make_employee(person_id: PersonId | None, **changes: Any) -> EmployeeStanding:
    """An active care worker of ORGANISATION."""
    made = EmployeeStanding(
        id=uuid4(),
        organisation_id=ORGANISATION.id,
        person_id=person_id,
        state=EmployeeState.ACTIVE,
        roles=frozenset({EmployeeRole.CARE_WORKER}),
        starts_at=NOON - timedelta(days=400),
        ends_at=None,
    )
    return replace(made, **changes)


def make_child(parent: Machtiging, **changes: Any) -> Machtiging:
    """A link under this machtiging, with the same terms."""
    return replace(parent, **{"id": MachtigingId(uuid4()), "parent_id": parent.id, "gemachtigde_id": None} | changes)


def make_authority(machtiging: Machtiging, kvk: str | None = None) -> Authority:
    """The authority of the gemachtigde of this machtiging. With `kvk` it is assigned to them as an employee."""
    if kvk is None:
        return build_authority((machtiging,), None, None)
    employee = make_employee(machtiging.gemachtigde_id)
    root = replace(machtiging, gemachtigde_id=PersonId(ORGANISATION.id))
    leaf = make_child(machtiging, employee_id=employee.id)
    return build_authority((root, leaf), replace(ORGANISATION, kvk=kvk), employee)


def make_envelope(**changes: Any) -> BerichtEnvelope:
    """An ordinary letter of this morning."""
    made = BerichtEnvelope(UWV, "ww-uitkering", Theme.INKOMEN, Sensitivity.GEWOON, NOON - timedelta(hours=3))
    return replace(made, **changes)


def make_terms(**changes: Any) -> MachtigingTerms:
    """Two senders, no health, ninety days. Changes may name a field of the terms or of their scope."""
    scope = make_scope(afzenders=frozenset({UWV, SVB}), excluded_themes=frozenset({Theme.ZORG}))
    in_scope = {name: changes.pop(name) for name in list(changes) if hasattr(scope, name)}
    terms = MachtigingTerms(
        capacity=Capacity.RELATIVE,
        purpose="post bijhouden",
        legal_ground="Awb 2:1",
        scope=replace(scope, **in_scope),
        period=Period(NOON, NOON + timedelta(days=90)),
    )
    return replace(terms, **changes)


async def add_offer(session: AsyncSession, people: People, at: datetime = NOON, **changes: Any) -> OfferResult:
    """Mother offers."""
    return await offer_machtiging(
        session, load_keyring(), MACHTIGING_LIMITS, people.giver, make_terms(**changes), at=at
    )


async def grant_machtiging(session: AsyncSession, people: People, at: datetime = NOON, **changes: Any) -> Machtiging:
    """Mother offers and son accepts."""
    offered = await add_offer(session, people, at, **changes)
    return await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=at)


async def insert_machtiging(session: AsyncSession, **values: Any) -> MachtigingId:
    """A machtiging with one agreement, as an act of ours would write it. Values of both tables."""
    row = {"id": uuid4(), "agreement_number": 1} | values
    agreement = {
        "machtiging_id": row["id"],
        "number": 1,
        "excluded_team_ids": [],
        "channel": "online",
        "text_version": "1",
        "agreed_by": row["vertegenwoordigde_id"],
        "agreed_at": row["offered_at"],
        "needs_confirmation": False,
    } | {name: row.pop(name) for name in list(row) if name in AGREEMENTS.c and name != "mac"}
    await session.execute(insert(MACHTIGINGEN.table).values(seal_row(session, SEALED_MACHTIGING, row)))
    await session.execute(insert(AGREEMENTS.table).values(seal_row(session, SEALED_AGREEMENT, agreement)))
    return MachtigingId(row["id"])


def build_relative_row(giver_id: PersonId, helper_id: PersonId, at: datetime) -> dict[str, Any]:
    """Values of an active machtiging of a relative, up to sensitive letters."""
    return {
        "vertegenwoordigde_id": giver_id,
        "gemachtigde_id": helper_id,
        "capacity": "relative",
        "purpose": "post bijhouden",
        "legal_ground": "Awb 2:1",
        "state": "active",
        "excluded_themes": [],
        "highest_sensitivity": Sensitivity.GEVOELIG.value,
        "letters_from": date(2026, 1, 1),
        "acts": [Act.LIST.value, Act.READ.value, Act.DOWNLOAD.value],
        "assurance": "substantieel",
        "accepted_assurance": "substantieel",
        "starts_at": at - timedelta(days=1),
        "ends_at": at + timedelta(days=89),
        "offered_at": at - timedelta(days=1),
        "accepted_at": at - timedelta(days=1),
    }


async def insert_relative_machtiging(
    session: AsyncSession, giver_id: PersonId, helper_id: PersonId, at: datetime = NOON, **changes: Any
) -> MachtigingId:
    """Insert an active machtiging of a relative."""
    row = build_relative_row(giver_id, helper_id, at)
    return await insert_machtiging(session, **(row | changes))


async def update_machtiging(session: AsyncSession, machtiging_id: UUID, **changes: Any) -> None:
    """Change columns of a machtiging with a new MAC, as an act of ours would."""
    row = await MACHTIGINGEN.read_one(session, id=machtiging_id)
    sealed = reseal_changes(session, SEALED_MACHTIGING, row, changes)
    await session.execute(update(MACHTIGINGEN.table).where(MACHTIGINGEN.c.id == machtiging_id).values(sealed))


@dataclass(frozen=True)
class Committed:
    """The same, each committed in its own transaction, for tests with several connections."""

    sessions: Any
    people: People

    @classmethod
    async def begin(cls, database: Any) -> Committed:
        async with unit_of_work(database.sessions) as session:
            return cls(database.sessions, await add_mother_and_son(session))

    async def offer(self, **changes: Any) -> OfferResult:
        async with unit_of_work(self.sessions) as session:
            return await add_offer(session, self.people, **changes)

    async def accept(
        self, code: str, born: date = BORN, helper: CodeHolder | None = None, at: datetime = NOON
    ) -> Machtiging:
        async with unit_of_work(self.sessions) as session:
            return await accept_offer(session, load_keyring(), helper or self.people.helper, code, born, at=at)


def draw_instants(first: datetime, length: timedelta) -> st.SearchStrategy[datetime]:
    """Any instant in the stretch of time."""
    return st.timedeltas(timedelta(0), length).map(lambda passed: first + passed)


def draw_scopes() -> st.SearchStrategy[MachtigingScope]:
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


def draw_envelopes() -> st.SearchStrategy[BerichtEnvelope]:
    """Any envelope from the same few."""
    return st.builds(
        BerichtEnvelope,
        afzender=st.sampled_from([UWV, SVB]),
        dienst=st.sampled_from(["a", "b"]),
        theme=st.sampled_from([Theme.ZORG, Theme.INKOMEN, Theme.WONEN, Theme.OVERIG]),
        sensitivity=st.sampled_from(Sensitivity),
        published_at=draw_instants(datetime(2025, 12, 31, tzinfo=UTC), timedelta(days=6)),
    )


def is_usable_by(authority: Authority, person_id: PersonId, organisation_kvk: str | None, at: datetime) -> bool:
    """Return True if this person may act now, logged in at any level."""
    return authority.refusal(person_id, organisation_kvk, None, at) is None
