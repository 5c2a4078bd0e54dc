"""Journal lines of acts on organisations, with the whole new state of the rows. One line per act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR, NewJournalLine, record
from machtiging.audit.state_facts import PersonalWords, state_facts
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.organisations.rules import ActingOperator, EmployeeRole, OrganisationActor
from machtiging.storage.row_mac import SealedTable

SealedRows = Sequence[tuple[SealedTable, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class OrganisationAct:
    """An act on an organisation: who acts, on what, when."""

    act: JournalAct
    actor: OrganisationActor
    organisation_id: UUID
    at: datetime
    object_kind: str = "organisatie"
    object_id: str | None = None


async def journal_act(
    session: AsyncSession,
    act: OrganisationAct,
    reason: str,
    rows: SealedRows,
    personal: PersonalWords | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Journal an act that was done, with the whole new state of its rows.

    `personal`: the data key of the organisation, for columns with words of a person.
    """
    await record(
        session,
        _build_line(act, JournalOutcome.DONE, reason, {**state_facts(rows, personal), **(facts or {})}),
        at=act.at,
    )


@asynccontextmanager
async def journal_refusal(session: AsyncSession, act: OrganisationAct) -> AsyncIterator[None]:
    """Journal the refusal of an act, with its reason. Wrong input and unknown objects are not journalled."""
    try:
        yield
    except (NotAllowed, Conflict) as refusal:
        await record(session, _build_line(act, JournalOutcome.REFUSED, refusal.code, {}), at=act.at)
        raise


def _build_line(act: OrganisationAct, outcome: JournalOutcome, reason: str, facts: dict[str, Any]) -> NewJournalLine:
    actor = act.actor
    if isinstance(actor, ActingOperator):
        capacity, account = OPERATOR, {} if actor.account is None else {"beheerder": actor.account}
    else:
        capacity, account = EmployeeRole.ADMINISTRATOR.value, {}
    return NewJournalLine(
        act=act.act,
        outcome=outcome,
        reason=reason,
        actor_id=actor.person_id,
        capacity=capacity,
        object_kind=act.object_kind,
        object_id=act.object_id or str(act.organisation_id),
        facts={**facts, **account},
        on_behalf_of=act.organisation_id,
    )
