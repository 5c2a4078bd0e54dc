"""Drafts of forms of several pages: stored encrypted, deleted hours after the last answer.

A draft belongs to one person, and opens only with her data key and at its own id. The pages of the form name it by that
id, so two tabs do not mix. An unknown, expired or foreign id gives no draft.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.identity.tables import FormDraft
from machtiging.kernel.errors import Fault, InvalidInput
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows

DRAFT_LIFETIME = timedelta(hours=4)
MAX_DRAFT_BYTES = 16 * 1024
MAX_DRAFTS_PER_PERSON = 10
_DRAFT = table_of(FormDraft)
EXPIRED_DRAFTS: ExpiredRows = (_DRAFT, _DRAFT.c.expires_at < SWEEP_AT)
_log = structlog.get_logger("machtiging.identity")

# The values of each field, by page of the form.
DraftAnswers = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """A draft as loaded: its id, and the answers until now."""

    id: UUID
    answers: DraftAnswers


async def create_draft(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, answers: DraftAnswers, *, at: datetime
) -> UUID:
    """Store a new draft and return its id. The oldest drafts over the limit are deleted.

    Raises InvalidInput `concept_te_groot`.
    """
    draft_id = uuid7()
    values = {
        "id": draft_id,
        "person_id": person_id,
        "sealed": await _encrypt(session, keyring, person_id, draft_id, answers),
        "created_at": at,
        "saved_at": at,
        "expires_at": at + DRAFT_LIFETIME,
    }
    await session.execute(insert(_DRAFT).values(**values))
    mine = select(_DRAFT.c.id).where(_DRAFT.c.person_id == person_id)
    older = mine.order_by(_DRAFT.c.saved_at.desc(), _DRAFT.c.id.desc()).offset(MAX_DRAFTS_PER_PERSON)
    await session.execute(delete(_DRAFT).where(_DRAFT.c.id.in_(older)))
    return draft_id


async def load_draft(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, draft_id: UUID, *, at: datetime, lock: bool = False
) -> StoredDraft | None:
    """Load the draft of this person. None if it is unknown, expired or another person's.

    `lock`: until the end of the transaction, for a change that depends on the answers.
    """
    mine = select(_DRAFT.c.sealed).where(
        _DRAFT.c.id == draft_id, _DRAFT.c.person_id == person_id, _DRAFT.c.expires_at > at
    )
    sealed = await session.scalar(mine.with_for_update() if lock else mine)
    if sealed is None:
        return None
    key = await load_data_key(session, keyring, person_id)
    try:
        serialized = key.decrypt(sealed, *_draft_context(person_id, draft_id))
    except Fault as fault:
        # The row was tampered with. The form begins again, and the log tells the operator.
        _log.error("form_draft_does_not_open", code=fault.code, detail=fault.private)
        return None
    return StoredDraft(draft_id, json.loads(serialized))


async def save_draft(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, draft: StoredDraft, *, at: datetime
) -> None:
    """Store the answers of a draft that was loaded with `lock`. Its lifetime begins again.

    Raises InvalidInput `concept_te_groot`.
    """
    sealed = await _encrypt(session, keyring, person_id, draft.id, draft.answers)
    changed = {"sealed": sealed, "saved_at": at, "expires_at": at + DRAFT_LIFETIME}
    mine = (_DRAFT.c.id == draft.id, _DRAFT.c.person_id == person_id)
    await session.execute(update(_DRAFT).where(*mine).values(**changed))


async def delete_draft(session: AsyncSession, person_id: PersonId, draft_id: UUID) -> None:
    """Delete a draft of this person."""
    await session.execute(delete(_DRAFT).where(_DRAFT.c.id == draft_id, _DRAFT.c.person_id == person_id))


async def _encrypt(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, draft_id: UUID, answers: DraftAnswers
) -> bytes:
    serialized = json.dumps(answers).encode()
    if len(serialized) > MAX_DRAFT_BYTES:
        raise InvalidInput("concept_te_groot")
    key = await load_data_key(session, keyring, person_id)
    return key.encrypt(serialized, *_draft_context(person_id, draft_id))


def _draft_context(person_id: PersonId, draft_id: UUID) -> tuple[str, ...]:
    return ("form_draft", str(person_id), str(draft_id))
