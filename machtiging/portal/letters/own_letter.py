"""Find the envelope of a letter in the own box, without its content."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.queries import find_bericht
from machtiging.identity.session import Visitor
from machtiging.kernel.errors import NotFound
from machtiging.storage.statement import ResultRow


async def find_own_letter(session: AsyncSession, visitor: Visitor, bericht_id: UUID, *, at: datetime) -> ResultRow:
    """Find the envelope. Raises NotFound `bericht_onbekend` for every letter that is not in the own box."""
    found = await find_bericht(session, bericht_id, visitor.person_id, at)
    if found is None or found["ontvanger_id"] != visitor.person_id:
        raise NotFound("bericht_onbekend")
    return found
