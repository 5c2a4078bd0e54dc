"""The results of a renewal round, as far as the employee may see them now."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.assignments.acting_employee import load_requesting_employee
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.caseload.assigned_clients import AssignedClient, load_assigned_clients
from machtiging.delegation.renewals.queries import load_round
from machtiging.delegation.renewals.rules import RenewalQuestion
from machtiging.kernel.errors import NotFound


class RenewalResult(NamedTuple):
    """A question and its client. `client`: None for one without a reader here now."""

    question: RenewalQuestion
    client: AssignedClient | None


async def load_round_results(
    session: AsyncSession, login: EmployeeLogin, round_id: UUID, *, at: datetime
) -> list[RenewalResult]:
    """Load the results of a round of this login.

    Raises NotAllowed `geen_medewerker`, NotFound `verlengingsronde_onbekend` for a round of another too.
    """
    acting = await load_requesting_employee(session, login, at=at)
    questions = await load_round(session, round_id, acting.organisation.id, acting.employee.id)
    if not questions:
        raise NotFound("verlengingsronde_onbekend")
    givers = {one.giver_id for one in questions}
    found = await load_assigned_clients(session, login.person_id, login.kvk, giver_ids=givers, at=at)
    visible = {
        one.authority.root.id: one
        for one in found
        if one.authority.refusal(login.person_id, login.kvk, login.assurance, at) is None
    }
    return [RenewalResult(one, visible.get(one.root_id)) for one in questions]
