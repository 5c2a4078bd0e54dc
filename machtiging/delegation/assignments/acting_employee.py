"""The employee of a login who asks clients something for the organisation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.authority.holders import EmployeeAuthority, load_employee_authority
from machtiging.identity.session import Visitor
from machtiging.kernel.errors import NotAllowed


def describe_login(visitor: Visitor) -> EmployeeLogin:
    """Describe the login of a visitor as that of an employee."""
    return EmployeeLogin(visitor.person_id, visitor.organisation_kvk, visitor.assurance)


async def load_requesting_employee(session: AsyncSession, login: EmployeeLogin, *, at: datetime) -> EmployeeAuthority:
    """Load the employee of this login with the organisation. Raises NotAllowed `geen_medewerker`."""
    found = None
    if login.kvk is not None:
        found = await load_employee_authority(session, login.person_id, login.kvk, at=at)
    if found is None:
        raise NotAllowed("geen_medewerker")
    return found


def require_helping(acting: EmployeeAuthority, at: datetime) -> None:
    """Require an employee who may help clients of a recognised organisation now. Raises NotAllowed."""
    if (code := acting.refusal(at)) is not None:
        raise NotAllowed(code, message=f"{code}.acceptance")
