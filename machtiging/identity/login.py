"""Turn a verified login into a person with a session, and journal logins that fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing
from machtiging.identity import people
from machtiging.identity.errors import LoginFailed, VouchedLoginFailed
from machtiging.identity.rules import Login, SessionLimits
from machtiging.identity.session import Over, end, start
from machtiging.kernel.ids import PersonId

_log = structlog.get_logger("machtiging.identity")


@dataclass(frozen=True, slots=True)
class Established:
    """A new session. `ended_session` is another person's session that it replaced in this browser.

    `email_changed_for`: the person, if this login brought a new e-mail address.
    """

    token: str
    over: Over | None
    new_address_of: PersonId | None = None


async def establish(
    session: AsyncSession, keyring: KeyRing, login: Login, old_token: str | None, limits: SessionLimits, *, at: datetime
) -> Established:
    """Find or create the person, store the profile and start a session.

    Any earlier session of this browser ends, which prevents session fixation. When the same person logs in again, the
    new session continues the old `sid`.
    """
    person_id = await _person(session, keyring, login, at)
    address = await people.address_of(session, keyring, person_id)
    await people.save_profile(session, keyring, person_id, login.profile)
    changed = await people.address_of(session, keyring, person_id) != address
    old = await close(session, old_token, "opnieuw_ingelogd", at=at)
    goes_on = old is not None and old.person_id == person_id
    token = await start(session, person_id, login, limits, at=at, sid=old.sid if old and goes_on else None)
    facts = {"niveau": login.assurance.value}
    await record(
        session, Line(JournalAct.LOGIN_GELUKT, Outcome.DONE, "ingelogd", actor_id=person_id, facts=facts), at=at
    )
    return Established(token, None if goes_on else old, person_id if changed else None)


async def _person(session: AsyncSession, keyring: KeyRing, login: Login, at: datetime) -> PersonId:
    if login.bsn is not None:
        return await people.find_or_create_by_bsn(session, keyring, login.bsn, at=at)
    return await people.find_or_create_by_broker(session, keyring, login.issuer, login.subject, at=at)


async def close(session: AsyncSession, token: str | None, reason: str, *, at: datetime) -> Over | None:
    """End the session of this cookie and journal it. Returns the ended session, or None."""
    over = await end(session, token, at=at)
    if over is not None:
        line = Line(JournalAct.SESSIE_BEEINDIGD, Outcome.DONE, reason, actor_id=over.person_id)
        await record(session, line, at=at)
    return over


def log_failure(failure: LoginFailed) -> None:
    """Log the reason of a failed login, without any personal data."""
    _log.info("login_failed", code=failure.code, detail=failure.private)


async def note_failure(session: AsyncSession, failure: VouchedLoginFailed, *, at: datetime) -> None:
    """Journal a failed login with a valid id_token. Without one, anybody could fill the journal."""
    log_failure(failure)
    await record(session, Line(JournalAct.LOGIN_MISLUKT, Outcome.REFUSED, failure.code), at=at)
