"""A history of chains for tests: real acts, beside a small model of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from machtiging.access.actor import Actor
from machtiging.access_tokens.tokens import insert_token
from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.agreements import insert_agreement
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.amendments.versions import narrow_machtiging
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.rules import Act
from machtiging.delegation.suspension.emergency_stop import lift_emergency_stop, start_emergency_stop
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Fault, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.organisations.employees import resume_employee, suspend_employee
from machtiging.organisations.recognition import narrow_ceiling
from machtiging.organisations.registration import register_organisation
from machtiging.organisations.rules import (
    Ceiling,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionStatus,
)
from machtiging.organisations.tables import SEALED_STAND_IN, SEALED_TEAM, SEALED_TEAM_MEMBERSHIP
from machtiging.storage.row_mac import reseal_changes, seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.bearer import make_token_facts, sign_access_token
from tests.builders.keys import load_keyring
from tests.builders.letters import HELPING, SVB, UWV, BerichtenboxWorld
from tests.builders.machtiging import insert_machtiging, update_machtiging
from tests.builders.organisations import change_employee
from tests.builders.rows import AGREEMENTS
from tests.storage.organisations.organisation_world import CARE_WORKER, COMMAND_LINE, REQUEST, OrganisationWorld

KEYS = load_keyring()
# Holder: the links from the root to what is held.
CHAINS = {
    "relative": ("kin",),
    "worker": ("root", "a"),
    "member": ("root", "t", "b"),
    "replacement": ("root", "a", "s"),
}
PARENTS = {"a": "root", "t": "root", "b": "t", "s": "a", "c": "far"}
EMPLOYEES = ("worker", "member", "replacement")
LETTERS = {"ww-uitkering": (UWV, 0), "aow": (SVB, 0), "pgb-trekkingsrecht": (SVB, 1)}
_SENSITIVITY = (Sensitivity.GEWOON, Sensitivity.GEVOELIG)


@dataclass(frozen=True)
class Terms:
    """The terms of a link. `sensitivity` is 0 (gewoon) or 1 (gevoelig)."""

    afzenders: frozenset[str] = frozenset({UWV, SVB})
    sensitivity: int = 1
    acts: frozenset[Act] = frozenset(HELPING)

    def __and__(self, other: Terms) -> Terms:
        lowest = min(self.sensitivity, other.sensitivity)
        return Terms(self.afzenders & other.afzenders, lowest, (self.acts & other.acts) or frozenset({Act.LIST}))

    def is_allowed(self, act: Act, letter: str) -> bool:
        afzender, sensitivity = LETTERS[letter]
        return act in self.acts and afzender in self.afzenders and sensitivity <= self.sensitivity


@dataclass
class Model:
    """The model: sets and flags, and nothing of the code under test."""

    terms: dict[str, Terms]
    paused: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    inactive: set[str] = field(default_factory=set)
    departed: set[str] = field(default_factory=set)
    recognition: str = "erkend"
    ceiling: Terms = field(default_factory=Terms)
    needs_high: bool = False
    is_member: bool = True
    is_replaced: bool = True
    is_stopped: bool = False
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CHAINS)
    # Holders whose login and links are at the level high.
    high: frozenset[str] = frozenset()
    # The end of a link, an employee (by holder), the stand-in or the longest period of the organisation.
    ends: dict[str, datetime] = field(default_factory=dict)
    ceiling_days: int = 1826
    clock: Clock | None = None

    @property
    def expired_names(self) -> set[str]:
        """The names of all whose end has come."""
        return set() if self.clock is None else {name for name, end in self.ends.items() if end <= self.clock.now()}

    def is_of_organisation(self, holder: str) -> bool:
        return self.chains[holder][0] == "root"

    def is_assigned(self, holder: str) -> bool:
        stopped, left = self.paused | self.ended | self.expired_names, self.departed | self.expired_names
        if holder in self.inactive | left or stopped & set(self.chains[holder][1:]):
            return False
        if holder == "replacement":
            return self.is_replaced and not left & {"worker", "stand_in"}
        return holder != "member" or self.is_member

    def is_in_force(self, holder: str) -> bool:
        root = self.chains[holder][0]
        stands = not self.is_of_organisation(holder) or (
            self.recognition == "erkend" and "ceiling" not in self.expired_names
        )
        return (
            not self.is_stopped
            and stands
            and root not in self.paused | self.ended | self.expired_names
            and self.is_assigned(holder)
        )

    def can_act(self, holder: str) -> bool:
        """Tell if the holder can act, with the level of the login."""
        reaches = not (self.is_of_organisation(holder) and self.needs_high) or holder in self.high
        return reaches and self.is_in_force(holder)

    def is_allowed(self, holder: str, act: Act, letter: str) -> bool:
        terms = [self.terms[link] for link in self.chains[holder]]
        if self.is_of_organisation(holder):
            terms.append(self.ceiling)
        return self.can_act(holder) and all(each.is_allowed(act, letter) for each in terms)


@dataclass
class History:
    """One citizen, a relative, and an organisation with an employee, a team and a stand-in."""

    box: BerichtenboxWorld
    acts: OrganisationWorld
    kvk: str
    model: Model
    organisation: Any = None
    administrator: Any = None
    people: dict[str, Any] = field(default_factory=dict)
    employees: dict[str, UUID] = field(default_factory=dict)
    links: dict[str, Any] = field(default_factory=dict)
    others: dict[str, UUID] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    starts_at: Any = None
    ends: dict[str, datetime] = field(default_factory=dict)
    link_level: Assurance = Assurance.SUBSTANTIAL

    async def begin_history(self) -> None:
        """Make every chain with a token for its holder."""
        await self.begin_chains()
        for holder in CHAINS:
            await self._issue_token(holder)

    async def begin_chains(self) -> None:
        """Recognise the organisation, hire, and make every chain."""
        self.starts_at = self.box.clock.now() - timedelta(days=1)
        if "ceiling" in self.model.ends:
            self.model.ceiling_days = (self.model.ends["ceiling"] - self.starts_at).days
        ceiling = Ceiling(None, None, Sensitivity.GEVOELIG, self.model.ceiling_days)
        numbers, name = OrganisationNumbers(self.kvk), f"Wijkteam {self.kvk}"
        registration = OrganisationRegistration(numbers, name, OrganisationKind.WELZIJN, ceiling)
        self.organisation = await self.acts.do(register_organisation, KEYS, COMMAND_LINE, registration, REQUEST)
        await self.acts.decide(self.organisation, RecognitionStatus.RECOGNISED)
        self.administrator = await self.acts.administer(self.organisation, self.kvk)
        for name in EMPLOYEES:
            subject = f"{name}-{self.kvk}"
            self.employees[name] = await self.acts.invite(self.administrator, self.organisation, subject, CARE_WORKER)
            self.people[name] = await self.acts.log_in(subject, self.kvk)
        self.people["relative"] = self.find_relative()
        async with unit_of_work(self.box.sessions) as session:
            for name in self.model.ends.keys() & EMPLOYEES:
                await change_employee(session, self.employees[name], ends_at=self.model.ends[name])
            await self._add_team_and_stand_in(session)
            await self.add_link(session, "kin", gemachtigde_id=self.people["relative"], capacity="relative")
            await self.add_link(session, "root", gemachtigde_id=self.organisation)
            await self.add_link(session, "a", parent="root", employee_id=self.employees["worker"])
            await self.add_link(session, "t", parent="root", team_id=self.others["team"])
            await self.add_link(session, "b", parent="t", employee_id=self.employees["member"])
            replacement = {"employee_id": self.employees["replacement"], "stand_in_id": self.others["stand_in"]}
            await self.add_link(session, "s", parent="a", **replacement)

    def find_relative(self) -> Any:
        """The person who is the relative of the citizen."""
        return self.box.helper

    async def _add_team_and_stand_in(self, session: Any) -> None:
        now, team, member = self.box.clock.now(), uuid7(), uuid7()
        mine = {"organisation_id": self.organisation}
        row = {"id": team, "name": "Noord"} | mine
        await session.execute(insert(SEALED_TEAM.table).values(seal_row(session, SEALED_TEAM, row)))
        row = {"id": member, "team_id": team, "employee_id": self.employees["member"], "starts_at": now} | mine
        sealed = seal_row(session, SEALED_TEAM_MEMBERSHIP, row)
        await session.execute(insert(SEALED_TEAM_MEMBERSHIP.table).values(sealed))
        row = {"id": uuid7(), "starts_at": now, "ends_at": now.replace(month=12), **mine}
        row |= {"absent_employee_id": self.employees["worker"], "replacement_id": self.employees["replacement"]}
        row["created_by"] = self.administrator.employee_id
        await session.execute(insert(SEALED_STAND_IN.table).values(seal_row(session, SEALED_STAND_IN, row)))
        self.others = {"team": team, "membership": member, "stand_in": row["id"]}

    async def add_link(self, session: Any, name: str, parent: str | None = None, **holder: Any) -> None:
        """Add a link with the terms, the level and the end that the model has."""
        terms = self.model.terms[name]
        row = self.box.machtiging_row(uuid7()) | {"gemachtigde_id": None, "capacity": "professional"} | holder
        row |= {"afzenders": sorted(terms.afzenders), "acts": sorted(terms.acts)}
        row |= {"highest_sensitivity": _SENSITIVITY[terms.sensitivity]}
        row |= {"assurance": self.link_level, "accepted_assurance": self.link_level}
        ends = [self.model.ends.get(name, row["ends_at"])]
        if parent is not None:
            row["parent_id"], ends = self.links[parent], [*ends, self.ends[parent]]
        self.ends[name] = row["ends_at"] = min(ends)
        self.links[name] = await insert_machtiging(session, **row)

    def kvk_of(self, holder: str) -> str | None:
        return None if holder == "relative" else self.kvk

    async def _issue_token(self, holder: str) -> None:
        held, person = self.links[CHAINS[holder][-1]], self.people[holder]
        whose = {"person_id": person, "machtiging_id": held, "organisation_kvk": self.kvk_of(holder)}
        facts = make_token_facts(
            self.box.clock.now(), client_id="app", scope="berichten:lezen", acts=frozenset(HELPING), **whose
        )
        async with self.box.sessions.begin() as session:
            await insert_token(session, facts)
            authority = await load_authority(session, held)
        level, kvk = Assurance.SUBSTANTIAL, self.kvk_of(holder)
        self.actors[holder] = Actor(person, authority, level, facts.acts, "app", facts.id, organisation_kvk=kvk)
        self.tokens[holder] = sign_access_token(facts, keyring=KEYS, nbf=int(facts.issued_at.timestamp()))

    async def perform_step(self, name: str) -> bool:
        """Do one act in its own transaction; the model follows if it was done."""
        act, _, target = name.partition(" ")
        try:
            await getattr(self, f"do_{act}")(target)
        except Refusal:
            return False
        return True

    async def do_pause(self, link: str) -> None:
        await self.acts.do(pause_machtiging, self.links[link], self.box.citizen)
        self.model.paused.add(link)

    async def do_resume(self, link: str) -> None:
        await self.acts.do(resume_machtiging, self.links[link], self.box.citizen)
        self.model.paused.discard(link)

    async def do_revoke(self, link: str) -> None:
        await self.acts.do(revoke_machtiging, self.links[link], self.box.citizen)
        self.model.ended.add(link)

    async def do_stop_all(self, _: str) -> None:
        """The emergency stop of the citizen."""
        await self.acts.do(start_emergency_stop, self.box.citizen)
        self.model.is_stopped = True

    async def do_lift_stop(self, _: str) -> None:
        await self.acts.do(lift_emergency_stop, self.box.citizen)
        self.model.is_stopped = False

    async def do_narrow(self, link: str) -> None:
        """The citizen takes away all letters but those of UWV, and the downloads."""
        terms = self.model.terms[link] & Terms(frozenset({UWV}), 1, frozenset({Act.LIST, Act.READ}))
        narrowing = Narrowing(afzenders=frozenset({UWV}), acts=frozenset({Act.LIST, Act.READ}))
        await self.acts.do(narrow_machtiging, self.links[link], self.box.citizen, narrowing)
        self.model.terms[link] = terms

    async def do_give_back(self, holder: str) -> None:
        link = CHAINS[holder][-1]
        await self.acts.do(give_back_machtiging, self.links[link], self.people[holder])
        self.model.ended.add(link)

    async def do_leave(self, holder: str) -> None:
        await self.acts.do(record_departure, KEYS, self.administrator, self.employees[holder])
        self.model.departed.add(holder)

    async def do_suspend(self, holder: str) -> None:
        await self.acts.do(suspend_employee, KEYS, self.administrator, self.employees[holder])
        self.model.inactive.add(holder)

    async def do_reinstate(self, holder: str) -> None:
        await self.acts.do(resume_employee, KEYS, self.administrator, self.employees[holder])
        self.model.inactive.discard(holder)

    async def do_recognition(self, status: str) -> None:
        await self.acts.decide(self.organisation, RecognitionStatus(status))
        self.model.recognition = status

    async def do_ceiling(self, change: str) -> None:
        model = self.model
        if change == "level":
            model.needs_high = True
        elif change == "days":
            model.ceiling_days = min(model.ceiling_days, (self.box.clock.now() - self.starts_at).days)
            model.ends["ceiling"] = self.starts_at + timedelta(days=model.ceiling_days)
        else:
            narrower = {"afzender": {"afzenders": frozenset({UWV})}, "sensitivity": {"sensitivity": 0}}[change]
            model.ceiling = replace(model.ceiling, **narrower)
        afzenders = None if len(model.ceiling.afzenders) > 1 else model.ceiling.afzenders
        level = Assurance.HIGH if model.needs_high else Assurance.SUBSTANTIAL
        ceiling = Ceiling(None, afzenders, _SENSITIVITY[model.ceiling.sensitivity], model.ceiling_days, level)
        await self.acts.do(narrow_ceiling, self.acts.operators[0], self.organisation, ceiling)

    async def do_agree_to_less(self, link: str) -> None:
        """The next version of what is agreed: only letters of UWV, and no downloads."""
        terms = self.model.terms[link] & Terms(frozenset({UWV}), 1, frozenset({Act.LIST, Act.READ}))
        if link in self.model.ended or not terms.afzenders:
            return
        try:
            async with unit_of_work(self.box.sessions) as session:
                versions = await AGREEMENTS.read(session, order_by="number", machtiging_id=self.links[link])
                row = {name: value for name, value in versions[-1]._mapping.items() if name != "mac"}
                row |= {"number": len(versions) + 1, "afzenders": [UWV], "acts": sorted(terms.acts)}
                await insert_agreement(session, row)
                await update_machtiging(session, self.links[link], agreement_number=row["number"])
        except Fault as fault:
            if "23514" not in fault.private:
                raise
            return  # an act at the same time ended the link first: the trigger refuses
        self.model.terms[link] = terms

    async def do_end(self, what: str) -> None:
        """End the membership of the team, or the stand-in."""
        sealed, column = {
            "membership": (SEALED_TEAM_MEMBERSHIP, "ends_at"),
            "stand_in": (SEALED_STAND_IN, "ended_at"),
        }[what]
        mine = sealed.table.c.id == self.others[what]
        async with unit_of_work(self.box.sessions) as session:
            row = (await session.execute(select(sealed.table).where(mine))).one()
            if getattr(row, column) is None:
                changed = reseal_changes(session, sealed, row, {column: self.box.clock.now()})
                await session.execute(update(sealed.table).where(mine).values(changed))
        if what == "membership":
            self.model.is_member = False
        else:
            self.model.is_replaced = False


STEPS = (
    *("pause kin", "resume kin", "revoke kin", "give_back relative", "pause root", "resume root", "revoke root"),
    *("revoke a", "revoke t", "revoke b", "revoke s", "give_back worker", "give_back member", "give_back replacement"),
    *(f"{act} {holder}" for act in ("leave", "suspend", "reinstate") for holder in EMPLOYEES),
    *(f"recognition {status}" for status in ("opgeschort", "erkend", "ingetrokken")),
    *("ceiling afzender", "ceiling sensitivity", "ceiling level"),
    *("narrow kin", "narrow root", "agree_to_less a", "end membership", "end stand_in"),
    *("stop_all citizen", "lift_stop citizen", "lift_stop citizen"),
)


def draw_terms() -> st.SearchStrategy[Terms]:
    """Terms of one link, wide ones more often."""
    return st.builds(
        Terms,
        st.sampled_from([frozenset({UWV, SVB})] * 2 + [frozenset({SVB})]),
        st.sampled_from([1, 1, 0]),
        st.sampled_from([frozenset(HELPING)] * 2 + [frozenset({Act.LIST, Act.READ}), frozenset({Act.LIST})]),
    )


def draw_examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Draw this many examples, for a test that awaits."""
    drawn = []

    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(example: Any) -> None:
        drawn.append(example)

    draw()
    return drawn


def narrow_by_parents(drawn: Mapping[str, Terms]) -> dict[str, Terms]:
    """No link gives more than the link above it: the database refuses such a link."""
    narrowed: dict[str, Terms] = {}
    for link in sorted(drawn, key=lambda each: (each in PARENTS, PARENTS.get(each) in PARENTS)):
        above = narrowed.get(PARENTS.get(link, ""))
        both = drawn[link] if above is None else drawn[link] & above
        narrowed[link] = both if above is None or both.afzenders else above
    return narrowed
