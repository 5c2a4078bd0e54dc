"""Invitations: initial access tokens for client registration (RFC 7591 section 3), with limited uses."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.kernel.text import require_plain_line
from machtiging.oauth.tables import SEALED_INITIAL_ACCESS_TOKEN, InitialAccessToken
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

MAX_USES = 1000
# Every refusal adds a journal line, and these are never deleted. For more tries the operator creates another
# invitation.
MAX_REFUSALS = 50
MAX_LIFETIME = timedelta(days=366)
_MAX_NOTE_LENGTH = 200
JOURNAL_KIND = "uitnodiging"  # the kind of object in the journal
_TOKEN = table_of(InitialAccessToken)


async def create_invitation(
    session: AsyncSession, note: str, *, uses: int, lifetime: timedelta, at: datetime, operator: str | None = None
) -> str:
    """Create an invitation and return its token; only the hash is stored.

    `operator`: recorded in the journal. Raises InvalidInput `uitnodiging_ongeldig`.
    """
    try:
        plain_note = require_plain_line(" ".join(note.split()))
    except ValueError:
        plain_note = ""
    right = 0 < len(plain_note) <= _MAX_NOTE_LENGTH
    if not right or not 1 <= uses <= MAX_USES or not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidInput("uitnodiging_ongeldig")
    token = secrets.generate_token()
    digest = secrets.sha256_digest(token)
    row = {"token_hash": digest, "note": plain_note, "uses_left": uses, "created_at": at, "expires_at": at + lifetime}
    await session.execute(insert(_TOKEN), seal_row(session, SEALED_INITIAL_ACCESS_TOKEN, row))
    facts = {"keren": uses, "dagen": lifetime.days}
    line = _build_journal_line(JournalAct.CLIENT_UITGENODIGD, "uitgenodigd", digest, facts)
    await record(session, attribute_to_operator(line, operator), at=at)
    return token


async def verify_invitation(session: AsyncSession, token: str, *, at: datetime) -> bytes:
    """Verify the token of an invitation and return its digest.

    Raises NotAuthenticated `uitnodiging_onbekend` for every fault.
    """
    digest = secrets.sha256_digest(token)
    row = (await session.execute(select(_TOKEN).where(*_match_usable(digest, at)))).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_INITIAL_ACCESS_TOKEN, row, at=at):
        raise _unknown_invitation_refusal()
    return digest


async def consume_invitation(session: AsyncSession, digest: bytes, *, at: datetime) -> None:
    """Consume one use. Of two concurrent requests for the last use, one gets it.

    Raises NotAuthenticated `uitnodiging_onbekend`.
    """
    using = update(_TOKEN).where(*_match_usable(digest, at)).values(uses_left=_TOKEN.c.uses_left - 1)
    if await session.scalar(using.returning(_TOKEN.c.token_hash)) is None:
        raise _unknown_invitation_refusal()


async def count_invitation_refusal(session: AsyncSession, digest: bytes, *, at: datetime) -> None:
    """Count a refused registration. After MAX_REFUSALS the invitation is no longer valid.

    Raises NotAuthenticated `uitnodiging_onbekend` when a concurrent request used it up: then nothing is journalled.
    """
    counting = update(_TOKEN).where(*_match_usable(digest, at)).values(refused=_TOKEN.c.refused + 1)
    if await session.scalar(counting.returning(_TOKEN.c.token_hash)) is None:
        raise _unknown_invitation_refusal()


def _match_usable(digest: bytes, at: datetime) -> tuple[ColumnElement[bool], ...]:
    conditions = (_TOKEN.c.uses_left > 0, _TOKEN.c.refused < MAX_REFUSALS, _TOKEN.c.withdrawn_at.is_(None))
    return _TOKEN.c.token_hash == digest, *conditions, _TOKEN.c.expires_at > at


def _unknown_invitation_refusal() -> NotAuthenticated:
    return NotAuthenticated("uitnodiging_onbekend", message="uitnodiging_onbekend.registration")


def derive_invitation_name(digest: bytes) -> str:
    """Derive the journal name of an invitation: part of its hash, which gives no access."""
    return digest.hex()[:16]


def _build_journal_line(act: JournalAct, reason: str, digest: bytes, facts: dict[str, int]) -> NewJournalLine:
    return NewJournalLine(
        act,
        JournalOutcome.DONE,
        reason,
        object_kind=JOURNAL_KIND,
        object_id=derive_invitation_name(digest),
        facts=facts,
    )
