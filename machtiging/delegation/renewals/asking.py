"""A renewal round: an employee asks every client whose machtiging ends soon."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.acting_employee import load_requesting_employee, require_helping
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.authority.holders import EmployeeAuthority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.assigned_clients import AssignedClient, load_assigned_clients
from machtiging.delegation.renewals.queries import VERZOEK, load_recent_questions, load_round, lock_rounds
from machtiging.delegation.renewals.rules import (
    MAX_ASKED_PER_ROUND,
    RenewalQuestion,
    RenewalState,
    can_be_renewed,
)
from machtiging.delegation.rules import Channel
from machtiging.delegation.tables import SEALED_VERZOEK
from machtiging.delegation.transition import notification_facts
from machtiging.kernel.errors import Conflict, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.rules import require_minimum_level
from machtiging.storage.row_mac import seal_row


@dataclass(frozen=True, slots=True)
class EndingClient:
    """A client whose machtiging ends soon. `question`: that of the last thirty days."""

    client: AssignedClient
    question: RenewalQuestion | None


class _RenewalRound(NamedTuple):
    """A round to make: its id, the login, and the employee."""

    id: UUID
    login: EmployeeLogin
    acting: EmployeeAuthority


async def list_ending_clients(session: AsyncSession, login: EmployeeLogin, *, at: datetime) -> list[EndingClient]:
    """List the clients of this login whose machtiging ends soon, the first end first."""
    found = await load_assigned_clients(session, login.person_id, login.kvk, at=at)
    ending = {
        one.authority.root.id: one
        for one in found
        if can_be_renewed(one.authority, login.person_id, login.kvk, login.assurance, at)
    }
    questions = await load_recent_questions(session, ending, at=at)
    ordered = sorted(ending.values(), key=lambda one: (one.authority.ends_at, one.authority.machtiging_id))
    return [EndingClient(one, questions.get(one.authority.root.id)) for one in ordered]


async def ask_renewals(
    session: AsyncSession,
    keyring: KeyRing,
    login: EmployeeLogin,
    idempotency_key: str,
    *,
    at: datetime,
    only_ids: Collection[UUID] | None = None,
) -> UUID:
    """Ask every client whose machtiging ends soon. Returns the id of the round.

    At most 500, and none who was asked in the last thirty days. The same key gives the same round. `only_ids`: only
    these machtigingen of the employee. Raises NotAllowed `geen_medewerker`, or as `require_helping`; LevelTooLow
    `niveau_te_laag`; Conflict `niets_te_verlengen`. A refusal is journalled.
    """
    acting = None
    try:
        acting = await load_requesting_employee(session, login, at=at)
        require_helping(acting, at)
        require_minimum_level(acting.organisation.ceiling.minimum_level, login.assurance)
        await lock_rounds(session, acting.organisation.id)
        new_round = _RenewalRound(derive_round_id(keyring, login, idempotency_key), login, acting)
        if await load_round(session, new_round.id, acting.organisation.id, acting.employee.id):
            return new_round.id
        ending = await list_ending_clients(session, login, at=at)
        unasked = [
            one.client.authority
            for one in ending
            if one.question is None and (only_ids is None or one.client.authority.machtiging_id in only_ids)
        ]
        if not unasked:
            raise Conflict("niets_te_verlengen")
    except Refusal as refusal:
        organisation_id = None if acting is None else acting.organisation.id
        await record(session, _build_line(login.person_id, organisation_id, None, refusal.code), at=at)
        raise
    await _insert_questions(session, new_round, unasked[:MAX_ASKED_PER_ROUND], at)
    return new_round.id


def derive_round_id(keyring: KeyRing, login: EmployeeLogin, idempotency_key: str) -> UUID:
    """Derive the id of a round from login and form key (RFC 9562 section 5.5).

    So two presses are one round.
    """
    index = keyring.blind_index("verlengingsronde", f"{login.person_id}:{login.kvk}:{idempotency_key}")
    return UUID(bytes=index[:16], version=5)


async def _insert_questions(
    session: AsyncSession, new_round: _RenewalRound, authorities: Sequence[Authority], at: datetime
) -> None:
    organisation = new_round.acting.organisation
    for authority in authorities:
        row = {
            "id": uuid7(),
            "organisation_id": organisation.id,
            "requested_by": new_round.acting.employee.id,
            "party_id": authority.vertegenwoordigde_id,
            "purpose": authority.root.purpose,
            "channel": Channel.ONLINE,
            "state": RenewalState.WAITING,
            "scope": {},
            "created_at": at,
            "expires_at": authority.ends_at,
            "extends_id": authority.root.id,
            "round_id": new_round.id,
        }
        await session.execute(insert(VERZOEK).values(seal_row(session, SEALED_VERZOEK, row)))
        line = _build_line(new_round.login.person_id, organisation.id, authority)
        await record(session, line, at=at)
        facts = notification_facts(authority.root, new_round.login.person_id) | {"organisation": organisation.name}
        giver_id = authority.vertegenwoordigde_id
        await enqueue_notification(session, giver_id, NotificationKind.VERLENGING_GEVRAAGD, facts, at=at)


def _build_line(
    actor_id: PersonId, organisation_id: UUID | None, authority: Authority | None, refusal_code: str | None = None
) -> NewJournalLine:
    machtiging_id: MachtigingId | None = None if authority is None else authority.root.id
    return NewJournalLine(
        act=JournalAct.MACHTIGING_VERLENGING_GEVRAAGD,
        outcome=JournalOutcome.DONE if refusal_code is None else JournalOutcome.REFUSED,
        reason=refusal_code or "verlenging_gevraagd",
        actor_id=actor_id,
        capacity=None if authority is None else authority.capacity,
        for_person_id=None if authority is None else authority.vertegenwoordigde_id,
        machtiging_id=machtiging_id,
        on_behalf_of=organisation_id,
    )
