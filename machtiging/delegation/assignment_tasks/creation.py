"""Ask many assignments at once. Nothing is assigned yet: a worker does each of them."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.journal_lines import AssignmentAct, journal_refused_call
from machtiging.delegation.assignments.queries import load_present_employee, lock_employee_of_login
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    AssignmentRequest,
    EmployeeLogin,
    require_leading_role,
    require_recognition,
)
from machtiging.identity.data_keys import ensure_data_key
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.ids import uuid7
from machtiging.organisations.rules import require_minimum_level
from machtiging.tasks.queries import load_task
from machtiging.tasks.queue import NewItem, NewTask, count_open_tasks, insert_task
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK, MAX_OPEN_TASKS, TaskKind

_OBJECT_KIND = "taak"


async def request_assignments(
    session: AsyncSession,
    keyring: KeyRing,
    login: EmployeeLogin,
    requests: Sequence[AssignmentRequest],
    *,
    idempotency_key: str | None,
    at: datetime,
    intent: str | None = None,
) -> UUID:
    """Insert a task that assigns each of these machtigingen. Returns its id; the same key gives the same task.

    `intent`: what the key stands for, if a later repeat finds other machtigingen.

    Who asks needs today what a direct call needs; who and what each item needs is asked when it is done. A refusal is
    journalled: InvalidInput `te_veel_toewijzingen`, Conflict `alle_clienten_met_lezer` for none at all, `te_veel_taken`
    for an organisation with ten open tasks (two calls at once may make eleven) or `sleutel_ander_verzoek`, and as
    `assign_machtigingen`.
    """
    act = AssignmentAct(JournalAct.TOEWIJZING_IN_TAAK, login.person_id, at)
    await lock_employee_of_login(session, login)
    async with journal_refused_call(session, act):
        leader = await load_present_employee(session, login, at=at)
    act = replace(act, leader=leader)
    async with journal_refused_call(session, act):
        _require_may_ask(leader, login, requests)
        described = intent or json.dumps([_describe_request(one) for one in requests], sort_keys=True)
        new = _build_task(keyring, leader, login, described, idempotency_key)
        if await _is_repeated(session, new, at=at):
            return new.id
        await _require_new_task(session, leader, requests)
        key = await ensure_data_key(session, keyring, leader.organisation.id)
        items = [NewItem(one.machtiging_id, _describe_request(one)) for one in requests]
        if not await insert_task(session, key, new, items, at=at):
            await _is_repeated(session, new, at=at)  # a call at once made it
            return new.id
    await record(session, _build_line(leader, new.id, len(items)), at=at)
    return new.id


def _require_may_ask(leader: ActingLeader, login: EmployeeLogin, requests: Sequence[AssignmentRequest]) -> None:
    if len(requests) > MAX_ITEMS_PER_TASK:
        raise InvalidInput("te_veel_toewijzingen", params={"limit": MAX_ITEMS_PER_TASK})
    require_leading_role(leader.employee, {one.employee_id for one in requests})
    require_recognition(leader.organisation)
    require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)


async def _require_new_task(session: AsyncSession, leader: ActingLeader, requests: Sequence[AssignmentRequest]) -> None:
    if not requests:
        raise Conflict("alle_clienten_met_lezer")
    if await count_open_tasks(session, leader.organisation.id) >= MAX_OPEN_TASKS:
        raise Conflict("te_veel_taken", params={"limit": MAX_OPEN_TASKS})


def _build_task(
    keyring: KeyRing,
    leader: ActingLeader,
    login: EmployeeLogin,
    described: str,
    idempotency_key: str | None,
) -> NewTask:
    """Build the task. Its id is keyed (as in `derive_assignment_id`), and so is the digest of what is described."""
    task_id = uuid7()
    if idempotency_key is not None:
        index = keyring.blind_index("taak", f"{leader.employee.id}:{idempotency_key}")
        task_id = UUID(bytes=index[:16], version=5)
    return NewTask(
        id=task_id,
        kind=TaskKind.ASSIGN,
        organisation_id=leader.organisation.id,
        employee_id=leader.employee.id,
        person_id=leader.person_id,
        assurance=login.assurance.value,
        request_digest=keyring.blind_index("taakverzoek", described),
    )


async def _is_repeated(session: AsyncSession, new: NewTask, *, at: datetime) -> bool:
    """Return True if this task exists. Raises Conflict `sleutel_ander_verzoek` if something else was asked."""
    present = await load_task(session, new.id, at=at)
    if present is None:
        return False
    if not hmac.compare_digest(present.request_digest, new.request_digest):
        raise Conflict("sleutel_ander_verzoek")
    return True


def _describe_request(request: AssignmentRequest) -> dict[str, Any]:
    """Describe a request as an item stores it. `parse_content` reads it."""
    return {
        "machtiging": str(request.machtiging_id),
        "medewerker": None if request.employee_id is None else str(request.employee_id),
        "team": None if request.team_id is None else str(request.team_id),
        "zaakkenmerk": request.case_reference,
    }


def _build_line(leader: ActingLeader, task_id: UUID, count: int) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.TOEWIJZING_IN_TAAK,
        outcome=JournalOutcome.DONE,
        reason="in_taak",
        actor_id=leader.person_id,
        capacity=leader.capacity,
        object_kind=_OBJECT_KIND,
        object_id=str(task_id),
        facts={"aantal": count},
        on_behalf_of=leader.organisation.id,
    )
