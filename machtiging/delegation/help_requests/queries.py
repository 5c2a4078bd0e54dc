"""Queries on help requests. A row with an invalid MAC is treated as absent, and journalled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authorities
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.help_requests.rules import (
    HelpRequest,
    HelpRequestState,
    RequestWords,
    decode_bundle,
    decode_scope,
)
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import SEALED_HELP_REQUEST, HelpRequestRow
from machtiging.identity.people import load_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

REQUEST_CODE_INDEX_PURPOSE = "hulpvraagcode"
MAX_LISTED_REQUESTS = 50
_REQUEST = table_of(HelpRequestRow)


async def find_by_code_for_update(session: AsyncSession, keyring: KeyRing, code: str) -> HelpRequest | None:
    """Find a request by its code, and lock its row. None if it is unknown."""
    mine = _REQUEST.c.code_hash == keyring.blind_index(REQUEST_CODE_INDEX_PURPOSE, code)
    return await _load_one(session, keyring, mine, lock=True)


async def load_own_request(
    session: AsyncSession,
    keyring: KeyRing,
    request_id: UUID,
    requester_id: PersonId,
    *,
    organisation_id: UUID | None = None,
    lock: bool = False,
) -> HelpRequest | None:
    """Load a request of this requester. None if it is unknown, another person's or for another organisation."""
    mine = (_REQUEST.c.id == request_id, *_is_of(requester_id, organisation_id))
    return await _load_one(session, keyring, *mine, lock=lock)


async def load_opened_request(
    session: AsyncSession, keyring: KeyRing, request_id: UUID, citizen_id: PersonId, *, lock: bool = False
) -> HelpRequest | None:
    """Load a request that this citizen opened with its code. None for any other."""
    hers = (_REQUEST.c.id == request_id, _REQUEST.c.opened_by == citizen_id)
    return await _load_one(session, keyring, *hers, lock=lock)


async def _load_one(
    session: AsyncSession, keyring: KeyRing, *conditions: ColumnElement[bool], lock: bool
) -> HelpRequest | None:
    statement = select(_REQUEST).where(*conditions)
    row = (await session.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()
    if row is None or not await authenticate_row(session, SEALED_HELP_REQUEST, row):
        return None
    key = await load_data_key(session, keyring, row["requester_id"])
    return _build_request(row, key)


async def list_own_requests(
    session: AsyncSession,
    keyring: KeyRing,
    requester_id: PersonId,
    *,
    organisation_id: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = MAX_LISTED_REQUESTS,
) -> list[HelpRequest]:
    """List the requests of this requester, newest first. `after`: time and id of the last one of the page before."""
    mine = select(_REQUEST).where(*_is_of(requester_id, organisation_id))
    if after is not None:
        mine = mine.where(tuple_(_REQUEST.c.created_at, _REQUEST.c.id) < tuple_(*after))
    newest = mine.order_by(_REQUEST.c.created_at.desc(), _REQUEST.c.id.desc()).limit(limit)
    rows = (await session.execute(newest)).mappings().all()
    if not rows:
        return []
    key = await load_data_key(session, keyring, requester_id)
    return [_build_request(row, key) for row in rows if await authenticate_row(session, SEALED_HELP_REQUEST, row)]


class OpenedRequest(NamedTuple):
    """A request that waits for its citizen: who asks, and for which organisation."""

    id: UUID
    requester_id: PersonId
    organisation_id: UUID | None


def _is_of(requester_id: PersonId, organisation_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    """Build the condition of one requester in one capacity: privately, or for one organisation."""
    return _REQUEST.c.requester_id == requester_id, _REQUEST.c.organisation_id.is_not_distinct_from(organisation_id)


async def list_waiting_for_citizen(session: AsyncSession, citizen_id: PersonId, *, at: datetime) -> list[OpenedRequest]:
    """List the requests that this citizen opened and did not answer, oldest first."""
    hers = (_REQUEST.c.opened_by == citizen_id, _REQUEST.c.state == HelpRequestState.WAITING.value)
    waiting = select(_REQUEST).where(*hers, _REQUEST.c.expires_at > at).order_by(_REQUEST.c.opened_at)
    rows = (await session.execute(waiting.limit(MAX_LISTED_REQUESTS))).mappings().all()
    return [
        OpenedRequest(row["id"], PersonId(row["requester_id"]), row["organisation_id"])
        for row in rows
        if await authenticate_row(session, SEALED_HELP_REQUEST, row)
    ]


async def count_requests_since(
    session: AsyncSession,
    requester_id: PersonId,
    since: datetime,
    *,
    at: datetime,
    organisation_id: UUID | None = None,
) -> tuple[int, int]:
    """Count the requests of this requester: those that wait, and those made since an instant.

    Serialises the requests of one requester until the transaction ends.
    """
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(literal(f"hulpvraag:{requester_id}"), 0)))
    )
    waits = (_REQUEST.c.state == HelpRequestState.WAITING.value) & (_REQUEST.c.expires_at > at)
    recent = _REQUEST.c.created_at > since
    counts = select(func.count().filter(waits), func.count().filter(recent))
    row = (await session.execute(counts.where(*_is_of(requester_id, organisation_id)))).one()
    return row[0], row[1]


async def update_request(session: AsyncSession, request_id: UUID, changes: Mapping[str, Any]) -> None:
    """Change a locked request, with a new MAC."""
    mine = _REQUEST.c.id == request_id
    row = (await session.execute(select(_REQUEST).where(mine))).one()
    await session.execute(
        update(_REQUEST).where(mine).values(reseal_changes(session, SEALED_HELP_REQUEST, row, changes))
    )


def encrypt_words(key: DataKey, request_id: UUID, words: RequestWords) -> bytes:
    """Encrypt the words with the requester's data key, for this request only."""
    document = [words.for_whom, words.requester_name, words.purpose, words.code]
    return key.encrypt(json.dumps(document).encode(), *_words_context(request_id))


def _words_context(request_id: UUID) -> tuple[str, ...]:
    return ("help_request", str(request_id))


def _build_request(row: Mapping[Any, Any], key: DataKey) -> HelpRequest:
    words = RequestWords(*json.loads(key.decrypt(row["words_sealed"], *_words_context(row["id"]))))
    machtiging_id, opened_by = row["machtiging_id"], row["opened_by"]
    return HelpRequest(
        id=row["id"],
        requester_id=PersonId(row["requester_id"]),
        requester_assurance=Assurance(row["requester_assurance"]),
        scope=decode_scope(row["scope"]),
        last_day=row["last_day"],
        state=HelpRequestState(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        opened_by=None if opened_by is None else PersonId(opened_by),
        decided_at=row["decided_at"],
        machtiging_id=None if machtiging_id is None else MachtigingId(machtiging_id),
        words=words,
        organisation_id=row["organisation_id"],
        employee_id=row["employee_id"],
        bundle=decode_bundle(row["scope"]),
    )


async def find_assigned(session: AsyncSession, request: HelpRequest, *, at: datetime) -> Authority | None:
    """Find the live assignment that the agreement to this request made.

    It may wait for a second person. None without one, and for one that is forged.
    """
    if request.machtiging_id is None or request.employee_id is None:
        return None
    table = machtiging_table()
    mine = (table.c.parent_id == request.machtiging_id, table.c.employee_id == request.employee_id)
    live = (table.c.stand_in_id.is_(None), table.c.state != MachtigingState.ENDED.value)
    found = await load_authorities(session, and_(*mine, *live), at=at)
    return next((one for one in found if one.is_authentic and not one.has_ended), None)


async def find_assigned_id(session: AsyncSession, request: HelpRequest, *, at: datetime) -> MachtigingId | None:
    """Find what the asking employee holds by the agreement to this request.

    None without one, or while it waits for a second person.
    """
    found = await find_assigned(session, request, at=at)
    return None if found is None or found.awaits_second_person else found.machtiging_id
