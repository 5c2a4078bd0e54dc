"""Authority: the one answer to who may act for whom, now, and why not. Pure.

It holds every link of a chain (citizen or business to organisation to employee), with the organisation, its recognition
and the employee. `delegation.authority.queries` loads it in one statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from machtiging.delegation.authority.chain import MAX_CHAIN_LENGTH, intersect_scopes, is_child_of
from machtiging.delegation.authority.standings import (
    EmployeeStanding,
    MembershipStanding,
    OrganisationStanding,
    StandInStanding,
)
from machtiging.delegation.authority.stop_reasons import (
    ASSIGNMENT_CODES,
    CHAIN_INVALID,
    LEVEL_TOO_LOW,
    NOT_ASSIGNED,
    OPEN_CODES,
    PAUSING_CODES,
    ROOT_CODES,
    StopCode,
    StopReason,
    chain_employee_refusal,
    employee_refusal,
    membership_refusal,
    organisation_refusal,
    stand_in_refusal,
)
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
from machtiging.kernel.errors import ROW_INVALID
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import RecognitionStatus


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of the holder of one machtiging. `links` begins with the root, and ends with what is held.

    `represented_organisation`: the business that its director represents. `is_authentic` is False if the MAC of one of
    the rows failed: then nothing is in force. `version` is the version of every row that the answer hangs on.
    """

    links: tuple[Machtiging, ...]
    organisation: OrganisationStanding | None
    employee: EmployeeStanding | None
    scope: MachtigingScope
    absent_employee: EmployeeStanding | None = None
    membership: MembershipStanding | None = None
    stand_in: StandInStanding | None = None
    represented_organisation: OrganisationStanding | None = None
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
    def organisation_name(self) -> str | None:
        """The name of the organisation."""
        return None if self.organisation is None else self.organisation.name

    @property
    def organisation_kvk(self) -> str | None:
        """The KvK number of the organisation."""
        return None if self.organisation is None else self.organisation.kvk

    @property
    def team_id(self) -> UUID | None:
        """The team by which the holder reads; None if it is held without a team."""
        return next((link.team_id for link in self.links if link.team_id is not None), None)

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
        """The earliest end: of a link, the stand-in or the organisation's longest period.

        That period does not limit what a court gave.
        """
        ends = [link.period.ends_at for link in self.links]
        if self.stand_in is not None:
            ends.append(self.stand_in.ends_at)
        if self.organisation is not None and not self.root.is_from_register:
            ends.append(self.root.period.starts_at + timedelta(days=self.organisation.ceiling.days))
        return min(ends)

    @property
    def has_ended(self) -> bool:
        """True if a link has ended for good."""
        return any(link.state is MachtigingState.ENDED for link in self.links)

    @property
    def awaits_second_person(self) -> bool:
        """True if an assignment of one person waits for a second one. It gives nothing until then."""
        return any(link.needs_confirmation for link in self.links[1:])

    def is_current(self, organisation_kvk: str | None, at: datetime) -> bool:
        """Return True if what hangs on it is shown: it stands, or stands still. False for another organisation."""
        return self._is_organisation(organisation_kvk) and all(stop.code in PAUSING_CODES for stop in self._stops(at))

    def is_assigned(self, at: datetime) -> bool:
        """Return True if the holder can act whenever the root and the organisation can."""
        standing = {EffectiveState.IN_FORCE, effective_state(self.root, at)} - {EffectiveState.ENDED}
        below = all(effective_state(link, at) in standing for link in self.links[1:])
        return self.is_authentic and below and self._structure_stop() is None and not any(self._employee_stops(at))

    def stop_reason(self, at: datetime) -> StopReason | None:
        """Return the reason why the chain is not in force; None if it is."""
        return next(self._stops(at), None)

    def stop_codes(self, at: datetime) -> Iterator[str]:
        """Yield the code of every reason why the chain is not in force."""
        return (stop.code for stop in self._stops(at))

    def team_stop_code(self, at: datetime) -> str | None:
        """Return the reason code why a team's link gives its members nothing; else None.

        Nobody holds that link itself: each member has a link of their own under it.
        """
        return next((code for code in self.stop_codes(at) if code != NOT_ASSIGNED), None)

    def _stops(self, at: datetime) -> Iterator[StopReason]:
        """Yield every reason why the chain is not in force. The first is told."""
        if not self.is_authentic:
            yield StopReason(ROW_INVALID, len(self.links) - 1)
        if (stop := self._structure_stop()) is not None:
            yield stop
        yield from self._link_stops(at)
        yield from self._organisation_stops(at)
        yield from self._employee_stops(at)

    def holder_refusal(self, person_id: PersonId | None, organisation_kvk: str | None) -> str | None:
        """Return the reason code if this login is not that of the holder; else None.

        A professional's machtiging without an organisation has no holder.
        """
        if person_id is None or self.holder_id != person_id:
            return NOT_THE_HOLDER
        return None if self._is_organisation(organisation_kvk) else OTHER_ORGANISATION

    def _is_organisation(self, organisation_kvk: str | None) -> bool:
        if self.capacity is Capacity.DIRECTOR:
            business = self.represented_organisation
            return business is not None and business.kvk is not None and business.kvk == organisation_kvk
        if self.organisation is None:
            return self.capacity is not Capacity.PROFESSIONAL and organisation_kvk is None
        # Without a number no login is for this organisation: None is the login of a private person.
        if self.organisation.kvk is None:
            return False
        return self.organisation_kvk == organisation_kvk

    def refusal(
        self, person_id: PersonId | None, organisation_kvk: str | None, login: Assurance | None, at: datetime
    ) -> str | None:
        """Return the reason code if this person cannot use it at `at`; else None.

        For another person it is always the same code, so that it tells nothing about the machtiging. `login`: the
        level of the login; None before there is one.
        """
        stop = self.stop_reason(at)
        if person_id is None or self.holder_id != person_id or (stop is not None and stop.code not in OPEN_CODES):
            return NOT_USABLE
        if stop is not None:
            return stop.code
        if (code := self.holder_refusal(person_id, organisation_kvk)) is not None:
            return code
        return None if login is None or self.meets_minimum(login) else LEVEL_TOO_LOW

    def visibility_refusal(
        self, person_id: PersonId, organisation_kvk: str | None, login: Assurance, at: datetime
    ) -> str | None:
        """Return the reason code if this login may not see party and terms; else None.

        What is paused or over stays visible to its two parties. An employee who may not help clients now sees nothing,
        nor one whose assignment waits for a second person, nor does anybody of a forged row.
        """
        if not self.is_authentic:
            return ROW_INVALID
        if person_id == self.vertegenwoordigde_id:
            return None
        if (code := self.holder_refusal(person_id, organisation_kvk)) is not None:
            return code
        if self.awaits_second_person:
            return ASSIGNMENT_CODES[EffectiveState.NOT_ACCEPTED]
        if self.organisation is None or self.employee is None:
            return None
        if self.organisation.recognition is RecognitionStatus.WITHDRAWN:
            return StopCode.RECOGNITION_WITHDRAWN
        if (code := employee_refusal(self.employee, at)) is not None:
            return code
        return None if self.meets_minimum(login) else LEVEL_TOO_LOW

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
        if self.capacity is Capacity.DIRECTOR and not self._is_directorship():
            return StopReason(CHAIN_INVALID, last)
        for number, (parent, child) in enumerate(pairwise(self.links), start=1):
            if not is_child_of(child, parent):
                return StopReason(CHAIN_INVALID, number)
        if last > 0 and (self.organisation is None or self.root.gemachtigde_id != self.organisation.id):
            return StopReason(CHAIN_INVALID, 0)
        return None

    def _is_directorship(self) -> bool:
        """Return True if a register told that one person directs one organisation. Nothing hangs under it."""
        business = self.represented_organisation
        is_its_own = business is not None and business.id == self.vertegenwoordigde_id
        return len(self.links) == 1 and self.organisation is None and self.root.is_from_register and is_its_own

    def first_stopped_link(self, at: datetime) -> int | None:
        """Return the number of the first link not in force; None if all are."""
        stop = next(self._link_stops(at), None)
        return None if stop is None else stop.link

    def _link_stops(self, at: datetime) -> Iterator[StopReason]:
        for number, link in enumerate(self.links):
            if (state := effective_state(link, at)) is not EffectiveState.IN_FORCE:
                yield StopReason((ROOT_CODES if number == 0 else ASSIGNMENT_CODES)[state], number)

    def _organisation_stops(self, at: datetime) -> Iterator[StopReason]:
        if self.organisation is None:
            return
        if (code := organisation_refusal(self.organisation)) is not None:
            yield StopReason(code, 0)
        if self.root.is_from_register:
            return
        if at >= self.root.period.starts_at + timedelta(days=self.organisation.ceiling.days):
            yield StopReason(ROOT_CODES[EffectiveState.EXPIRED], 0)

    def _employee_stops(self, at: datetime) -> Iterator[StopReason]:
        last = len(self.links) - 1
        if last == 0:
            codes = [None if self.organisation is None else NOT_ASSIGNED]
        elif self.leaf.team_id is not None:
            codes = [StopCode.EMPLOYEE_NOT_AGREED if self._excludes_team(self.leaf.team_id) else None, NOT_ASSIGNED]
        else:
            codes = [chain_employee_refusal(self.employee, self.leaf.employee_id, self.root, at)]
            if codes == [None] and self.employee is not None:
                codes.append(employee_refusal(self.employee, at))
                codes.append(StopCode.EMPLOYEE_NOT_AGREED if self._is_excluded(self.employee) else None)
            if last == MAX_CHAIN_LENGTH - 1:
                codes.append(self._third_link_code(at))
        yield from (StopReason(code, last) for code in codes if code is not None)

    def _is_excluded(self, employee: EmployeeStanding) -> bool:
        """Return True if the giver excluded this employee or one of the teams."""
        teams = employee.team_ids | {link.team_id for link in self.links if link.team_id is not None}
        return any(
            link.only_employee_id not in (None, employee.id) or not teams.isdisjoint(link.excluded_team_ids)
            for link in self.links
        )

    def _excludes_team(self, team_id: UUID) -> bool:
        """Return True if the giver excluded this team, or chose one employee."""
        return any(link.only_employee_id is not None or team_id in link.excluded_team_ids for link in self.links)

    def _third_link_code(self, at: datetime) -> str | None:
        middle, leaf = self.links[1], self.leaf
        if middle.team_id is not None:
            return membership_refusal(self.membership, middle.team_id, leaf.employee_id, at)
        return stand_in_refusal(self.stand_in, middle.employee_id, leaf.employee_id, at) or chain_employee_refusal(
            self.absent_employee, middle.employee_id, self.root, at
        )


def build_authority(
    links: tuple[Machtiging, ...],
    organisation: OrganisationStanding | None,
    employee: EmployeeStanding | None,
    *,
    absent_employee: EmployeeStanding | None = None,
    membership: MembershipStanding | None = None,
    stand_in: StandInStanding | None = None,
    represented_organisation: OrganisationStanding | None = None,
    is_authentic: bool = True,
    version: str = "",
) -> Authority:
    """Build the authority of a chain, root first, with the scope that is left."""
    scope = links[0].scope
    for link in links[1:]:
        scope = intersect_scopes(scope, link.scope)
    if organisation is not None:
        scope = _apply_ceiling(scope, organisation)
    return Authority(
        links,
        organisation,
        employee,
        scope,
        absent_employee,
        membership,
        stand_in,
        represented_organisation,
        is_authentic,
        version,
    )


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
