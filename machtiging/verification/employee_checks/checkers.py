"""The employee of an active agency with the role controleur."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import AgencyView, find_active_agency
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.authority.holders import EmployeeAuthority, load_employee_authority
from machtiging.kernel.errors import NotAllowed
from machtiging.organisations.queries import find_oin
from machtiging.organisations.rules import EmployeeRole, EmployeeState, require_minimum_level
from machtiging.verification.codes.rules import CodeAsker


class Checker(NamedTuple):
    """An employee who may check now, and the agency."""

    asker: CodeAsker
    agency: AgencyView


async def load_checker(session: AsyncSession, login: EmployeeLogin, *, at: datetime) -> Checker:
    """Load the employee of this login who may check for an agency.

    The organisation comes from the login and the agency from its OIN: nobody types a name. Raises NotAllowed
    `geen_medewerker`, `medewerker_niet_actief`, `geen_controleur` or `geen_afnemer`, and LevelTooLow `niveau_te_laag`.
    A refusal is journalled.
    """
    found = None
    if login.kvk is not None:
        found = await load_employee_authority(session, login.person_id, login.kvk, at=at)
    try:
        employed = _require_controleur(found, at)
        require_minimum_level(employed.organisation.ceiling.minimum_level, login.assurance)
        oin = await find_oin(session, employed.organisation.id)
        agency = None if oin is None else await find_active_agency(session, oin)
        if agency is None:
            raise NotAllowed("geen_afnemer")
    except NotAllowed as refusal:
        line = NewJournalLine(
            act=JournalAct.CONTROLECODE_GEPROBEERD,
            outcome=JournalOutcome.REFUSED,
            reason=refusal.code,
            actor_id=login.person_id,
            on_behalf_of=None if found is None else found.organisation.id,
        )
        await record(session, line, at=at)
        raise
    asker = CodeAsker(agency.oin, person_id=login.person_id, organisation_id=employed.organisation.id)
    return Checker(asker, agency)


def _require_controleur(found: EmployeeAuthority | None, at: datetime) -> EmployeeAuthority:
    if found is None:
        raise NotAllowed("geen_medewerker", message="geen_medewerker.check")
    employee = found.employee
    has_left = employee.ends_at is not None and at >= employee.ends_at
    if employee.state is not EmployeeState.ACTIVE or has_left or at < employee.starts_at:
        raise NotAllowed("medewerker_niet_actief", message="medewerker_niet_actief.check")
    if EmployeeRole.VERIFIER not in employee.roles:
        raise NotAllowed("geen_controleur")
    return found
