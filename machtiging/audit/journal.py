"""Writing in the journal: one line, in the transaction of what it tells about. Neither is there without the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.tables import JournalIntake
from machtiging.kernel.ids import uuid7
from machtiging.web import request_id

_INSERT = insert(JournalIntake.__table__)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Line:
    """Who, in which capacity, for whom, did what to what, under which machtiging, with which outcome, and why.

    People are named by their internal id. `facts` holds words, whole numbers and yes/no; never a BSN, a name, a code,
    a subject or any other text that a person wrote.
    """

    act: JournalAct
    outcome: Outcome
    reason: str
    actor_id: UUID | None = None
    capacity: str | None = None
    client_id: str | None = None
    for_person_id: UUID | None = None
    machtiging_id: UUID | None = None
    object_kind: str | None = None
    object_id: str | None = None
    policy_digest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


async def record(session: AsyncSession, line: Line, *, at: datetime) -> UUID:
    """Write one line and return its id. It stands or falls with the caller's transaction."""
    line_id = uuid7()
    await session.execute(
        _INSERT,
        {
            "id": line_id,
            "occurred_at": at,
            "act": line.act.value,
            "outcome": line.outcome.value,
            "reason": line.reason,
            "actor_id": line.actor_id,
            "capacity": line.capacity,
            "client_id": line.client_id,
            "for_person_id": line.for_person_id,
            "machtiging_id": line.machtiging_id,
            "object_kind": line.object_kind,
            "object_id": line.object_id,
            "policy_digest": line.policy_digest,
            "request_id": request_id.current(),
            "facts": dict(line.facts),
        },
    )
    return line_id
