"""A citizen, a relative and an organisation, with a note of every authority after each act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.seal import seal_intake
from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.amendments.readers import choose_excluded_teams, choose_only_reader
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.amendments.versions import extend_machtiging, narrow_machtiging
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.rules import AssignmentRequest, EmployeeLogin
from machtiging.delegation.assignments.termination import end_assignments
from machtiging.delegation.authority.between_parties import load_authorities_between
from machtiging.delegation.authority.history import PastAuthority, load_authorities_at
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.handover.departure import record_departure
from machtiging.delegation.offer import Giver, offer_machtiging
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.rules import Act, Capacity
from machtiging.delegation.stand_ins.creation import create_stand_in
from machtiging.delegation.stand_ins.ending import end_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.delegation.suspension.emergency_stop import lift_emergency_stop, start_emergency_stop
from machtiging.delegation.team_members.membership import join_team, leave_team, stop_team
from machtiging.delegation.termination import give_back_machtiging, revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SettableClock, to_dutch_date
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.organisations.employees import resume_employee, suspend_employee
from machtiging.organisations.recognition import narrow_ceiling
from machtiging.organisations.rules import Ceiling, EmployeeRole, RecognitionStatus
from machtiging.organisations.teams.administration import create_team
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import Database
from tests.builders.keys import load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS, UWV, make_terms
from tests.builders.people import BORN, People, add_person_without_bsn
from tests.builders.rows import MACHTIGINGEN
from tests.storage.organisations.organisation_world import CARE_WORKER, KVK, OrganisationWorld

LEADER = frozenset({EmployeeRole.TEAM_LEADER, EmployeeRole.CARE_WORKER})
HIGH = Assurance.HIGH


@dataclass
class PastWorld:
    """The acts of everybody, and a note of every authority after each."""

    database: Database
    clock: SettableClock
    acts: OrganisationWorld
    people: People
    organisation: UUID
    administrator: Any
    employees: dict[str, UUID] = field(default_factory=dict)
    persons: dict[str, PersonId] = field(default_factory=dict)
    team: UUID | None = None
    kvk: str = KVK
    notes: dict[datetime, dict[MachtigingId, Authority]] = field(default_factory=dict)

    @classmethod
    async def begin(cls, acts: OrganisationWorld, kvk: str = KVK) -> PastWorld:
        """Recognise an organisation with a teamleider, three care workers and a team."""
        async with unit_of_work(acts.database.sessions) as session:
            mother = await add_person_without_bsn(session, f"Ans {kvk}", BORN)
            people = People(mother, await add_person_without_bsn(session, f"Bram {kvk}", date(1980, 9, 30)))
        organisation = await acts.recognise(kvk)
        administrator = await acts.administer(organisation, kvk)
        world = cls(acts.database, acts.clock, acts, people, organisation, administrator, kvk=kvk)
        for name in ("leader", "worker", "member", "replacement"):
            roles = LEADER if name == "leader" else CARE_WORKER
            world.employees[name] = await acts.invite(administrator, organisation, f"{name}-{kvk}", roles)
            world.persons[name] = await acts.log_in(f"{name}-{kvk}", kvk)
        world.team = await acts.do(create_team, world.administrator, "Schulden")
        return world

    def login(self, name: str = "leader") -> EmployeeLogin:
        return EmployeeLogin(person_id=self.persons[name], kvk=self.kvk, assurance=HIGH)

    async def offer(self, **changes: Any) -> Any:
        now = self.clock.now()
        terms = make_terms(**{"period": Period(now, now + timedelta(days=90))} | changes)
        giver = Giver(self.people.mother, HIGH)
        return await self.acts.do(offer_machtiging, load_keyring(), MACHTIGING_LIMITS, giver, terms)

    async def accept(self, code: str, helper: CodeHolder) -> MachtigingId:
        return (await self.acts.do(accept_offer, load_keyring(), helper, code, BORN)).id

    async def give_to_relative(self) -> MachtigingId:
        """Mother gives to her son. Returns what he holds."""
        return await self.accept((await self.offer()).code, CodeHolder(self.people.son, HIGH))

    async def give_to_organisation(self, **changes: Any) -> tuple[MachtigingId, MachtigingId]:
        """Mother gives to the organisation, and the care worker accepts. Returns the root and the assignment."""
        offered = await self.offer(capacity=Capacity.PROFESSIONAL, **changes)
        helper = CodeHolder(self.persons["worker"], HIGH, self.kvk)
        return offered.machtiging_id, await self.accept(offered.code, helper)

    async def assign(self, root: MachtigingId, **holder: UUID) -> Any:
        request = AssignmentRequest(root, holder.get("employee_id"), holder.get("team_id"))
        (result,) = await self.acts.do(assign_machtigingen, load_keyring(), self.login(), [request])
        if isinstance(result, Refusal):
            raise result
        return result

    async def list_ids(self, **equal: Any) -> list[MachtigingId]:
        return [MachtigingId(one) for one in await MACHTIGINGEN.read_column(self.database, "id", **equal)]

    async def seal(self) -> None:
        """Seal the lines that wait."""
        await seal_intake(self.database.sealer, load_keyring(), self.clock)

    async def note(self) -> None:
        """Note every authority as it is now. Of several notes of one instant the last one counts."""
        ids = await self.list_ids()
        async with self.database.sessions() as session:
            found = {one: await load_authority(session, one) for one in ids}
        self.notes[self.clock.now()] = {one: each for one, each in found.items() if each is not None}

    async def recall(self, at: datetime, *ids: MachtigingId) -> dict[MachtigingId, PastAuthority]:
        async with unit_of_work(self.database.sessions) as session:
            return await load_authorities_at(session, list(ids), at)

    async def compare_notes(self) -> int:
        """Compare the past with every note. Returns the number of authorities that were the same."""
        ids, compared = await self.list_ids(), 0
        for at, noted in self.notes.items():
            for one, past in (await self.recall(at, *ids)).items():
                assert past.problem is None, (past.problem, at)
                then = noted.get(one)
                assert past.authority == (None if then is None else replace(then, version="")), at
                compared += then is not None
        return compared

    async def find_ids(self, person: PersonId, giver: UUID | None = None) -> list[MachtigingId]:
        """The ids of what this person has or had for mother, or another giver."""
        async with self.database.sessions() as session:
            at, between = self.clock.now(), ([giver or self.people.mother], [person], [])
            found = await load_authorities_between(session, *between, include_ended=True, at=at)
        return sorted(one.machtiging_id for one in found)

    async def compare_holders(self) -> int:
        """Compare who held what then with the machtigingen that are found now. Returns the number of the same."""
        compared = 0
        for at, noted in self.notes.items():
            for person in {*self.persons.values(), self.people.son}:
                then = {one for one, authority in noted.items() if authority.holder_id == person}
                found = await self.find_ids(person)
                past = await self.recall(at, *found)
                assert {one for one in found if self._has_holder(past[one], person)} == then, at
                compared += len(then)
        return compared

    @staticmethod
    def _has_holder(past: PastAuthority, person: PersonId) -> bool:
        return past.authority is not None and past.authority.holder_id == person


@dataclass
class RandomActs:
    """Acts on one relative and one organisation, by name. A refused act is an act too."""

    world: PastWorld
    kin: MachtigingId
    root: MachtigingId
    leaf: MachtigingId
    stand_ins: list[UUID] = field(default_factory=list)

    @classmethod
    async def begin(cls, world: PastWorld) -> RandomActs:
        kin = await world.give_to_relative()
        return cls(world, kin, *await world.give_to_organisation())

    async def perform(self, name: str) -> bool:
        """Do one act and note the result; False if it was refused."""
        act, _, target = name.partition(" ")
        try:
            await getattr(self, f"do_{act}")(target)
        except Refusal:
            return False
        finally:
            await self.world.note()
        return True

    async def _do(self, act: Callable[..., Awaitable[Any]], *values: Any) -> Any:
        return await self.world.acts.do(act, *values)

    async def do_pause(self, link: str) -> None:
        await self._do(pause_machtiging, getattr(self, link), self.world.people.mother)

    async def do_resume(self, link: str) -> None:
        await self._do(resume_machtiging, getattr(self, link), self.world.people.mother)

    async def do_revoke(self, link: str) -> None:
        await self._do(revoke_machtiging, getattr(self, link), self.world.people.mother)

    async def do_give_back(self, _: str) -> None:
        await self._do(give_back_machtiging, self.kin, self.world.people.son)

    async def do_give(self, target: str) -> None:
        if target == "kin":
            self.kin = await self.world.give_to_relative()
        elif target == "root":
            self.root, self.leaf = await self.world.give_to_organisation()
        else:
            await self.world.offer()

    async def do_narrow(self, link: str) -> None:
        narrowing = Narrowing(afzenders=frozenset({UWV}), acts=frozenset({Act.LIST, Act.READ}))
        await self._do(narrow_machtiging, getattr(self, link), self.world.people.mother, narrowing)

    async def do_extend(self, link: str) -> None:
        last_day = to_dutch_date(self.world.clock.now() + timedelta(days=200))
        giver = Giver(self.world.people.mother, HIGH)
        await self._do(extend_machtiging, MACHTIGING_LIMITS, getattr(self, link), giver, last_day)

    async def do_stop_all(self, _: str) -> None:
        await self._do(start_emergency_stop, self.world.people.mother)

    async def do_lift_stop(self, _: str) -> None:
        await self._do(lift_emergency_stop, self.world.people.mother)

    async def do_assign(self, name: str) -> None:
        holder = {"team_id": self.world.team} if name == "team" else {"employee_id": self.world.employees[name]}
        await self.world.assign(self.root, **holder)

    async def do_unassign(self, _: str) -> None:
        links = await self.world.list_ids(parent_id=self.root)
        await self._do(end_assignments, self.world.login(), links)

    async def do_join(self, name: str) -> None:
        team, employee = self.world.team, self.world.employees[name]
        await self._do(join_team, load_keyring(), self.world.administrator, team, employee, HIGH)

    async def do_leave_team(self, name: str) -> None:
        await self._do(leave_team, self.world.administrator, self.world.team, self.world.employees[name])

    async def do_stop_team(self, _: str) -> None:
        await self._do(stop_team, self.world.administrator, self.world.team)

    async def do_exclude(self, target: str) -> None:
        giver = Giver(self.world.people.mother, HIGH)
        if target == "team":
            await self._do(choose_excluded_teams, self.root, giver, frozenset({self.world.team}))
        elif target == "nobody":
            await self._do(choose_excluded_teams, self.root, giver, frozenset())
            await self._do(choose_only_reader, self.root, giver, None)
        else:
            await self._do(choose_only_reader, self.root, giver, self.world.employees["worker"])

    async def do_replace(self, _: str) -> None:
        today = to_dutch_date(self.world.clock.now())
        colleagues = {
            "absent_id": self.world.employees["worker"],
            "replacement_id": self.world.employees["replacement"],
        }
        request = StandInRequest(first_day=today, last_day=today + timedelta(days=10), **colleagues)
        created = await self._do(create_stand_in, load_keyring(), self.world.login(), request)
        self.stand_ins.append(created.id)

    async def do_end_replacement(self, _: str) -> None:
        if self.stand_ins:
            await self._do(end_stand_in, self.world.login(), self.stand_ins[-1])

    async def do_suspend(self, name: str) -> None:
        await self._do(suspend_employee, load_keyring(), self.world.administrator, self.world.employees[name])

    async def do_reinstate(self, name: str) -> None:
        await self._do(resume_employee, load_keyring(), self.world.administrator, self.world.employees[name])

    async def do_depart(self, name: str) -> None:
        await self._do(record_departure, load_keyring(), self.world.administrator, self.world.employees[name])

    async def do_recognition(self, status: str) -> None:
        await self.world.acts.decide(self.world.organisation, RecognitionStatus(status))

    async def do_ceiling(self, _: str) -> None:
        ceiling = Ceiling(frozenset({Theme.WONEN}), None, Sensitivity.GEWOON, 30)
        await self._do(narrow_ceiling, self.world.acts.operators[0], self.world.organisation, ceiling)

    async def do_seal(self, _: str) -> None:
        await self.world.seal()


STEPS = (
    *(f"{act} {link}" for act in ("pause", "resume", "narrow", "extend") for link in ("kin", "root")),
    *("revoke kin", "revoke root", "revoke leaf", "give_back kin", "give kin", "give root", "give offer"),
    *("stop_all all", "lift_stop all", "lift_stop all", "assign member", "assign replacement", "assign team"),
    *("assign team", "unassign all", "join member", "join member", "join replacement", "leave_team member"),
    *("stop_team team", "exclude team", "exclude nobody", "exclude others", "replace worker", "replace worker"),
    *("end_replacement worker", "suspend worker", "reinstate worker", "suspend member", "depart worker"),
    *("depart member", "recognition opgeschort", "recognition erkend", "recognition ingetrokken", "ceiling less"),
    *("seal all", "seal all"),
)
