"""An operator lets in a client that a program proposed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, by_operator, record
from machtiging.kernel.errors import Conflict, NotFound
from machtiging.oauth.registration.propose import ACTIVE, PROPOSED
from machtiging.oauth.tables import OAuthClient

_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]


def seen_as(registration: Mapping[str, Any]) -> str:
    """What an operator says he has looked at: a client may change what it proposes while he looks."""
    return hashlib.sha256(json.dumps(registration, sort_keys=True).encode()).hexdigest()


async def approve(session: AsyncSession, client_id: str, seen: str, *, at: datetime, by: str | None = None) -> None:
    """Make a proposed client active, as it was `seen`. `by` is the operator.

    Raises NotFound `client_onbekend`, Conflict `client_niet_voorgesteld`, and `client_veranderd` for one that is not
    what was looked at.
    """
    mine = _CLIENT.c.client_id == client_id
    wanted = select(_CLIENT.c.state, _CLIENT.c.registration).where(mine).with_for_update()
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("client_onbekend", "Deze client kennen wij niet.")
    if row.state != PROPOSED:
        raise Conflict("client_niet_voorgesteld", "Deze client is niet voorgesteld.")
    if seen_as(row.registration) != seen:
        raise Conflict("client_veranderd", "Deze client is anders dan u heeft gezien. Kijk opnieuw.")
    await session.execute(update(_CLIENT).where(mine).values(state=ACTIVE, unseen_changes=0))
    line = Line(JournalAct.CLIENT_GOEDGEKEURD, Outcome.DONE, "goedgekeurd", client_id=client_id)
    await record(session, by_operator(line, by), at=at)
