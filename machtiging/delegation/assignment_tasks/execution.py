"""Do the items of tasks, each in a transaction of its own.

An item is done with the rights that its asker has at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.creation import assign_machtigingen
from machtiging.delegation.assignments.rules import AssignmentRequest, EmployeeLogin
from machtiging.identity.data_keys import ensure_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import Clock
from machtiging.kernel.errors import Conflict, Refusal
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.queries import find_kvk
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.tasks.queries import describe_reason
from machtiging.tasks.queue import (
    ClaimedItem,
    ItemResult,
    claim_item,
    decrypt_content,
    describe_invalid_row,
    finish_tasks,
    postpone_item,
    settle_item,
)
from machtiging.tasks.rules import EXECUTION_PERIOD

_ROUND_SECONDS = 30.0


async def run_due_items(
    sessions: async_sessionmaker[AsyncSession], keyring: KeyRing, clock: Clock, stop: asyncio.Event
) -> int:
    """Do items until none is due, for at most half a minute. Returns their number. A loop of the worker.

    An item that fails on our side is tried again later, and the failure is raised. Raises Fault
    `opslag_niet_bereikbaar`.
    """
    loop, count = asyncio.get_running_loop(), 0
    until = loop.time() + _ROUND_SECONDS
    while not stop.is_set() and loop.time() < until:
        if not await run_next_item(sessions, keyring, clock):
            async with unit_of_work(sessions) as session:
                await finish_tasks(session, at=clock.now())
            break
        count += 1
    return count


async def run_next_item(sessions: async_sessionmaker[AsyncSession], keyring: KeyRing, clock: Clock) -> bool:
    """Do one item. Returns False if none is due."""
    claimed: ClaimedItem | None = None
    try:
        async with unit_of_work(sessions) as session:
            at = clock.now()
            claimed = await claim_item(session, at=at)
            if claimed is not None:
                await settle_item(session, claimed.item, await _execute(session, keyring, claimed, at), at=at)
    except Exception:  # whatever it is, this item must not stop those behind it
        if claimed is not None:
            async with unit_of_work(sessions) as session:
                await postpone_item(session, claimed.item.task_id, claimed.item.number, at=clock.now())
        raise
    return claimed is not None


async def _execute(session: AsyncSession, keyring: KeyRing, claimed: ClaimedItem, at: datetime) -> ItemResult:
    """Do the act, or return the refusal. The act journals either."""
    if not claimed.is_authentic:
        return describe_invalid_row()
    task = claimed.task
    try:
        if at > task["created_at"] + EXECUTION_PERIOD:
            raise Conflict("taak_verlopen")
        key = await ensure_data_key(session, keyring, task["organisation_id"])
        request = _parse_content(decrypt_content(key, claimed.item), task["id"])
        kvk = await find_kvk(session, task["organisation_id"])
        login = EmployeeLogin(PersonId(task["person_id"]), kvk, Assurance(task["assurance"]))
        [result] = await assign_machtigingen(
            session, keyring, login, [request], at=at, as_employee_id=task["employee_id"]
        )
    except Refusal as refusal:
        result = refusal
    if isinstance(result, Refusal):
        return ItemResult(None, describe_reason(result))
    return ItemResult(result)


def _parse_content(content: Mapping[str, Any], task_id: UUID) -> AssignmentRequest:
    """Parse what `creation` stored. The task is the idempotency key, so a restored row assigns nothing twice."""
    employee, team = content["medewerker"], content["team"]
    return AssignmentRequest(
        MachtigingId(UUID(content["machtiging"])),
        None if employee is None else UUID(employee),
        None if team is None else UUID(team),
        content["zaakkenmerk"],
        f"taak:{task_id}",
    )
