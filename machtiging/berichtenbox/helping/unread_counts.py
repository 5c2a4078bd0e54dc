"""Count the letters that a helper did not open, for many machtigingen in one statement.

A number tells no more than the list of the same machtiging, which is one click away. The box is not opened: no subject
and no sender is read, and no mark changes. So there is no journal line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, bindparam, exists, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import find_listing_limits
from machtiging.berichtenbox.helping.listing_limits import LIMITS, describe_limits, listed_conditions
from machtiging.berichtenbox.queries import BERICHT, READER_MARK

# The most letters that are counted under one machtiging; more is shown as "99+".
MAX_COUNT = 100


def build_unread_count(limits: Any, most: int = MAX_COUNT) -> ScalarSelect[Any]:
    """Build the count of the unread letters under a row of `limits`, up to `most`.

    Unread: listed, and not opened by the parameter `reader`.
    """
    marked = exists().where(READER_MARK.c.bericht_id == BERICHT.c.id, READER_MARK.c.person_id == bindparam("reader"))
    new: Select[Any] = select(literal_column("1")).where(*listed_conditions(bindparam("at"), limits), ~marked)
    limited = new.correlate(limits).limit(most).subquery("new")
    return select(func.count()).select_from(limited).correlate(limits).scalar_subquery()


_COUNT = select(LIMITS.c.machtiging_id, build_unread_count(LIMITS).label("number")).select_from(LIMITS)


async def count_unread(
    session: AsyncSession, policy: Policy, helpers: Sequence[Actor], *, at: datetime
) -> dict[UUID, int]:
    """Count the listed letters that a helper did not open, by machtiging.

    At most `MAX_COUNT` each. `helpers` are one person under several machtigingen. Those that would be
    refused a list have no number.
    """
    limits = [
        describe_limits(actor, found)
        for actor in helpers
        if (found := find_listing_limits(policy, actor, at)) is not None
    ]
    if not limits:
        return {}
    params = {"limits": limits, "reader": helpers[0].person_id, "at": at}
    return {row.machtiging_id: row.number for row in await session.execute(_COUNT, params)}
