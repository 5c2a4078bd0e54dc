"""Authority: the one answer to who may act for whom, now, and why not. Pure.

It holds every link of a chain (citizen or business to organisation to employee), with the organisation, its recognition
and the employee. `delegation.authority.queries` loads it in one statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from machtiging.delegation.authority.standings import (
    EmployeeStanding,
    MembershipStanding,
    OrganisationStanding,
    StandInStanding,
)
from machtiging.delegation.chain import MAX_CHAIN_LENGTH, intersect_scopes, is_child_of
from machtiging.delegation.rules import (
    CHANNEL_ASSURANCE,
    NOT_THE_HOLDER,
    NOT_USABLE,
    OTHER_ORGANISATION,
    Act,
    Capacity,
    EffectiveState,
    Machtiging,
    MachtigingScope,
    MachtigingState,
    effective_state,
)
from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import EmployeeRole, EmployeeState, RecognitionStatus

ROW_INVALID = "rij_ongeldig"
CHAIN_INVALID = "keten_ongeldig"
NOT_ASSIGNED = "niet_toegewezen"


class StopCode(StrEnum):
    """The reason code of a chain that is stopped by more than a link."""

    ORGANISATION_NOT_RECOGNISED = "organisatie_niet_erkend"
    ORGANISATION_SUSPENDED = "organisatie_opgeschort"
    RECOGNITION_WITHDRAWN = "erkenning_ingetrokken"
    EMPLOYEE_INACTIVE = "medewerker_niet_actief"
    EMPLOYEE_DEPARTED = "medewerker_vertrokken"
    EMPLOYEE_NO_CARE_WORKER = "medewerker_geen_hulpverlener"
    NOT_IN_TEAM = "geen_lid_van_het_team"
    STAND_IN_OVER = "vervanging_voorbij"
    EMPLOYEE_NOT_AGREED = "medewerker_niet_afgesproken"
    OWN_BOX = "toewijzing_aan_client_zelf"


_ROOT_CODES = {
    EffectiveState.NOT_ACCEPTED: "machtiging_niet_aangenomen",
    EffectiveState.NOT_BEGUN: "machtiging_niet_begonnen",
    EffectiveState.PAUSED: "machtiging_gepauzeerd",
    EffectiveState.ENDED: "machtiging_beeindigd",
    EffectiveState.EXPIRED: "machtiging_verlopen",
}
_ASSIGNMENT_CODES = {
    EffectiveState.NOT_ACCEPTED: "toewijzing_niet_bevestigd",
    EffectiveState.NOT_BEGUN: "toewijzing_niet_begonnen",
    EffectiveState.PAUSED: "toewijzing_gepauzeerd",
    EffectiveState.ENDED: "toewijzing_beeindigd",
    EffectiveState.EXPIRED: "toewijzing_verlopen",
}
_RECOGNITION_CODES = {
    RecognitionStatus.SUSPENDED: StopCode.ORGANISATION_SUSPENDED,
    RecognitionStatus.WITHDRAWN: StopCode.RECOGNITION_WITHDRAWN,
}


class StopReason(NamedTuple):
    """The reason of a chain that is not in force, and its link (0: root)."""

    code: str
    link: int


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of the holder of one machtiging. `links` begins with the root, and ends with what is held.

    `is_authentic` is False if the MAC of one of the rows failed: then nothing is in force. `version` is the version of
    every row that the answer hangs on.
    """

    links: tuple[Machtiging, ...]
    organisation: OrganisationStanding | None
    employee: EmployeeStanding | None
    scope: MachtigingScope
    absent_employee: EmployeeStanding | None = None
    membership: MembershipStanding | None = None
    stand_in: StandInStanding | None = None
    is_authentic: bool = True
    version: str = ""

    @property
    def root(self) -> Machtiging:
        """The machtiging that the citizen or business gave, or that a register holds."""
        return self.links[0]

    @property
    def leaf(self) -> Machtiging:
        """The machtiging that the holder holds: the root itself, or an assignment under it."""
        return self.links[-1]

    @property
    def machtiging_id(self) -> MachtigingId:
        """The id of what is held, which tokens, grants and the API name."""
        return self.leaf.id

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """The represented party."""
        return self.root.vertegenwoordigde_id

    @property
    def holder_id(self) -> PersonId | None:
        """The person who holds it; None for an offer or an unassigned machtiging."""
        if len(self.links) == 1 and self.organisation is None:
            return self.root.gemachtigde_id
        return None if self.employee is None else self.employee.person_id

    @property
    def organisation_id(self) -> UUID | None:
        """The organisation on whose behalf the holder acts."""
        return None if self.organisation is None else self.organisation.id

    @property
    def organisation_kvk(self) -> str | None:
        """The KvK number of the organisation."""
        return None if self.organisation is None else self.organisation.kvk

    @property
    def capacity(self) -> Capacity:
        """The capacity of the holder: what the root says."""
        return self.root.capacity

    @property
    def acts(self) -> frozenset[Act]:
        """The acts that every link allows."""
        return self.scope.acts

    @property
    def ends_at(self) -> datetime:
        """The earliest end: of a link, or of the longest period of the organisation."""
        ends = [link.period.ends_at for link in self.links]
        if self.organisation is not None:
            ends.append(self.root.period.starts_at + timedelta(days=self.organisation.ceiling.days))
        return min(ends)

    @property
    def has_ended(self) -> bool:
        """True if a link has ended for good."""
        return any(link.state is MachtigingState.ENDED for link in self.links)

    def is_current(self, organisation_kvk: str | None, at: datetime) -> bool:
        """Return True if what hangs on it is shown: it stands, or stands still. False for another organisation."""
        stop = self.stop_reason(at)
        return self._is_organisation(organisation_kvk) and (stop is None or stop.code in _PAUSING_CODES)

    def is_assigned(self, at: datetime) -> bool:
        """Return True if the holder can act whenever the root and the organisation can."""
        standing = {EffectiveState.IN_FORCE, effective_state(self.root, at)} - {EffectiveState.ENDED}
        below = all(effective_state(link, at) in standing for link in self.links[1:])
        return below and self._structure_stop() is None and self._employee_stop(at) is None

    def stop_reason(self, at: datetime) -> StopReason | None:
        """Return the reason why the chain is not in force; None if it is."""
        if not self.is_authentic:
            return StopReason(ROW_INVALID, len(self.links) - 1)
        return self._structure_stop() or self._link_stop(at) or self._organisation_stop(at) or self._employee_stop(at)

    def holder_refusal(self, person_id: PersonId | None, organisation_kvk: str | None) -> str | None:
        """Return the reason code if this login is not that of the holder; else None.

        A professional's machtiging without an organisation has no holder.
        """
        if person_id is None or self.holder_id != person_id:
            return NOT_THE_HOLDER
        return None if self._is_organisation(organisation_kvk) else OTHER_ORGANISATION

    def _is_organisation(self, organisation_kvk: str | None) -> bool:
        if self.organisation is None:
            return self.capacity is not Capacity.PROFESSIONAL and organisation_kvk is None
        # Without a number no login is for this organisation: None is the login of a private person.
        if self.organisation.kvk is None:
            return False
        return self.organisation_kvk == organisation_kvk

    def refusal(self, person_id: PersonId | None, organisation_kvk: str | None, at: datetime) -> str | None:
        """Return the reason code if this person cannot use it at `at`; else None.

        For another person it is always the same code, so that it tells nothing about the machtiging.
        """
        stop = self.stop_reason(at)
        if person_id is None or self.holder_id != person_id or (stop is not None and stop.code not in _OPEN_CODES):
            return NOT_USABLE
        return stop.code if stop is not None else self.holder_refusal(person_id, organisation_kvk)

    def is_usable_by(self, person_id: PersonId | None, organisation_kvk: str | None, at: datetime) -> bool:
        """Return True if this person, logged in for this organisation, may act now."""
        return self.stop_reason(at) is None and self.holder_refusal(person_id, organisation_kvk) is None

    def assurance(self, login: Assurance) -> Assurance:
        """Return the lowest level of login, giving, accepting and channels (Wdo art. 6)."""
        levels = [level for link in self.links for level in (link.assurance, CHANNEL_ASSURANCE[link.channel])]
        return lowest_assurance(login, self.root.accepted_assurance or Assurance.LOW, *levels)

    def meets_minimum(self, login: Assurance) -> bool:
        """Return True if the level reaches the minimum of the organisation."""
        return self.organisation is None or self.assurance(login).is_at_least(self.organisation.ceiling.minimum_level)

    def _structure_stop(self) -> StopReason | None:
        last = len(self.links) - 1
        if self.root.parent_id is not None or len(self.links) > MAX_CHAIN_LENGTH:
            return StopReason(CHAIN_INVALID, last)
        for number, (parent, child) in enumerate(pairwise(self.links), start=1):
            if not is_child_of(child, parent):
                return StopReason(CHAIN_INVALID, number)
        if last > 0 and (self.organisation is None or self.root.gemachtigde_id != self.organisation.id):
            return StopReason(CHAIN_INVALID, 0)
        return None

    def first_stopped_link(self, at: datetime) -> int | None:
        """Return the number of the first link that is not in force; None if all are."""
        stopped = (n for n, link in enumerate(self.links) if effective_state(link, at) is not EffectiveState.IN_FORCE)
        return next(stopped, None)

    def _link_stop(self, at: datetime) -> StopReason | None:
        number = self.first_stopped_link(at)
        if number is None:
            return None
        codes = _ROOT_CODES if number == 0 else _ASSIGNMENT_CODES
        return StopReason(codes[effective_state(self.links[number], at)], number)

    def _organisation_stop(self, at: datetime) -> StopReason | None:
        if self.organisation is None:
            return None
        if (code := organisation_refusal(self.organisation)) is not None:
            return StopReason(code, 0)
        longest = timedelta(days=self.organisation.ceiling.days)
        expired = at >= self.root.period.starts_at + longest
        return StopReason(_ROOT_CODES[EffectiveState.EXPIRED], 0) if expired else None

    def _employee_stop(self, at: datetime) -> StopReason | None:
        last = len(self.links) - 1
        if last == 0:
            return None if self.organisation is None else StopReason(NOT_ASSIGNED, 0)
        code = _employee_code(self.employee, self.leaf.employee_id, self.root, at)
        if code is None and self.employee is not None:
            code = employee_refusal(self.employee, at)
            if code is None and self._is_excluded(self.employee):
                code = StopCode.EMPLOYEE_NOT_AGREED
        if code is None and last == MAX_CHAIN_LENGTH - 1:
            code = self._third_link_code(at)
        return None if code is None else StopReason(code, last)

    def _is_excluded(self, employee: EmployeeStanding) -> bool:
        """Return True if the giver excluded this employee or one of the teams."""
        teams = employee.team_ids | {link.team_id for link in self.links if link.team_id is not None}
        return any(
            link.only_employee_id not in (None, employee.id) or not teams.isdisjoint(link.excluded_team_ids)
            for link in self.links
        )

    def _third_link_code(self, at: datetime) -> str | None:
        middle, leaf = self.links[1], self.leaf
        if middle.team_id is not None:
            member = self.membership
            found = member is not None and (member.team_id, member.employee_id) == (middle.team_id, leaf.employee_id)
            return None if found and member is not None and _contains(member, at) else StopCode.NOT_IN_TEAM
        absent = _employee_code(self.absent_employee, middle.employee_id, self.root, at)
        stand_in = self.stand_in
        if (
            stand_in is None
            or (stand_in.absent_employee_id, stand_in.replacement_id) != (middle.employee_id, leaf.employee_id)
            or stand_in.ended_at is not None
            or not stand_in.starts_at <= at < stand_in.ends_at
        ):
            return StopCode.STAND_IN_OVER
        return absent


# Only these are told to the holder; of the state of a link, the organisation or a colleague the answer is one code.
_OPEN_CODES = frozenset({StopCode.ORGANISATION_NOT_RECOGNISED, StopCode.ORGANISATION_SUSPENDED, ROW_INVALID})
# A chain that stands still and can stand again.
_PAUSING_CODES = frozenset(
    {
        _ROOT_CODES[EffectiveState.PAUSED],
        _ASSIGNMENT_CODES[EffectiveState.PAUSED],
        StopCode.ORGANISATION_NOT_RECOGNISED,
        StopCode.ORGANISATION_SUSPENDED,
        StopCode.EMPLOYEE_INACTIVE,
    }
)


def _contains(member: MembershipStanding, at: datetime) -> bool:
    return member.starts_at <= at and (member.ends_at is None or at < member.ends_at)


def organisation_refusal(organisation: OrganisationStanding) -> str | None:
    """Return the reason code if this organisation is not recognised now; else None."""
    if organisation.recognition is RecognitionStatus.RECOGNISED:
        return None
    if organisation.recognition is None:
        return StopCode.ORGANISATION_NOT_RECOGNISED
    return _RECOGNITION_CODES.get(organisation.recognition, StopCode.ORGANISATION_NOT_RECOGNISED)


def employee_refusal(employee: EmployeeStanding, at: datetime) -> str | None:
    """Return the reason code if this employee may not help clients now; else None."""
    if _has_left(employee, at):
        return StopCode.EMPLOYEE_DEPARTED
    if employee.state is not EmployeeState.ACTIVE or at < employee.starts_at:
        return StopCode.EMPLOYEE_INACTIVE
    return None if EmployeeRole.CARE_WORKER in employee.roles else StopCode.EMPLOYEE_NO_CARE_WORKER


def _has_left(employee: EmployeeStanding, at: datetime) -> bool:
    return employee.state is EmployeeState.DEPARTED or (employee.ends_at is not None and at >= employee.ends_at)


def _employee_code(
    employee: EmployeeStanding | None, employee_id: UUID | None, root: Machtiging, at: datetime
) -> str | None:
    """Return the reason code if this employee is not of the chain; else None.

    A colleague who is replaced may be inactive, but must not have left.
    """
    if employee is None or employee.id != employee_id or employee.organisation_id != root.gemachtigde_id:
        return NOT_ASSIGNED if employee_id is None else CHAIN_INVALID
    if employee.person_id == root.vertegenwoordigde_id:
        return StopCode.OWN_BOX
    return StopCode.EMPLOYEE_DEPARTED if _has_left(employee, at) else None


def build_authority(
    links: tuple[Machtiging, ...],
    organisation: OrganisationStanding | None,
    employee: EmployeeStanding | None,
    *,
    absent_employee: EmployeeStanding | None = None,
    membership: MembershipStanding | None = None,
    stand_in: StandInStanding | None = None,
    is_authentic: bool = True,
    version: str = "",
) -> Authority:
    """Build the authority of a chain, root first, with the scope that is left."""
    scope = links[0].scope
    for link in links[1:]:
        scope = intersect_scopes(scope, link.scope)
    if organisation is not None:
        scope = _apply_ceiling(scope, organisation)
    return Authority(links, organisation, employee, scope, absent_employee, membership, stand_in, is_authentic, version)


def _apply_ceiling(scope: MachtigingScope, organisation: OrganisationStanding) -> MachtigingScope:
    ceiling = MachtigingScope(
        afzenders=organisation.ceiling.afzenders,
        diensten=None,
        themes=organisation.ceiling.themes,
        excluded_themes=frozenset(),
        highest_sensitivity=organisation.ceiling.sensitivity,
        letters_from=scope.letters_from,
        acts=scope.acts,
    )
    return intersect_scopes(scope, ceiling)
