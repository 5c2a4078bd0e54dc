"""Dynamic client registration (RFC 7591): a client stays proposed until an operator approves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto import secrets
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.invitations import initial_access_token
from machtiging.oauth.register_client import generate_client_id
from machtiging.oauth.registration.validation import RegistrationRequest, parse_metadata, validate_metadata
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

ACTIVE, PROPOSED = "active", "proposed"
_CLIENT = table_of(OAuthClient)


@dataclass(frozen=True, slots=True)
class ClientInformation:
    """A registered client with its registration access token; only the token's hash is stored."""

    client_id: str
    registration: dict[str, Any]
    created_at: datetime
    token: str


async def register_client(
    session: AsyncSession, token: str, request: RegistrationRequest, *, practice: bool, detail_type: str, at: datetime
) -> ClientInformation:
    """Register a client under an invitation. In practice mode it is active at once.

    The invitation is verified before the body is parsed. Refusals count against it.

    Raises NotAuthenticated `uitnodiging_onbekend` and OAuthRefusal.
    """
    digest = await initial_access_token.verify_invitation(session, token, at=at)
    try:
        registration = validate_metadata(parse_metadata(request), practice=practice, detail_type=detail_type)
    except OAuthRefusal:
        await initial_access_token.count_invitation_refusal(session, digest, at=at)
        raise
    await initial_access_token.consume_invitation(session, digest, at=at)
    information = ClientInformation(generate_client_id(), registration, at, secrets.generate_token())
    row = {
        "client_id": information.client_id,
        "registration": registration,
        "oin": None,
        "state": ACTIVE if practice else PROPOSED,
        "created_at": at,
        "registration_token_hash": secrets.sha256_digest(information.token),
        "by_program": True,
    }
    await session.execute(insert(_CLIENT), seal_row(session, SEALED_CLIENT, row))
    line = NewJournalLine(
        act=JournalAct.CLIENT_GEREGISTREERD,
        outcome=JournalOutcome.DONE,
        reason="geregistreerd" if practice else "voorgesteld",
        client_id=information.client_id,
        object_kind=initial_access_token.JOURNAL_KIND,
        object_id=initial_access_token.derive_invitation_name(digest),
    )
    await record(session, line, at=at)
    return information
