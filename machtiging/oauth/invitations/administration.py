"""Operators list invitations (initial access tokens) and withdraw one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.invitations.initial_access_token import JOURNAL_KIND, MAX_REFUSALS, derive_invitation_name
from machtiging.oauth.tables import InitialAccessToken
from machtiging.storage.columns import table_of

_TOKEN = table_of(InitialAccessToken)
_INVITATION_NAME = re.compile(r"[0-9a-f]{16}")
_HASH_BYTES = 32


class InvitationStatus(StrEnum):
    """The status of an invitation."""

    OPEN = "open"
    USED_UP = "used up"
    REFUSED_TOO_OFTEN = "refused too often"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation without its token. `name`: the name in the journal; it gives no access."""

    name: str
    note: str
    uses_left: int
    created_at: datetime
    expires_at: datetime
    status: InvitationStatus


# Code and message key of a refused withdrawal.
_WITHDRAWAL_REFUSALS = {
    InvitationStatus.USED_UP: ("uitnodiging_opgebruikt", "uitnodiging_opgebruikt"),
    InvitationStatus.REFUSED_TOO_OFTEN: ("uitnodiging_opgebruikt", "uitnodiging_opgebruikt.refused_too_often"),
    InvitationStatus.EXPIRED: ("uitnodiging_verlopen", "uitnodiging_verlopen"),
    InvitationStatus.WITHDRAWN: ("uitnodiging_al_ingetrokken", "uitnodiging_al_ingetrokken"),
}


async def list_invitations(session: AsyncSession, *, at: datetime) -> list[Invitation]:
    """List all invitations, newest first."""
    found = await session.execute(select(_TOKEN).order_by(_TOKEN.c.created_at.desc(), _TOKEN.c.token_hash))
    return [_build_invitation(row, at) for row in found]


async def withdraw_invitation(session: AsyncSession, name: str, operator: str, *, at: datetime) -> Invitation:
    """Withdraw an invitation. Clients that registered with it stay.

    `operator`: recorded in the journal. Raises NotFound `uitnodiging_onbekend`, Conflict `uitnodiging_opgebruikt`,
    `uitnodiging_verlopen` or `uitnodiging_al_ingetrokken`.
    """
    row = await _lock_invitation(session, name)
    found = _build_invitation(row, at)
    if found.status is not InvitationStatus.OPEN:
        code, message = _WITHDRAWAL_REFUSALS[found.status]
        raise Conflict(code, message=message)
    await session.execute(update(_TOKEN).where(_TOKEN.c.token_hash == row.token_hash).values(withdrawn_at=at))
    line = NewJournalLine(
        act=JournalAct.UITNODIGING_INGETROKKEN,
        outcome=JournalOutcome.DONE,
        reason="ingetrokken",
        object_kind=JOURNAL_KIND,
        object_id=found.name,
        facts={"beheerder": operator, "keren_over": found.uses_left},
    )
    await record(session, line, at=at)
    return found


async def _lock_invitation(session: AsyncSession, name: str) -> Row[Any]:
    """Lock the row of the invitation. A concurrent registration waits, or came first.

    Raises NotFound `uitnodiging_onbekend`.
    """
    unknown = NotFound("uitnodiging_onbekend", message="uitnodiging_onbekend.client")
    if _INVITATION_NAME.fullmatch(name) is None:
        raise unknown
    begins = bytes.fromhex(name)
    rest = _HASH_BYTES - len(begins)
    named = _TOKEN.c.token_hash.between(begins + bytes(rest), begins + b"\xff" * rest)
    row = (await session.execute(select(_TOKEN).where(named).with_for_update())).one_or_none()
    if row is None:
        raise unknown
    return row


def _build_invitation(row: Row[Any], at: datetime) -> Invitation:
    return Invitation(
        derive_invitation_name(row.token_hash),
        row.note,
        row.uses_left,
        row.created_at,
        row.expires_at,
        _resolve_status(row, at),
    )


def _resolve_status(row: Row[Any], at: datetime) -> InvitationStatus:
    if row.withdrawn_at is not None:
        return InvitationStatus.WITHDRAWN
    if row.uses_left == 0:
        return InvitationStatus.USED_UP
    if row.refused >= MAX_REFUSALS:
        return InvitationStatus.REFUSED_TOO_OFTEN
    return InvitationStatus.EXPIRED if row.expires_at <= at else InvitationStatus.OPEN
