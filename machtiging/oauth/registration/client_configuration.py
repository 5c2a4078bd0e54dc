"""The client configuration endpoint (RFC 7592): read, update and delete a registration.

The credential is the registration access token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import Message, NotAuthenticated
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.registration.client_registration import ACTIVE, PROPOSED, ClientInformation
from machtiging.oauth.registration.validation import (
    RegistrationRequest,
    parse_metadata,
    requires_review,
    validate_metadata,
)
from machtiging.oauth.suspend_client import revoke_client_access
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

_CLIENT = table_of(OAuthClient)
_SUSPENDED = "suspended"
_NO_TOKEN_DIGEST = bytes(32)
# Every try adds a journal line, these are never deleted, and no operator has approved this client.
MAX_UNREVIEWED_CHANGES = 50
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def read_registration(session: AsyncSession, client_id: str, token: str) -> ClientInformation:
    """Return the registration. Raises NotAuthenticated `registratie_onbekend`."""
    row = await _load_own_client(session, client_id, token)
    return ClientInformation(client_id, row.registration, row.created_at, token)


async def update_registration(
    session: AsyncSession,
    client_id: str,
    token: str,
    request: RegistrationRequest,
    *,
    practice: bool,
    detail_type: str,
    at: datetime,
) -> ClientInformation:
    """Replace the registration and rotate the registration access token.

    A change that needs review makes the client proposed again and revokes its tokens. A proposed client may try
    MAX_UNREVIEWED_CHANGES times, refused or not.

    Raises NotAuthenticated `registratie_onbekend`, OAuthRefusal.
    """
    row = await _load_own_client(session, client_id, token, lock=True)
    if row.state == PROPOSED:
        await _count_unreviewed_change(session, row)
    after = _validate_replacement(row, client_id, parse_metadata(request), practice=practice, detail_type=detail_type)
    again = row.state == ACTIVE and not practice and requires_review(row.registration, after)
    information = ClientInformation(client_id, after, row.created_at, secrets.generate_token())
    values: dict[str, Any] = {
        "registration": after,
        "registration_token_hash": secrets.sha256_digest(information.token),
    }
    if again:
        values["state"] = PROPOSED
    if after.get("jwks_uri") != row.registration.get("jwks_uri"):
        values |= {"fetched_jwks": None, "fetched_at": None, "fetch_failed_at": None}
    await _update_client_row(session, row, values)
    closed = await revoke_client_access(session, client_id, at=at) if again else 0
    reason = "opnieuw_voorgesteld" if again else "gewijzigd"
    await record(session, _build_journal_line(JournalAct.CLIENT_GEWIJZIGD, reason, client_id, closed), at=at)
    return information


async def delete_registration(session: AsyncSession, client_id: str, token: str, *, at: datetime) -> None:
    """Delete the registration for ever, and revoke everything the client holds.

    Raises NotAuthenticated `registratie_onbekend`.
    """
    row = await _load_own_client(session, client_id, token, lock=True)
    await _update_client_row(session, row, {"state": _SUSPENDED, "registration_token_hash": None, "withdrawn_at": at})
    closed = await revoke_client_access(session, client_id, at=at)
    line = _build_journal_line(JournalAct.CLIENT_TERUGGETROKKEN, "teruggetrokken", client_id, closed)
    await record(session, line, at=at)


async def _load_own_client(session: AsyncSession, client_id: str, token: str, *, lock: bool = False) -> Row[Any]:
    """Load the client of this registration access token, unless suspended. `lock`: FOR UPDATE.

    An unknown client, another client's token and a rotated token get the same answer in the same time (timing oracle).
    Raises NotAuthenticated `registratie_onbekend`.
    """
    named = client_id if _CLIENT_ID.fullmatch(client_id) else ""
    wanted = select(_CLIENT).where(_CLIENT.c.client_id == named, _CLIENT.c.state != _SUSPENDED)
    row = (await session.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    stored_hash = None if row is None else row.registration_token_hash
    right = secrets.constant_time_equals(secrets.sha256_digest(token), stored_hash or _NO_TOKEN_DIGEST)
    if row is None or stored_hash is None or not right or not await authenticate_row(session, SEALED_CLIENT, row):
        raise _unknown_registration_refusal()
    return row


async def _update_client_row(session: AsyncSession, row: Row[Any], values: dict[str, Any]) -> None:
    sealed = reseal_changes(session, SEALED_CLIENT, row, values)
    if "fetched_jwks" in sealed:
        sealed["fetched_jwks"] = null()  # None would become a JSON null
    await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(sealed))


async def _count_unreviewed_change(session: AsyncSession, row: Row[Any]) -> None:
    """Count a change without review.

    Raises NotAuthenticated `registratie_onbekend` after too many.
    """
    if row.unseen_changes >= MAX_UNREVIEWED_CHANGES:
        raise _unknown_registration_refusal()
    counting = update(_CLIENT).where(_CLIENT.c.client_id == row.client_id)
    await session.execute(counting.values(unseen_changes=row.unseen_changes + 1))


def _unknown_registration_refusal() -> NotAuthenticated:
    return NotAuthenticated("registratie_onbekend")


def _validate_replacement(
    row: Row[Any], client_id: str, submitted: Mapping[str, Any], *, practice: bool, detail_type: str
) -> dict[str, Any]:
    """Validate the replacement. `client_id` is required and fixed (RFC 7592 2.2), the grant type is fixed too.

    A missing member is deleted: this is a replacement, not a patch. Raises OAuthRefusal.
    """
    if submitted.get("client_id") != client_id:
        raise _replacement_refusal("client_id_wijkt_af")
    after = validate_metadata(
        {name: value for name, value in submitted.items() if name != "client_id"},
        practice=practice,
        detail_type=detail_type,
    )
    if after["grant_types"][0] != row.registration["grant_types"][0]:
        raise _replacement_refusal("grant_types_gewijzigd")
    return after


def _replacement_refusal(code: str) -> OAuthRefusal:
    return OAuthRefusal(OAuthErrorCode.INVALID_CLIENT_METADATA, code, description=Message(f"oauth.{code}"))


def _build_journal_line(act: JournalAct, reason: str, client_id: str, revoked_tokens: int) -> NewJournalLine:
    return NewJournalLine(act, JournalOutcome.DONE, reason, client_id=client_id, facts={"tokens": revoked_tokens})
