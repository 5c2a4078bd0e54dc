"""Server-side login sessions, and the doors `Citizen` and `Operator`.

The cookie holds a random token. The row holds only a keyed hash of it, and has a MAC. A session ends at logout, at its
idle timeout, at its absolute timeout, or when the same browser logs in again (session fixation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Row, Table, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.dependencies import identity_services
from machtiging.identity.form_recovery import restore_form
from machtiging.identity.people import decrypt_profile
from machtiging.identity.rules import AUDIT_ROLES, OPERATOR_ROLE, OVERSIGHT_ROLES, SessionLimits, VerifiedLogin
from machtiging.identity.tables import SEALED_SESSION, LoginSession, Party, Person
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotAllowed, NotAuthenticated
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import get_row_keys, seal_row
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import door
from machtiging.web.framework_internals import find_route_template
from machtiging.web.rate_limit.callers import note_person

SESSION_COOKIE = "__Host-sessie"
LAST_SEEN_INTERVAL = timedelta(minutes=1)
_MAX_TOKEN_LENGTH = 128
_SESSION = table_of(LoginSession)
# The row stays for a day after the session, so that a form posted too late still finds its person. Only ended
# sessions are deleted (see `session_end`).
SESSION_RETENTION = timedelta(days=1)
EXPIRED_SESSIONS: ExpiredRows = (
    _SESSION,
    and_(_SESSION.c.ended_at.is_not(None), _SESSION.c.expires_at < SWEEP_AT - SESSION_RETENTION),
)
_PERSON, _PARTY = table_of(Person), table_of(Party)
_COLUMNS = (*_SESSION.c, _PERSON.c.profile_sealed, _PARTY.c.data_key_wrapped, _PARTY.c.kek_version)


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person of an active login session, with the level of assurance.

    `session_end` is when the session ends without further requests. It follows the recorded activity, so a page never
    promises more than is so. `expires_at` is the absolute end.
    """

    person_id: PersonId
    session_id: UUID
    assurance: Assurance
    roles: frozenset[str]
    organisation_kvk: str | None
    csrf_token: str
    authenticated_at: datetime
    name: str
    sid: UUID
    seen_at: datetime
    session_end: datetime
    expires_at: datetime

    @property
    def seconds_left(self) -> int:
        """The seconds from this request until the session ends, if nothing more is asked."""
        return max(0, int((self.session_end - self.seen_at).total_seconds()))

    @property
    def can_extend(self) -> bool:
        """True if activity moves the end: the absolute timeout is not what ends the session."""
        return self.session_end < self.expires_at

    @property
    def is_overseer(self) -> bool:
        """True for an operator, an auditor or the privacy officer."""
        return not OVERSIGHT_ROLES.isdisjoint(self.roles)

    @property
    def audits(self) -> bool:
        """True for an auditor or the privacy officer who is no operator too."""
        return OPERATOR_ROLE not in self.roles and not AUDIT_ROLES.isdisjoint(self.roles)

    @property
    def is_work_login(self) -> bool:
        """True for a login for work: for an organisation, or with a role."""
        return self.organisation_kvk is not None or bool(self.roles)


@dataclass(frozen=True, slots=True)
class EndedSession:
    """An ended session: person and OIDC `sid`."""

    person_id: PersonId
    sid: UUID


async def start_session(
    session: AsyncSession,
    person_id: PersonId,
    login: VerifiedLogin,
    limits: SessionLimits,
    *,
    at: datetime,
    sid: UUID | None = None,
) -> str:
    """Create a session and return its token, for the cookie. Only a hash is stored.

    `sid` is that of the session it replaces, so that apps stay logged in after a new login.
    """
    token = secrets.generate_token()
    row = {
        "id": uuid7(),
        "token_hash": get_row_keys(session).bearer_hash(token),
        "person_id": person_id,
        "assurance": login.assurance.value,
        "roles": sorted(login.roles),
        "organisation_kvk": login.kvk,
        "csrf_token": secrets.generate_token(),
        "authenticated_at": login.authenticated_at,
        "created_at": at,
        "last_seen_at": at,
        "expires_at": at + limits.absolute_timeout,
        "sid": sid or uuid7(),
    }
    await session.execute(insert(_SESSION).values(**seal_row(session, SEALED_SESSION, row)))
    return token


async def end_session(session: AsyncSession, token: str | None, *, at: datetime) -> EndedSession | None:
    """End the session of this token. Returns the ended session, or None."""
    if not token or len(token) > _MAX_TOKEN_LENGTH:
        return None
    mine = _SESSION.c.token_hash.in_(get_row_keys(session).bearer_hashes(token))
    ending = update(_SESSION).where(mine, _SESSION.c.ended_at.is_(None)).values(ended_at=at)
    row = (await session.execute(ending.returning(_SESSION.c.person_id, _SESSION.c.sid))).one_or_none()
    return None if row is None else EndedSession(PersonId(row.person_id), row.sid)


async def authenticate_session(
    session: AsyncSession, keyring: KeyRing, token: str | None, limits: SessionLimits, *, at: datetime
) -> Visitor | None:
    """Authenticate the session cookie. None if the session is absent, unknown, ended, expired or forged."""
    if not token or len(token) > _MAX_TOKEN_LENGTH:
        return None
    mine = select(*_COLUMNS).join_from(_SESSION, _PERSON).join(_PARTY, _PARTY.c.id == _PERSON.c.id)
    mine = mine.where(_SESSION.c.token_hash.in_(get_row_keys(session).bearer_hashes(token)))
    row = (await session.execute(mine)).one_or_none()
    if row is None or not _is_active(row, limits, at):
        return None
    if not await authenticate_row(session, SEALED_SESSION, row, at=at):
        return None
    last_seen = await _record_activity(session, row, at)
    return _build_visitor(row, keyring, limits, last_seen, at)


async def extend_session(session: AsyncSession, visitor: Visitor, limits: SessionLimits, *, at: datetime) -> Visitor:
    """Record activity at once, and return the visitor with the new end. Never beyond the absolute timeout.

    Raises NotAuthenticated `niet_ingelogd` if the session ended meanwhile.
    """
    mine = update(_SESSION).where(_SESSION.c.id == visitor.session_id, _SESSION.c.ended_at.is_(None))
    newest = func.greatest(_SESSION.c.last_seen_at, at)
    last_seen = await session.scalar(mine.values(last_seen_at=newest).returning(_SESSION.c.last_seen_at))
    if last_seen is None:
        raise NotAuthenticated("niet_ingelogd")
    return replace(visitor, session_end=min(last_seen + limits.idle_timeout, visitor.expires_at))


def login_session_table() -> Table:
    """Return the table, for a statement that depends on `ended_at`. Its other columns are read only here."""
    return _SESSION


async def lock_session(session: AsyncSession, visitor: Visitor) -> bool:
    """Lock the session row FOR SHARE and return whether it is active.

    A grant created now is then also ended by a concurrent logout, which waits for this transaction.
    """
    mine = (_SESSION.c.id == visitor.session_id, _SESSION.c.ended_at.is_(None))
    return await session.scalar(select(_SESSION.c.id).where(*mine).with_for_update(read=True)) is not None


async def require_active_session(session: AsyncSession, visitor: Visitor) -> None:
    """Lock the session as `lock_session`. Raises NotAuthenticated `niet_ingelogd` if it ended meanwhile."""
    if not await lock_session(session, visitor):
        raise NotAuthenticated("niet_ingelogd")


def _is_active(row: Row[Any], limits: SessionLimits, at: datetime) -> bool:
    """Return whether the session is active.

    The current limits apply too, so that shorter limits take effect on existing sessions.
    """
    idle_end = row.last_seen_at + limits.idle_timeout
    return row.ended_at is None and at < _absolute_end(row, limits) and at < idle_end


def _absolute_end(row: Row[Any], limits: SessionLimits) -> datetime:
    end: datetime = min(row.expires_at, row.created_at + limits.absolute_timeout)
    return end


async def _record_activity(session: AsyncSession, row: Row[Any], at: datetime) -> datetime:
    """Update `last_seen_at` at most once a minute, and return it. Skips a row that another request has locked."""
    last_seen: datetime = row.last_seen_at
    if at < last_seen + LAST_SEEN_INTERVAL:
        return last_seen
    free = select(_SESSION.c.id).where(_SESSION.c.id == row.id, _SESSION.c.last_seen_at < at)
    chosen = free.with_for_update(skip_locked=True).scalar_subquery()
    update_row = update(_SESSION).where(_SESSION.c.id == chosen).values(last_seen_at=at)
    return await session.scalar(update_row.returning(_SESSION.c.last_seen_at)) or last_seen


def _build_visitor(
    row: Row[Any], keyring: KeyRing, limits: SessionLimits, last_seen: datetime, at: datetime
) -> Visitor:
    person_id = PersonId(row.person_id)
    name = ""
    if row.profile_sealed is not None:
        key = keyring.unwrap_data_key(row.data_key_wrapped, row.kek_version, person_id)
        name = decrypt_profile(key, row.profile_sealed, person_id).name
    return Visitor(
        person_id=person_id,
        session_id=row.id,
        assurance=Assurance(row.assurance),
        roles=frozenset(row.roles),
        organisation_kvk=row.organisation_kvk,
        csrf_token=row.csrf_token,
        authenticated_at=row.authenticated_at,
        name=name,
        sid=row.sid,
        seen_at=at,
        session_end=min(last_seen + limits.idle_timeout, _absolute_end(row, limits)),
        expires_at=_absolute_end(row, limits),
    )


def set_session_cookie(response: Response, token: str) -> None:
    """Set the session cookie: host-only, HttpOnly, and deleted when the browser closes."""
    response.set_cookie(SESSION_COOKIE, token, secure=True, httponly=True, samesite="lax", path="/")


def clear_session_cookie(response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax", path="/")


async def find_visitor(request: Request, session: Transaction) -> Visitor | None:
    """Return the logged-in visitor, or None. This is not a door: it refuses nobody."""
    services = identity_services(request)
    token = request.cookies.get(SESSION_COOKIE)
    visitor = await authenticate_session(
        session, services.keyring, token, services.session_limits, at=services.clock.now()
    )
    request.state.visitor = visitor
    note_person(request.scope, visitor.person_id if visitor else None)
    if visitor is not None:
        await restore_form(request, session, visitor.person_id)
    return visitor


OptionalVisitor = Annotated[Visitor | None, Depends(find_visitor)]


async def require_visitor(visitor: OptionalVisitor) -> Visitor:
    """Return the logged-in visitor. Raises NotAuthenticated `niet_ingelogd`."""
    if visitor is None:
        raise NotAuthenticated("niet_ingelogd")
    return visitor


_RequiredVisitor = Annotated[Visitor, Depends(require_visitor)]


@door("Citizen")
async def _require_citizen(visitor: _RequiredVisitor) -> Visitor:
    """Admit any logged-in visitor."""
    return visitor


@door("Operator")
async def _require_operator(request: Request, visitor: _RequiredVisitor, session: Transaction) -> Visitor:
    """Admit operators only. Raises NotAllowed `alleen_voor_beheerders`, which is journalled with the route."""
    await _require_role(request, visitor, session, frozenset({OPERATOR_ROLE}), "alleen_voor_beheerders")
    return visitor


@door("Auditor")
async def _require_auditor(request: Request, visitor: _RequiredVisitor, session: Transaction) -> Visitor:
    """Admit operators, auditors and the privacy officer.

    Raises NotAllowed `alleen_voor_toezichthouders`, which is journalled with the route.
    """
    await _require_role(request, visitor, session, OVERSIGHT_ROLES, "alleen_voor_toezichthouders")
    return visitor


@door("Overseer")
async def _require_overseer(request: Request, visitor: _RequiredVisitor, session: Transaction) -> Visitor:
    """Admit auditors and the privacy officer, and nobody who is an operator too.

    Raises NotAllowed `alleen_voor_auditors`, which is journalled with the route.
    """
    admitted = AUDIT_ROLES if visitor.audits else frozenset[str]()
    await _require_role(request, visitor, session, admitted, "alleen_voor_auditors")
    return visitor


async def _require_role(
    request: Request, visitor: Visitor, session: Transaction, roles: frozenset[str], reason: str
) -> None:
    if not roles.isdisjoint(visitor.roles):
        return
    line = NewJournalLine(
        act=JournalAct.BEHEER_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=reason,
        actor_id=visitor.person_id,
        object_kind="route",
        # The pattern and not the path: what the caller typed is not journalled.
        object_id=f"{request.method} {find_route_template(request.scope)}",
    )
    await record(session, line, at=identity_services(request).clock.now())
    raise NotAllowed(reason)


Auditor = Annotated[Visitor, Depends(_require_auditor)]
Citizen = Annotated[Visitor, Depends(_require_citizen)]
Overseer = Annotated[Visitor, Depends(_require_overseer)]
Operator = Annotated[Visitor, Depends(_require_operator)]
