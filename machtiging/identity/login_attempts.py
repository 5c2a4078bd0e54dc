"""Pending logins at the broker: created here, consumed once, by the same browser.

The `state` parameter (RFC 6749 section 10.12) protects the callback against login CSRF.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.identity.errors import LoginFailed
from machtiging.identity.rules import LoginRequest
from machtiging.identity.tables import SEALED_ATTEMPT, LoginAttempt
from machtiging.kernel.assurance import Assurance
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows

ATTEMPT_UNKNOWN = "inlogpoging_onbekend"
LOGIN_COOKIE = "__Host-inloggen"
ATTEMPT_LIFETIME = timedelta(minutes=10)
_ATTEMPT = table_of(LoginAttempt)
# Expired attempts, for the retention sweep.
EXPIRED_ATTEMPTS: ExpiredRows = (_ATTEMPT, _ATTEMPT.c.expires_at < SWEEP_AT)


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """The values of a pending login that the callback needs again.

    `reauthenticate`: the broker must authenticate the person anew (`prompt=login`).
    """

    nonce: str
    code_verifier: str
    return_to: str
    requested: Assurance
    started_at: datetime
    reauthenticate: bool


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """A new pending login with its `state` parameter, which is stored as a hash only."""

    state: str
    pending: PendingLogin


async def create_login_attempt(
    session: AsyncSession, browser_token: str, login_request: LoginRequest, *, at: datetime
) -> StartedLogin:
    """Store a pending login and bind it to the browser's cookie value."""
    attempt = PendingLogin(
        secrets.generate_token(),
        secrets.generate_token(),
        login_request.return_to,
        login_request.requested,
        at,
        login_request.reauthenticate,
    )
    state = secrets.generate_token()
    row = {
        "state_hash": secrets.sha256_digest(state),
        "browser_hash": secrets.sha256_digest(browser_token),
        "nonce": attempt.nonce,
        "code_verifier": attempt.code_verifier,
        "return_to": login_request.return_to,
        "requested_acr": login_request.requested.acr,
        "created_at": at,
        "expires_at": at + ATTEMPT_LIFETIME,
        "fresh": login_request.reauthenticate,
    }
    await session.execute(insert(_ATTEMPT).values(**seal_row(session, SEALED_ATTEMPT, row)))
    return StartedLogin(state, attempt)


async def consume_login_attempt(
    session: AsyncSession, state: str, browser_token: str | None, *, at: datetime
) -> PendingLogin:
    """Delete and return the pending login with this `state`. It is used up even when it is refused.

    Raises LoginFailed: `inlogpoging_onbekend` (unknown or already used), `andere_browser` or `inlogpoging_verlopen`.
    """
    mine = delete(_ATTEMPT).where(_ATTEMPT.c.state_hash == secrets.sha256_digest(state)).returning(*_ATTEMPT.c)
    row = (await session.execute(mine)).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_ATTEMPT, row, at=at):
        raise LoginFailed(ATTEMPT_UNKNOWN)
    if browser_token is None or secrets.sha256_digest(browser_token) != row.browser_hash:
        raise LoginFailed("andere_browser")
    if at >= row.expires_at:
        raise LoginFailed("inlogpoging_verlopen")
    level = Assurance.from_acr(row.requested_acr)
    return PendingLogin(row.nonce, row.code_verifier, row.return_to, level, row.created_at, row.fresh)
