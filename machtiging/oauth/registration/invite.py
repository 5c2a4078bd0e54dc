"""Invitations: initial access tokens for client registration (RFC 7591 section 3), with limited uses."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.forged_rows import authenticate_row
from machtiging.audit.journal import Line, by_operator, record
from machtiging.crypto import secrets
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.kernel.text import plain_line
from machtiging.oauth.tables import SEALED_INVITATION, InitialAccessToken
from machtiging.storage.row_mac import seal

MOST_USES = 1000
# Every refusal adds a journal line, and these are never deleted. For more tries the operator creates another
# invitation.
MOST_REFUSED = 50
LONGEST = timedelta(days=366)
_LONGEST_NOTE = 200
KIND = "uitnodiging"  # the kind of object in the journal
_TOKEN: Table = InitialAccessToken.__table__  # type: ignore[attr-defined]


async def invite(
    session: AsyncSession, note: str, *, uses: int, lives: timedelta, at: datetime, by: str | None = None
) -> str:
    """Create an invitation and return its token; only the hash is stored.

    `operator`: recorded in the journal. Raises InvalidInput `uitnodiging_ongeldig`.
    """
    try:
        told = plain_line(" ".join(note.split()))
    except ValueError:
        told = ""
    right = 0 < len(told) <= _LONGEST_NOTE
    if not right or not 1 <= uses <= MOST_USES or not timedelta(0) < lives <= LONGEST:
        raise InvalidInput("uitnodiging_ongeldig", "Geef een notitie, 1 tot 1000 keer en 1 tot 366 dagen.")
    token = secrets.random_token()
    digest = secrets.digest(token)
    row = {"token_hash": digest, "note": told, "uses_left": uses, "created_at": at, "expires_at": at + lives}
    await session.execute(insert(_TOKEN), seal(session, SEALED_INVITATION, row))
    facts = {"keren": uses, "dagen": lives.days}
    line = _line(JournalAct.CLIENT_UITGENODIGD, "uitgenodigd", digest, facts)
    await record(session, by_operator(line, by), at=at)
    return token


async def admitted(session: AsyncSession, token: str, *, at: datetime) -> bytes:
    """Verify the token of an invitation and return its digest.

    Raises NotAuthenticated `uitnodiging_onbekend` for every fault.
    """
    digest = secrets.digest(token)
    row = (await session.execute(select(_TOKEN).where(*_good(digest, at)))).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_INVITATION, row, at=at):
        raise _unknown()
    return digest


async def use_up(session: AsyncSession, digest: bytes, *, at: datetime) -> None:
    """Consume one use. Of two concurrent requests for the last use, one gets it.

    Raises NotAuthenticated `uitnodiging_onbekend`.
    """
    using = update(_TOKEN).where(*_good(digest, at)).values(uses_left=_TOKEN.c.uses_left - 1)
    if await session.scalar(using.returning(_TOKEN.c.token_hash)) is None:
        raise _unknown()


async def count_refusal(session: AsyncSession, digest: bytes, *, at: datetime) -> None:
    """Count a refused registration. After MAX_REFUSALS the invitation is no longer valid.

    Raises NotAuthenticated `uitnodiging_onbekend` when a concurrent request used it up: then nothing is journalled.
    """
    counting = update(_TOKEN).where(*_good(digest, at)).values(refused=_TOKEN.c.refused + 1)
    if await session.scalar(counting.returning(_TOKEN.c.token_hash)) is None:
        raise _unknown()


def _good(digest: bytes, at: datetime) -> tuple[ColumnElement[bool], ...]:
    left = (_TOKEN.c.uses_left > 0, _TOKEN.c.refused < MOST_REFUSED, _TOKEN.c.withdrawn_at.is_(None))
    return _TOKEN.c.token_hash == digest, *left, _TOKEN.c.expires_at > at


def _unknown() -> NotAuthenticated:
    return NotAuthenticated("uitnodiging_onbekend", "Deze uitnodiging kennen wij niet, of zij geldt niet meer.")


def name_of(digest: bytes) -> str:
    """Derive the journal name of an invitation: part of its hash, which gives no access."""
    return digest.hex()[:16]


def _line(act: JournalAct, reason: str, digest: bytes, facts: dict[str, int]) -> Line:
    return Line(act, Outcome.DONE, reason, object_kind=KIND, object_id=name_of(digest), facts=facts)
