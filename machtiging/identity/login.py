"""Turn a verified login into a person with a session, and journal logins that fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.identity import people
from machtiging.identity.errors import IdTokenRejected, LoginFailed
from machtiging.identity.rules import SessionLimits, VerifiedLogin
from machtiging.identity.session import EndedSession, end_session, start_session
from machtiging.kernel.ids import PersonId

_log = structlog.get_logger("machtiging.identity")


@dataclass(frozen=True, slots=True)
class EstablishedLogin:
    """A new session. `ended_session` is another person's session that it replaced in this browser.

    `email_changed_for`: the person, if this login brought a new e-mail address.
    """

    person_id: PersonId
    session_token: str
    ended_session: EndedSession | None
    email_changed_for: PersonId | None = None


async def establish_login(
    session: AsyncSession,
    keyring: KeyRing,
    login: VerifiedLogin,
    old_token: str | None,
    limits: SessionLimits,
    *,
    at: datetime,
) -> EstablishedLogin:
    """Find or create the person, store the profile and start a session.

    Any earlier session of this browser ends, which prevents session fixation. When the same person logs in again, the
    new session continues the old `sid`.
    """
    person_id = await _find_or_create_person(session, keyring, login, at)
    address = await people.load_email(session, keyring, person_id)
    await people.save_profile(session, keyring, person_id, login.profile)
    changed = await people.load_email(session, keyring, person_id) != address
    old = await end_and_journal_session(session, old_token, "opnieuw_ingelogd", at=at)
    goes_on = old is not None and old.person_id == person_id
    token = await start_session(session, person_id, login, limits, at=at, sid=old.sid if old and goes_on else None)
    facts = {"niveau": login.assurance.value}
    await record(
        session,
        NewJournalLine(JournalAct.LOGIN_GELUKT, JournalOutcome.DONE, "ingelogd", actor_id=person_id, facts=facts),
        at=at,
    )
    return EstablishedLogin(person_id, token, None if goes_on else old, person_id if changed else None)


async def _find_or_create_person(
    session: AsyncSession, keyring: KeyRing, login: VerifiedLogin, at: datetime
) -> PersonId:
    if login.bsn is not None:
        return await people.find_or_create_by_bsn(session, keyring, login.bsn, at=at)
    return await people.find_or_create_by_broker(session, keyring, login.issuer, login.subject, at=at)


async def end_and_journal_session(
    session: AsyncSession, token: str | None, reason: str, *, at: datetime
) -> EndedSession | None:
    """End the session of this cookie and journal it. Returns the ended session, or None."""
    over = await end_session(session, token, at=at)
    if over is not None:
        line = NewJournalLine(JournalAct.SESSIE_BEEINDIGD, JournalOutcome.DONE, reason, actor_id=over.person_id)
        await record(session, line, at=at)
    return over


def log_login_failure(failure: LoginFailed) -> None:
    """Log the reason of a failed login, without any personal data."""
    _log.info("login_failed", code=failure.code, detail=failure.private)


async def journal_login_failure(session: AsyncSession, failure: IdTokenRejected, *, at: datetime) -> None:
    """Journal a failed login with a valid id_token. Without one, anybody could fill the journal."""
    log_login_failure(failure)
    await record(session, NewJournalLine(JournalAct.LOGIN_MISLUKT, JournalOutcome.REFUSED, failure.code), at=at)
