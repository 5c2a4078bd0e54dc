"""Rules of assigning: the roles, the size of a call and the case reference. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from machtiging.delegation.authority.chain import MAX_CHAIN_LENGTH
from machtiging.delegation.authority.rules import Authority, build_authority
from machtiging.delegation.authority.standings import EmployeeStanding, MembershipStanding, OrganisationStanding
from machtiging.delegation.authority.stop_reasons import StopCode, employee_refusal, organisation_refusal
from machtiging.delegation.rules import Machtiging, MachtigingState
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.kernel.text import require_plain_line
from machtiging.organisations.rules import EmployeeRole, RecognitionStatus

MAX_ASSIGNMENTS_PER_CALL = 500
# Clients times members of the team. All of them are made under one lock; a task makes those of one client at a time.
MAX_MEMBER_LINKS_PER_CALL = 2_000
MAX_CASE_REFERENCE_LENGTH = 60
_LEADING_ROLES = frozenset({EmployeeRole.TEAM_LEADER, EmployeeRole.ADMINISTRATOR})
_TEAM_NOT_AGREED = "medewerker_niet_afgesproken.team"
_ABSENT_CODES = frozenset({StopCode.EMPLOYEE_DEPARTED, StopCode.EMPLOYEE_INACTIVE})


@dataclass(frozen=True, slots=True)
class EmployeeLogin:
    """A login of a person. `kvk`: that of the organisation; None for a private person."""

    person_id: PersonId
    kvk: str | None
    assurance: Assurance


@dataclass(frozen=True, slots=True)
class AssignmentRequest:
    """A machtiging of the organisation, and the employee or team who should hold it.

    `idempotency_key`: that of the form or call. The same request again gives the same assignment. `handover_id`: only
    if the client waits in that hand-over.
    """

    machtiging_id: MachtigingId
    employee_id: UUID | None
    team_id: UUID | None = None
    case_reference: str | None = None
    idempotency_key: str | None = None
    handover_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ActingLeader:
    """An employee who acts on assignments of the own organisation."""

    organisation: OrganisationStanding
    employee: EmployeeStanding
    person_id: PersonId

    @property
    def capacity(self) -> str:
        """The role in which the employee acts, for the journal."""
        leads = EmployeeRole.TEAM_LEADER in self.employee.roles
        return (EmployeeRole.TEAM_LEADER if leads else EmployeeRole.ADMINISTRATOR).value


def is_present(employee: EmployeeStanding, at: datetime) -> bool:
    """Return True if this employee is active now, in any role."""
    return employee_refusal(employee, at) not in _ABSENT_CODES


def require_leading_role(employee: EmployeeStanding, assigned_ids: Collection[UUID | None] = ()) -> None:
    """Require the role teamleider or organisatiebeheerder.

    Raises NotAllowed `toewijzing_aan_uzelf` if the employee is among those to assign to, else `alleen_voor_teamleider`.
    """
    if employee.roles.isdisjoint(_LEADING_ROLES):
        raise NotAllowed("toewijzing_aan_uzelf" if employee.id in assigned_ids else "alleen_voor_teamleider")


def require_recognition(organisation: OrganisationStanding) -> None:
    """Require that the organisation is recognised now.

    Raises NotAllowed `organisatie_niet_erkend`, `organisatie_opgeschort` or `erkenning_ingetrokken`.
    """
    if (code := organisation_refusal(organisation)) is not None:
        raise NotAllowed(code, message=f"{code}.assignment")


def require_not_withdrawn(organisation: OrganisationStanding) -> None:
    """Require that the recognition was not withdrawn. Without it for good there is no ground to look at clients.

    Raises NotAllowed `erkenning_ingetrokken`.
    """
    if organisation.recognition is RecognitionStatus.WITHDRAWN:
        raise NotAllowed("erkenning_ingetrokken", message="erkenning_ingetrokken.viewing")


def require_call_size(count: int) -> None:
    """Require at most 500 in one call. Raises InvalidInput `te_veel_toewijzingen`."""
    if count > MAX_ASSIGNMENTS_PER_CALL:
        raise InvalidInput("te_veel_toewijzingen", params={"limit": MAX_ASSIGNMENTS_PER_CALL})


def require_link_count(count: int) -> None:
    """Require at most 2,000 links of team members. Raises InvalidInput `te_veel_toewijzingen_aan_team`."""
    if count > MAX_MEMBER_LINKS_PER_CALL:
        raise InvalidInput("te_veel_toewijzingen_aan_team", params={"limit": MAX_MEMBER_LINKS_PER_CALL})


def require_case_reference(text: str | None) -> None:
    """Require a plain line of at most 60 characters, or none. Raises InvalidInput `zaakkenmerk_ongeldig`."""
    if text is None:
        return
    try:
        valid = require_plain_line(text) == text and len(text) <= MAX_CASE_REFERENCE_LENGTH
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput("zaakkenmerk_ongeldig", params={"length": MAX_CASE_REFERENCE_LENGTH})


def require_one_holder(request: AssignmentRequest) -> None:
    """Require an employee or a team to assign to. Raises InvalidInput `medewerker_of_team` for none or two."""
    if (request.employee_id is None) == (request.team_id is None):
        raise InvalidInput("medewerker_of_team")


def require_root(authority: Authority) -> None:
    """Require the machtiging itself, and not a link under it.

    Raises Conflict `keten_te_lang` under a third link, `toewijzing_van_toewijzing` under a second.
    """
    if len(authority.links) >= MAX_CHAIN_LENGTH:
        raise Conflict("keten_te_lang")
    if len(authority.links) > 1:
        raise Conflict("toewijzing_van_toewijzing")


def require_force(authority: Authority, employee: EmployeeStanding, at: datetime) -> None:
    """Require that the chain with this employee as its last link would be in force.

    So one rule decides who can be assigned and who can read. Raises NotAllowed with the code of the stop.
    """
    links = (authority.root, _imagine_link(authority.root, employee_id=employee.id))
    chain = build_authority(links, authority.organisation, employee, is_authentic=authority.is_authentic)
    if (stop := chain.stop_reason(at)) is not None:
        raise NotAllowed(stop.code, message=f"{stop.code}.assignment")


def require_force_of_team(
    authority: Authority, team_id: UUID, members: Collection[EmployeeStanding], at: datetime
) -> None:
    """Require that the link of this team would stand, and that a member would read.

    Raises NotAllowed with the code of the stop, and Conflict `team_zonder_lezer`.
    """
    above = _imagine_link(authority.root, team_id=team_id)
    chain = build_authority((authority.root, above), authority.organisation, None, is_authentic=authority.is_authentic)
    if (code := chain.team_stop_code(at)) is not None:
        not_agreed = code == StopCode.EMPLOYEE_NOT_AGREED
        raise NotAllowed(code, message=_TEAM_NOT_AGREED if not_agreed else f"{code}.assignment")
    for one in members:
        links = (authority.root, above, _imagine_link(above, employee_id=one.id))
        member = MembershipStanding(team_id, one.id, at, None)
        if build_authority(links, authority.organisation, one, membership=member).stop_reason(at) is None:
            return
    raise Conflict("team_zonder_lezer")


def _imagine_link(above: Machtiging, *, employee_id: UUID | None = None, team_id: UUID | None = None) -> Machtiging:
    """Return the link that would hang under this one."""
    return replace(
        above,
        id=MachtigingId(uuid7()),
        parent_id=above.id,
        gemachtigde_id=None,
        employee_id=employee_id,
        team_id=team_id,
        state=MachtigingState.ACTIVE,
    )
