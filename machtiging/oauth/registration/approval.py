"""Approval of a proposed client by an operator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, attribute_to_operator, record
from machtiging.audit.row_authentication import authenticate_row
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.registration.client_registration import ACTIVE, PROPOSED
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes

_CLIENT = table_of(OAuthClient)


def digest_registration(registration: Mapping[str, Any]) -> str:
    """Return a digest of the registration that the operator reviewed.

    The client may change its proposal during the review.
    """
    return hashlib.sha256(json.dumps(registration, sort_keys=True).encode()).hexdigest()


async def approve_client(
    session: AsyncSession, client_id: str, reviewed_digest: str, *, at: datetime, operator: str | None = None
) -> None:
    """Make a proposed client active, if it is still the reviewed registration.

    `reviewed_digest`: from `digest_registration`. `operator`: recorded in the journal.

    Raises NotFound `client_onbekend`, Conflict `client_niet_voorgesteld`, and Conflict `client_veranderd` for a
    registration that has changed since the review.
    """
    mine = _CLIENT.c.client_id == client_id
    row = (await session.execute(select(_CLIENT).where(mine).with_for_update())).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_CLIENT, row, at=at):
        raise NotFound("client_onbekend")
    if row.state != PROPOSED:
        raise Conflict("client_niet_voorgesteld")
    if digest_registration(row.registration) != reviewed_digest:
        raise Conflict("client_veranderd")
    values = reseal_changes(session, SEALED_CLIENT, row, {"state": ACTIVE, "unseen_changes": 0})
    await session.execute(update(_CLIENT).where(mine).values(values))
    line = NewJournalLine(JournalAct.CLIENT_GOEDGEKEURD, JournalOutcome.DONE, "goedgekeurd", client_id=client_id)
    await record(session, attribute_to_operator(line, operator), at=at)
