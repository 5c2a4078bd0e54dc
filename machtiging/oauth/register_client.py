"""Register a client from RFC 7591 metadata. Everything is checked, and every error is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import find_active_agency
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto import secrets
from machtiging.kernel.errors import Conflict, InvalidInput, Message
from machtiging.message_catalogue import find_sentence
from machtiging.oauth.client import CLIENT_CREDENTIALS
from machtiging.oauth.clients import metadata
from machtiging.oauth.rules import SCOPES_BY_GRANT_TYPE
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_CLIENT = table_of(OAuthClient)


async def register_client(
    session: AsyncSession,
    client_metadata: Mapping[str, Any],
    *,
    oin: str | None,
    detail_type: str,
    at: datetime,
    practice: bool = False,
    operator: str | None = None,
) -> dict[str, Any]:
    """Register a client and return its registration with its `client_id`.

    Idempotent for equal metadata.

    `detail_type`: the type of authorization details (`AuthorizationDetailsHandler.detail_type`).

    `practice` allows a chosen `client_id` and http redirect URIs on a loopback address. Raises InvalidInput
    `clientgegevens_ongeldig` with a sentence per member, Conflict `client_bestaat_al`.
    """
    faults = metadata.find_metadata_errors(client_metadata, practice=practice, detail_type=detail_type)
    if oin is not None and await find_active_agency(session, oin) is None:
        faults["oin"] = Message("metadata.oin_unknown")
    faults |= _find_machine_scope_errors(client_metadata, oin)
    if faults:
        sentences = "; ".join(f"{name}: {find_sentence(message)}" for name, message in faults.items())
        raise InvalidInput("clientgegevens_ongeldig", params={"faults": sentences}, fields=faults)
    client_id = client_metadata.get("client_id") or generate_client_id()
    registration = metadata.add_defaults(client_metadata, detail_type)
    if await _insert_client(session, client_id, registration, oin, at):
        line = NewJournalLine(
            JournalAct.CLIENT_GEREGISTREERD, JournalOutcome.DONE, "geregistreerd", client_id=client_id
        )
        await record(session, attribute_to_operator(line, operator), at=at)
    return {"client_id": client_id, "client_id_issued_at": int(at.timestamp()), **registration} | (
        {} if oin is None else {"oin": oin}
    )


def _find_machine_scope_errors(client_metadata: Mapping[str, Any], oin: str | None) -> dict[str, Message]:
    """Find what a client that delivers or reports lacks.

    It needs an OIN. A register also needs tokens that are bound to its certificate.
    """
    faults, scope = {}, set(str(client_metadata.get("scope", "")).split())
    if oin is None and scope & set(SCOPES_BY_GRANT_TYPE[CLIENT_CREDENTIALS]):
        faults["oin"] = Message("metadata.oin_missing")
    bound = "tls_client_certificate_bound_access_tokens"
    if "registergebeurtenissen:schrijven" in scope and client_metadata.get(bound) is not True:
        faults[bound] = Message("metadata.certificate_for_register")
    return faults


def generate_client_id() -> str:
    """Generate a client_id of 128 bits, without `-`.

    Operators type it on command lines, where a leading `-` would make it an option.
    """
    return secrets.generate_token(128).replace("-", "_")


async def _insert_client(
    session: AsyncSession, client_id: str, registration: dict[str, Any], oin: str | None, at: datetime
) -> bool:
    """Insert the client; False when it exists already. Raises Conflict for another under this `client_id`."""
    row = {"client_id": client_id, "registration": registration, "oin": oin, "state": "active", "created_at": at}
    row = seal_row(session, SEALED_CLIENT, row | {"by_program": False})
    adding = insert(_CLIENT).values(row).on_conflict_do_nothing().returning(_CLIENT.c.client_id)
    if await session.scalar(adding) is None:
        wanted = select(_CLIENT).where(_CLIENT.c.client_id == client_id)
        there = (await session.execute(wanted)).one_or_none()
        if there is None:
            raise Conflict("resource_bestaat_al")
        same = there.registration == registration and there.oin == oin
        if not same or not await authenticate_row(session, SEALED_CLIENT, there, at=at):
            raise Conflict("client_bestaat_al")
        return False
    return True
