"""Client registration (RFC 7591): the client stays proposed until an operator approves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto import secrets
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.register_client import new_client_id
from machtiging.oauth.registration import invite
from machtiging.oauth.registration.judge import Said, judged, metadata_in
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.row_mac import seal

ACTIVE, PROPOSED = "active", "proposed"
_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered client with its registration access token; only the token's hash is stored."""

    client_id: str
    registration: dict[str, Any]
    created_at: datetime
    token: str


async def propose(session: AsyncSession, token: str, said: Said, *, practice: bool, at: datetime) -> Registered:
    """Register a client under an invitation. In practice mode it is active at once.

    The invitation is verified before the body is parsed. Refusals count against it.

    Raises NotAuthenticated `uitnodiging_onbekend` and OAuthRefusal.
    """
    digest = await invite.admitted(session, token, at=at)
    try:
        registration = judged(metadata_in(said), practice=practice)
    except OAuthRefusal:
        await invite.count_refusal(session, digest, at=at)
        raise
    await invite.use_up(session, digest, at=at)
    made = Registered(new_client_id(), registration, at, secrets.random_token())
    row = {
        "client_id": made.client_id,
        "registration": registration,
        "oin": None,
        "state": ACTIVE if practice else PROPOSED,
        "created_at": at,
        "registration_token_hash": secrets.digest(made.token),
        "by_program": True,
    }
    await session.execute(insert(_CLIENT), seal(session, SEALED_CLIENT, row))
    line = Line(
        act=JournalAct.CLIENT_GEREGISTREERD,
        outcome=Outcome.DONE,
        reason="geregistreerd" if practice else "voorgesteld",
        client_id=made.client_id,
        object_kind=invite.KIND,
        object_id=invite.name_of(digest),
    )
    await record(session, line, at=at)
    return made
