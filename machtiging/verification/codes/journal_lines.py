"""Journal lines of acts on verification codes. They never contain the code itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.rules import Capacity
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.verification.codes.rules import CodeAsker, VerificationCode

_OBJECT_KIND = "controlecode"


async def journal_maker_act(
    session: AsyncSession,
    act: JournalAct,
    maker_id: PersonId,
    machtiging_id: MachtigingId | None,
    giver_id: PersonId | None,
    *,
    at: datetime,
    code_id: UUID | None = None,
    refusal_code: str | None = None,
    facts: Mapping[str, Any] | None = None,
    organisation_id: UUID | None = None,
) -> None:
    """Journal that a code was made or withdrawn, or the refusal. The line is of the represented party."""
    line = NewJournalLine(
        act=act,
        outcome=JournalOutcome.DONE if refusal_code is None else JournalOutcome.REFUSED,
        reason=refusal_code or act.value.partition(":")[2],
        actor_id=maker_id,
        capacity=Capacity.SELF if giver_id == maker_id else None,
        for_person_id=giver_id,
        machtiging_id=machtiging_id,
        object_kind=None if code_id is None else _OBJECT_KIND,
        object_id=None if code_id is None else str(code_id),
        facts=facts or {},
        on_behalf_of=organisation_id,
    )
    await record(session, line, at=at)


async def journal_try(
    session: AsyncSession,
    asker: CodeAsker,
    purpose: str,
    dienst: str | None,
    found: VerificationCode | None,
    problem: str | None,
    *,
    at: datetime,
) -> None:
    """Journal a try of a code with the exact reason. Of a known code the line is of the represented party."""
    facts = {"afnemer": asker.oin, "doel": purpose} | ({} if dienst is None else {"dienst": dienst})
    line = NewJournalLine(
        act=JournalAct.CONTROLECODE_GEPROBEERD,
        outcome=JournalOutcome.DONE if problem is None else JournalOutcome.REFUSED,
        reason=problem or "gebruikt",
        actor_id=asker.person_id,
        client_id=asker.client_id,
        for_person_id=None if found is None else found.vertegenwoordigde_id,
        machtiging_id=None if found is None else found.machtiging_id,
        object_kind=None if found is None else _OBJECT_KIND,
        object_id=None if found is None else str(found.id),
        facts=facts,
        on_behalf_of=asker.organisation_id,
    )
    await record(session, line, at=at)
