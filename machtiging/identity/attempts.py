"""Pending logins at the broker: created here, consumed once, by the same browser.

The `state` parameter (RFC 6749 section 10.12) protects the callback against login CSRF.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Table, delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.forged_rows import authenticate_row
from machtiging.crypto import secrets
from machtiging.identity.errors import LoginFailed
from machtiging.identity.rules import Wish
from machtiging.identity.tables import SEALED_ATTEMPT, LoginAttempt
from machtiging.kernel.assurance import Assurance
from machtiging.storage.row_mac import seal
from machtiging.storage.sweep import AT, Old

UNKNOWN = "inlogpoging_onbekend"
COOKIE = "__Host-inloggen"
VALID = timedelta(minutes=10)
_ATTEMPT: Table = LoginAttempt.__table__  # type: ignore[attr-defined]
# Expired attempts, for the retention sweep.
EXPIRED_ATTEMPTS: Old = (_ATTEMPT, _ATTEMPT.c.expires_at < AT)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The values of a pending login that the callback needs again.

    `reauthenticate`: the broker must authenticate the person anew (`prompt=login`).
    """

    nonce: str
    code_verifier: str
    return_to: str
    requested: Assurance
    begun_at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """A new pending login with its `state` parameter, which is stored as a hash only."""

    state: str
    attempt: Attempt


async def begin(session: AsyncSession, browser: str, wish: Wish, *, at: datetime) -> Begun:
    """Store a pending login and bind it to the browser's cookie value."""
    attempt = Attempt(secrets.random_token(), secrets.random_token(), wish.return_to, wish.requested, at, wish.fresh)
    state = secrets.random_token()
    row = {
        "state_hash": secrets.digest(state),
        "browser_hash": secrets.digest(browser),
        "nonce": attempt.nonce,
        "code_verifier": attempt.code_verifier,
        "return_to": wish.return_to,
        "requested_acr": wish.requested.acr,
        "created_at": at,
        "expires_at": at + VALID,
        "fresh": wish.fresh,
    }
    await session.execute(insert(_ATTEMPT).values(**seal(session, SEALED_ATTEMPT, row)))
    return Begun(state, attempt)


async def take(session: AsyncSession, state: str, browser: str | None, *, at: datetime) -> Attempt:
    """Delete and return the pending login with this `state`. It is used up even when it is refused.

    Raises LoginFailed: `inlogpoging_onbekend` (unknown or already used), `andere_browser` or `inlogpoging_verlopen`.
    """
    mine = delete(_ATTEMPT).where(_ATTEMPT.c.state_hash == secrets.digest(state)).returning(*_ATTEMPT.c)
    row = (await session.execute(mine)).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_ATTEMPT, row, at=at):
        raise LoginFailed(UNKNOWN)
    if browser is None or secrets.digest(browser) != row.browser_hash:
        raise LoginFailed("andere_browser")
    if at >= row.expires_at:
        raise LoginFailed("inlogpoging_verlopen")
    level = Assurance.from_acr(row.requested_acr)
    return Attempt(row.nonce, row.code_verifier, row.return_to, level, row.created_at, row.fresh)
