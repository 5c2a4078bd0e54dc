"""Journal lines of help requests. Their facts hold no name, no words and no code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.help_requests.rules import HelpRequest
from machtiging.delegation.rules import Capacity
from machtiging.kernel.ids import MachtigingId, PersonId

_OBJECT_KIND = "hulpvraag"


async def journal_request(
    session: AsyncSession,
    act: JournalAct,
    actor_id: PersonId,
    request: HelpRequest | None,
    refusal_code: str | None = None,
    *,
    at: datetime,
    machtiging_id: MachtigingId | None = None,
    facts: Mapping[str, Any] | None = None,
    organisation_id: UUID | None = None,
) -> None:
    """Journal an act on a request, or its refusal. The line is of the citizen who opened it, if anybody did.

    `organisation_id`: the organisation for which the actor acts; that of the request if there is one.
    """
    citizen_id = None if request is None else request.opened_by
    if request is not None and request.requester_id == actor_id:
        organisation_id = request.organisation_id
    capacity = None if organisation_id is None else Capacity.PROFESSIONAL
    line = NewJournalLine(
        act=act,
        outcome=JournalOutcome.DONE if refusal_code is None else JournalOutcome.REFUSED,
        reason=refusal_code or act.value.partition(":")[2],
        actor_id=actor_id,
        capacity=Capacity.SELF if citizen_id == actor_id else capacity,
        for_person_id=citizen_id,
        machtiging_id=machtiging_id,
        object_kind=None if request is None else _OBJECT_KIND,
        object_id=None if request is None else str(request.id),
        facts=facts or {},
        on_behalf_of=organisation_id,
    )
    await record(session, line, at=at)
