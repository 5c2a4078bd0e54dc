"""The client configuration endpoint (RFC 7592): read, update and delete a registration.

The credential is the registration access token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Table, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.forged_rows import authenticate_row
from machtiging.audit.journal import Line, record
from machtiging.crypto import secrets
from machtiging.kernel.errors import NotAuthenticated
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.registration.judge import Said, judged, metadata_in, weighs
from machtiging.oauth.registration.propose import ACTIVE, PROPOSED, Registered
from machtiging.oauth.suspend_client import cut_off
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.row_mac import reseal

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_SUSPENDED = "suspended"
_NOBODY = bytes(32)
# Every try adds a journal line, these are never deleted, and no operator has approved this client.
MOST_UNSEEN = 50
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def read(session: AsyncSession, client_id: str, token: str) -> Registered:
    """Return the registration. Raises NotAuthenticated `registratie_onbekend`."""
    row = await _its_own(session, client_id, token)
    return Registered(client_id, row.registration, row.created_at, token)


async def change(
    session: AsyncSession, client_id: str, token: str, said: Said, *, practice: bool, at: datetime
) -> Registered:
    """Replace the registration and rotate the registration access token.

    A change that needs review makes the client proposed again and revokes its tokens. A proposed client may try
    MAX_UNREVIEWED_CHANGES times, refused or not.

    Raises NotAuthenticated `registratie_onbekend`, OAuthRefusal.
    """
    row = await _its_own(session, client_id, token, held=True)
    if row.state == PROPOSED:
        await _count(session, row)
    after = _changed(row, client_id, metadata_in(said), practice=practice)
    again = row.state == ACTIVE and not practice and weighs(row.registration, after)
    made = Registered(client_id, after, row.created_at, secrets.random_token())
    values: dict[str, Any] = {"registration": after, "registration_token_hash": secrets.digest(made.token)}
    if again:
        values["state"] = PROPOSED
    if after.get("jwks_uri") != row.registration.get("jwks_uri"):
        values |= {"fetched_jwks": None, "fetched_at": None, "fetch_failed_at": None}
    await _write(session, row, values)
    closed = await cut_off(session, client_id, at=at) if again else 0
    reason = "opnieuw_voorgesteld" if again else "gewijzigd"
    await record(session, _line(JournalAct.CLIENT_GEWIJZIGD, reason, client_id, closed), at=at)
    return made


async def withdraw(session: AsyncSession, client_id: str, token: str, *, at: datetime) -> None:
    """Delete the registration for ever, and revoke everything the client holds.

    Raises NotAuthenticated `registratie_onbekend`.
    """
    row = await _its_own(session, client_id, token, held=True)
    await _write(session, row, {"state": _SUSPENDED, "registration_token_hash": None, "withdrawn_at": at})
    closed = await cut_off(session, client_id, at=at)
    line = _line(JournalAct.CLIENT_TERUGGETROKKEN, "teruggetrokken", client_id, closed)
    await record(session, line, at=at)


async def _its_own(session: AsyncSession, client_id: str, token: str, *, held: bool = False) -> Row[Any]:
    """Load the client of this registration access token, unless suspended. `lock`: FOR UPDATE.

    An unknown client, another client's token and a rotated token get the same answer in the same time (timing oracle).
    Raises NotAuthenticated `registratie_onbekend`.
    """
    named = client_id if _NAME.fullmatch(client_id) else ""
    wanted = select(_CLIENT).where(_CLIENT.c.client_id == named, _CLIENT.c.state != _SUSPENDED)
    row = (await session.execute(wanted.with_for_update() if held else wanted)).one_or_none()
    kept = None if row is None else row.registration_token_hash
    right = secrets.same(secrets.digest(token), kept or _NOBODY)
    if row is None or kept is None or not right or not await authenticate_row(session, SEALED_CLIENT, row):
        raise _unknown()
    return row


async def _write(session: AsyncSession, row: Row[Any], values: dict[str, Any]) -> None:
    sealed = reseal(session, SEALED_CLIENT, row, values)
    if "fetched_jwks" in sealed:
        sealed["fetched_jwks"] = null()  # None would become a JSON null
    await session.execute(update(_CLIENT).where(_CLIENT.c.client_id == row.client_id).values(sealed))


async def _count(session: AsyncSession, row: Row[Any]) -> None:
    """Count a change without review.

    Raises NotAuthenticated `registratie_onbekend` after too many.
    """
    if row.unseen_changes >= MOST_UNSEEN:
        raise _unknown()
    counting = update(_CLIENT).where(_CLIENT.c.client_id == row.client_id)
    await session.execute(counting.values(unseen_changes=row.unseen_changes + 1))


def _unknown() -> NotAuthenticated:
    return NotAuthenticated("registratie_onbekend", "Deze registratie kennen wij niet.")


def _changed(row: Row[Any], client_id: str, said: Mapping[str, Any], *, practice: bool) -> dict[str, Any]:
    """Validate the replacement. `client_id` is required and fixed (RFC 7592 2.2), the grant type is fixed too.

    A missing member is deleted: this is a replacement, not a patch. Raises OAuthRefusal.
    """
    if said.get("client_id") != client_id:
        text = "The client_id must be the one of this registration."
        raise OAuthRefusal(Wire.INVALID_CLIENT_METADATA, "client_id_wijkt_af", text)
    after = judged({name: value for name, value in said.items() if name != "client_id"}, practice=practice)
    if after["grant_types"][0] != row.registration["grant_types"][0]:
        text = "The grant type of a client does not change: register another client."
        raise OAuthRefusal(Wire.INVALID_CLIENT_METADATA, "grant_types_gewijzigd", text)
    return after


def _line(act: JournalAct, reason: str, client_id: str, closed: int) -> Line:
    return Line(act, Outcome.DONE, reason, client_id=client_id, facts={"tokens": closed})
