"""Approval of a proposed client by an operator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.forged_rows import authenticate_row
from machtiging.audit.journal import Line, by_operator, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.registration.propose import ACTIVE, PROPOSED
from machtiging.oauth.tables import SEALED_CLIENT, OAuthClient
from machtiging.storage.row_mac import reseal

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


def seen_as(registration: Mapping[str, Any]) -> str:
    """Return a digest of the registration that the operator reviewed.

    The client may change its proposal during the review.
    """
    return hashlib.sha256(json.dumps(registration, sort_keys=True).encode()).hexdigest()


async def approve(session: AsyncSession, client_id: str, seen: str, *, at: datetime, by: str | None = None) -> None:
    """Make a proposed client active, if it is still the reviewed registration.

    `reviewed_digest`: from `digest_registration`. `operator`: recorded in the journal.

    Raises NotFound `client_onbekend`, Conflict `client_niet_voorgesteld`, and Conflict `client_veranderd` for a
    registration that has changed since the review.
    """
    mine = _CLIENT.c.client_id == client_id
    row = (await session.execute(select(_CLIENT).where(mine).with_for_update())).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_CLIENT, row, at=at):
        raise NotFound("client_onbekend", "Deze client kennen wij niet.")
    if row.state != PROPOSED:
        raise Conflict("client_niet_voorgesteld", "Deze client is niet voorgesteld.")
    if seen_as(row.registration) != seen:
        raise Conflict("client_veranderd", "Deze client is anders dan u heeft gezien. Kijk opnieuw.")
    values = reseal(session, SEALED_CLIENT, row, {"state": ACTIVE, "unseen_changes": 0})
    await session.execute(update(_CLIENT).where(mine).values(values))
    line = Line(JournalAct.CLIENT_GOEDGEKEURD, Outcome.DONE, "goedgekeurd", client_id=client_id)
    await record(session, by_operator(line, by), at=at)
