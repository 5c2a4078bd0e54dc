"""Operators list invitations (initial access tokens) and withdraw one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.registration.invite import KIND, MOST_REFUSED, name_of
from machtiging.oauth.tables import InitialAccessToken

_TOKEN: Table = InitialAccessToken.__table__  # type: ignore[attr-defined]
_NAME = re.compile(r"[0-9a-f]{16}")
_HASH_BYTES = 32


class Fate(StrEnum):
    """The status of an invitation."""

    OPEN = "open"
    USED_UP = "used up"
    REFUSED_OUT = "refused too often"
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
    fate: Fate


_WHY_NOT = {
    Fate.USED_UP: ("uitnodiging_opgebruikt", "Deze uitnodiging is al gebruikt; er valt niets in te trekken."),
    Fate.REFUSED_OUT: ("uitnodiging_opgebruikt", "Deze uitnodiging is te vaak vergeefs gebruikt en geldt niet meer."),
    Fate.EXPIRED: ("uitnodiging_verlopen", "Deze uitnodiging is al verlopen."),
    Fate.WITHDRAWN: ("uitnodiging_al_ingetrokken", "Deze uitnodiging is al ingetrokken."),
}


async def invitations(session: AsyncSession, *, at: datetime) -> list[Invitation]:
    """List all invitations, newest first."""
    found = await session.execute(select(_TOKEN).order_by(_TOKEN.c.created_at.desc(), _TOKEN.c.token_hash))
    return [_invitation(row, at) for row in found]


async def withdraw(session: AsyncSession, name: str, by: str, *, at: datetime) -> Invitation:
    """Withdraw an invitation. Clients that registered with it stay.

    `operator`: recorded in the journal. Raises NotFound `uitnodiging_onbekend`, Conflict `uitnodiging_opgebruikt`,
    `uitnodiging_verlopen` or `uitnodiging_al_ingetrokken`.
    """
    row = await _held(session, name)
    found = _invitation(row, at)
    if found.fate is not Fate.OPEN:
        raise Conflict(*_WHY_NOT[found.fate])
    await session.execute(update(_TOKEN).where(_TOKEN.c.token_hash == row.token_hash).values(withdrawn_at=at))
    line = Line(
        act=JournalAct.UITNODIGING_INGETROKKEN,
        outcome=Outcome.DONE,
        reason="ingetrokken",
        object_kind=KIND,
        object_id=found.name,
        facts={"beheerder": by, "keren_over": found.uses_left},
    )
    await record(session, line, at=at)
    return found


async def _held(session: AsyncSession, name: str) -> Row[Any]:
    """Lock the row of the invitation. A concurrent registration waits, or came first.

    Raises NotFound `uitnodiging_onbekend`.
    """
    unknown = NotFound("uitnodiging_onbekend", "Deze uitnodiging kennen wij niet. Kijk in de lijst hoe zij heet.")
    if _NAME.fullmatch(name) is None:
        raise unknown
    begins = bytes.fromhex(name)
    rest = _HASH_BYTES - len(begins)
    named = _TOKEN.c.token_hash.between(begins + bytes(rest), begins + b"\xff" * rest)
    row = (await session.execute(select(_TOKEN).where(named).with_for_update())).one_or_none()
    if row is None:
        raise unknown
    return row


def _invitation(row: Row[Any], at: datetime) -> Invitation:
    return Invitation(name_of(row.token_hash), row.note, row.uses_left, row.created_at, row.expires_at, _fate(row, at))


def _fate(row: Row[Any], at: datetime) -> Fate:
    if row.withdrawn_at is not None:
        return Fate.WITHDRAWN
    if row.uses_left == 0:
        return Fate.USED_UP
    if row.refused >= MOST_REFUSED:
        return Fate.REFUSED_OUT
    return Fate.EXPIRED if row.expires_at <= at else Fate.OPEN
