"""Say to an employee why the organisation or the employee cannot help now."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.holders import load_employee_authority
from machtiging.identity.session import Visitor
from machtiging.portal import labels


async def describe_employee_stop(request: Request, session: AsyncSession, visitor: Visitor) -> str:
    """Describe why this employee cannot help now; "" if nothing hinders."""
    if visitor.organisation_kvk is None:
        return ""
    at = access_services(request).clock.now()
    employee = await load_employee_authority(session, visitor.person_id, visitor.organisation_kvk, at=at)
    code = None if employee is None else employee.refusal(at)
    return "" if code is None else labels.describe_stop(code, is_giver=False)
