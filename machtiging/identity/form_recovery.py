"""Recovery of forms posted after their session ended: stored encrypted, restored once after login.

A form is stored for one hour. The browser has a random token in a separate cookie; the row has only its hash. A form
belongs to the person whose session it was made in. When somebody else logs in with that browser, it is deleted unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from fastapi import Request
from sqlalchemy import Row, delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.dependencies import identity_services
from machtiging.identity.people import load_data_key
from machtiging.identity.tables import SEALED_SESSION, LoginSession, SavedForm
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import PersonId
from machtiging.storage.columns import table_of
from machtiging.storage.sweep import SWEEP_AT, ExpiredRows
from machtiging.web.http_methods.head import sent_method

FORM_COOKIE = "__Host-formulier"
FORM_LIFETIME = timedelta(hours=1)
MAX_FORM_BYTES = 16 * 1024
MAX_FORMS_PER_PERSON = 10
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FORM = table_of(SavedForm)
_SESSION = table_of(LoginSession)
EXPIRED_FORMS: ExpiredRows = (_FORM, _FORM.c.expires_at < SWEEP_AT)
_log = structlog.get_logger("machtiging.identity")

FormPairs = Sequence[tuple[str, str]]


def read_browser_token(request: Request) -> str | None:
    """Return the form token of this browser; None when it is absent or malformed."""
    offered = request.cookies.get(FORM_COOKIE, "")
    return offered if _TOKEN.fullmatch(offered) else None


def set_form_cookie(response: Response, token: str) -> None:
    """Set the form cookie. It expires together with the stored form."""
    age = int(FORM_LIFETIME.total_seconds())
    response.set_cookie(FORM_COOKIE, token, max_age=age, secure=True, httponly=True, samesite="lax", path="/")


async def find_form_owner(session: AsyncSession, csrf_token: str, *, at: datetime) -> PersonId | None:
    """Find the person whose session, active or ended, issued this CSRF token; None when unknown.

    A session row with an invalid MAC has no owner.
    """
    if not _TOKEN.fullmatch(csrf_token):
        return None
    found = await session.execute(select(*_SESSION.c).where(_SESSION.c.csrf_token == csrf_token).limit(1))
    row = found.one_or_none()
    if row is None or not await authenticate_row(session, SEALED_SESSION, row, at=at):
        return None
    return PersonId(row.person_id)


async def save_form(
    session: AsyncSession,
    keyring: KeyRing,
    person_id: PersonId,
    form_key: tuple[str, str],
    pairs: FormPairs,
    *,
    at: datetime,
) -> bool:
    """Encrypt and store a form for this person. Returns False when it is too large.

    `form_key` is the browser token and the URL of the form's page. One form is stored per page: a newer one replaces
    it. A person has at most `MAX_FORMS_PER_PERSON` forms; the oldest are deleted first.
    """
    serialized = json.dumps(pairs).encode()
    if len(serialized) > MAX_FORM_BYTES:
        return False
    browser, page = form_key
    key = await load_data_key(session, keyring, person_id)
    row = {
        "browser_hash": secrets.sha256_digest(browser),
        "page_hash": secrets.sha256_digest(page),
        "person_id": person_id,
        "sealed": key.encrypt(serialized, *_form_context(person_id, browser, page)),
        "created_at": at,
        "expires_at": at + FORM_LIFETIME,
    }
    keeping = insert(_FORM).values(**row)
    again = {name: keeping.excluded[name] for name in ("person_id", "sealed", "created_at", "expires_at")}
    await session.execute(keeping.on_conflict_do_update(index_elements=["browser_hash", "page_hash"], set_=again))
    mine = select(_FORM.c.browser_hash, _FORM.c.page_hash).where(_FORM.c.person_id == person_id)
    older = mine.order_by(_FORM.c.created_at.desc(), _FORM.c.page_hash).offset(MAX_FORMS_PER_PERSON)
    await session.execute(delete(_FORM).where(tuple_(_FORM.c.browser_hash, _FORM.c.page_hash).in_(older)))
    return True


async def consume_form(
    session: AsyncSession, keyring: KeyRing, person_id: PersonId, form_keys: tuple[str, ...], *, at: datetime
) -> FormPairs | None:
    """Delete and return the stored form of this person. Forms of other people in this browser are deleted too.

    `form_keys` is the browser token, followed by the possible URLs of the page.
    """
    browser, pages = form_keys[0], {secrets.sha256_digest(page): page for page in form_keys[1:]}
    theirs_or_this = or_(_FORM.c.person_id != person_id, _FORM.c.page_hash.in_(pages), _FORM.c.expires_at <= at)
    here = delete(_FORM).where(_FORM.c.browser_hash == secrets.sha256_digest(browser), theirs_or_this)
    for row in (await session.execute(here.returning(*_FORM.c))).all():
        if row.person_id == person_id and row.page_hash in pages and at < row.expires_at:
            return await _decrypt_form(session, keyring, row, (browser, pages[row.page_hash]))
    return None


async def restore_form(request: Request, session: AsyncSession, person_id: PersonId) -> None:
    """Load the stored form for the requested page into `request.state.kept_form` (field name to values)."""
    browser = read_browser_token(request)
    if browser is None or sent_method(request) != "GET":
        return
    services = identity_services(request)
    places = (browser, request.url.path, f"{request.url.path}?{request.url.query}")
    pairs = await consume_form(session, services.keyring, person_id, places, at=services.clock.now())
    if pairs is None:
        return
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    request.state.kept_form = values


async def _decrypt_form(
    session: AsyncSession, keyring: KeyRing, row: Row[tuple[object, ...]], form_key: tuple[str, str]
) -> FormPairs | None:
    person_id = PersonId(row.person_id)
    key = await load_data_key(session, keyring, person_id)
    try:
        serialized = key.decrypt(row.sealed, *_form_context(person_id, *form_key))
    except Fault as fault:
        # The row was tampered with. The page opens empty, and the log tells the operator.
        _log.error("kept_form_does_not_open", code=fault.code, detail=fault.private)
        return None
    return [(name, value) for name, value in json.loads(serialized)]


def _form_context(person_id: PersonId, browser: str, page: str) -> tuple[str, ...]:
    return ("kept_form", str(person_id), secrets.sha256_digest(browser).hex(), secrets.sha256_digest(page).hex())
