"""Journal lines of acts on organisations, with the whole new state of the rows. One line per act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR, NewJournalLine, record
from machtiging.audit.state_facts import PersonalWords, state_facts
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound, TooMany
from machtiging.kernel.ids import PersonId
from machtiging.organisations.queries import OF_OTHERS
from machtiging.organisations.rules import (
    ActingAfzender,
    ActingEmployee,
    ActingOperator,
    EmployeeRole,
    OrganisationActor,
)
from machtiging.storage.row_mac import SealedTable

SealedRows = Sequence[tuple[SealedTable, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class OrganisationAct:
    """An act on an organisation: who acts, on what, when. `organisation_id`: None if it is not known."""

    act: JournalAct
    actor: OrganisationActor | ActingAfzender
    organisation_id: UUID | None
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
async def journal_refusal(
    session: AsyncSession, act: OrganisationAct, facts: Mapping[str, Any] | None = None
) -> AsyncIterator[None]:
    """Journal the refusal of an act, with its reason. Wrong input is not journalled.

    The line tells what does not exist (`bestaat_niet`) from what is of others (`niet_van_u`); the caller is not told.
    """
    try:
        yield
    except (NotAllowed, Conflict, TooMany) as refusal:
        await record(session, _build_line(act, JournalOutcome.REFUSED, refusal.code, {**(facts or {})}), at=act.at)
        raise
    except NotFound as refusal:
        reason = OF_OTHERS if refusal.private == OF_OTHERS else "bestaat_niet"
        await record(session, _build_line(act, JournalOutcome.REFUSED, reason, {**(facts or {})}), at=act.at)
        raise


@asynccontextmanager
async def journal_refused_caller(
    session: AsyncSession, act: JournalAct, person_id: PersonId, organisation_id: UUID | None, *, at: datetime
) -> AsyncIterator[None]:
    """Journal the refusal of a person who is no organisatiebeheerder, with its reason.

    `organisation_id`: where the person works; None if unknown.
    """
    try:
        yield
    except NotAllowed as refusal:
        line = NewJournalLine(
            act=act,
            outcome=JournalOutcome.REFUSED,
            reason=refusal.code,
            actor_id=person_id,
            object_kind="medewerker",
            on_behalf_of=organisation_id,
        )
        await record(session, line, at=at)
        raise


def _build_line(act: OrganisationAct, outcome: JournalOutcome, reason: str, facts: dict[str, Any]) -> NewJournalLine:
    named = act.object_id or (None if act.organisation_id is None else str(act.organisation_id))
    line = NewJournalLine(
        act=act.act,
        outcome=outcome,
        reason=reason,
        object_kind=act.object_kind,
        object_id=named,
        facts=facts,
    )
    return build_actor_line(act, line)


def build_actor_line(act: OrganisationAct, line: NewJournalLine) -> NewJournalLine:
    """Return this line with the actor of the act and the capacity."""
    match act.actor:
        case ActingAfzender(oin, client_id):  # acts for itself, not for the organisation
            return replace(line, client_id=client_id, facts={**line.facts, "afzender": oin})
        case ActingOperator(person_id, account):
            named_account = {} if account is None else {"beheerder": account}
            line = replace(line, actor_id=person_id, capacity=OPERATOR, facts={**line.facts, **named_account})
        case ActingEmployee(person_id):
            line = replace(line, actor_id=person_id, capacity=EmployeeRole.ADMINISTRATOR.value)
    return replace(line, on_behalf_of=act.organisation_id)
