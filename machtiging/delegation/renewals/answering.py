"""The answer of the citizen to a question to renew. A yes is an extension; a no changes no machtiging."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.authority.holders import load_colleague_authority
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.renewals.queries import load_last_question, load_waiting_question, update_question
from machtiging.delegation.renewals.rules import RenewalQuestion, RenewalState
from machtiging.delegation.rules import Capacity, MachtigingState
from machtiging.kernel.errors import Conflict, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification


async def grant_waiting_question(
    session: AsyncSession, root_id: MachtigingId, giver_id: PersonId, *, at: datetime
) -> None:
    """Mark the question that waits as agreed, if there is one. Part of every extension."""
    question = await load_waiting_question(session, root_id, giver_id, at=at, lock=True)
    if question is not None:
        changes = {"state": RenewalState.AGREED, "decided_at": at, "machtiging_id": root_id}
        await update_question(session, question.id, changes)


async def refuse_renewal(session: AsyncSession, root_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> None:
    """Answer no, and notify the employee who asked. Repeating it changes nothing.

    Raises NotFound `verlenging_onbekend`, Conflict `verlenging_al_beantwoord`, `machtiging_beeindigd` or
    `machtiging_verlopen`. A refusal is journalled.
    """
    question = await load_waiting_question(session, root_id, giver_id, at=at, lock=True)
    if question is None:
        last = await load_last_question(session, root_id, giver_id)
        if last is not None and last.state is RenewalState.REFUSED:
            return
        refusal: Refusal = NotFound("verlenging_onbekend") if last is None else Conflict("verlenging_al_beantwoord")
        await record(session, _build_line(giver_id, last, refusal.code), at=at)
        raise refusal
    if (code := await _find_end(session, root_id, at)) is not None:
        await record(session, _build_line(giver_id, question, code), at=at)
        raise Conflict(code)
    await update_question(session, question.id, {"state": RenewalState.REFUSED, "decided_at": at})
    await record(session, _build_line(giver_id, question), at=at)
    asker = await load_colleague_authority(session, question.organisation_id, question.asked_by, at=at)
    facts = {"machtiging_id": str(root_id), "giver_id": str(giver_id)}
    asker_id = None if asker is None or asker.refusal(at) is not None else asker.employee.person_id
    await enqueue_notification(session, asker_id, NotificationKind.VERLENGING_GEWEIGERD, facts, at=at)


async def _find_end(session: AsyncSession, root_id: MachtigingId, at: datetime) -> str | None:
    """Return the reason code if the machtiging is over: then there is nothing to renew."""
    machtiging = await load_machtiging(session, root_id)
    if machtiging is None or machtiging.state is MachtigingState.ENDED:
        return "machtiging_beeindigd"
    return "machtiging_verlopen" if at >= machtiging.period.ends_at else None


def _build_line(
    giver_id: PersonId, question: RenewalQuestion | None, refusal_code: str | None = None
) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.MACHTIGING_VERLENGING_GEWEIGERD,
        outcome=JournalOutcome.DONE if refusal_code is None else JournalOutcome.REFUSED,
        reason=refusal_code or "verlenging_geweigerd",
        actor_id=giver_id,
        capacity=Capacity.SELF,
        for_person_id=giver_id,
        machtiging_id=None if question is None else question.root_id,
    )
