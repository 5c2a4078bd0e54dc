"""The line in which a token stands: from the one that the person consented to, by exchanges, to this one."""

from __future__ import annotations

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.tables import IssuedToken
from machtiging.kernel.ids import TokenId

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]


async def hold_to_exchange(session: AsyncSession, jti: TokenId) -> int:
    """How many tokens stand in the line from the first to this one; 0 when it is revoked or unknown.

    The token stays as it is until this transaction ends: who revokes it waits, and then finds what was made of it.
    """
    mine = select(_TOKEN.c.revoked_at).where(_TOKEN.c.id == jti).with_for_update(read=True, key_share=True)
    held = (await session.execute(mine)).one_or_none()
    if held is None or held.revoked_at is not None:
        return 0
    line = select(_TOKEN.c.parent_id).where(_TOKEN.c.id == jti).cte("line", recursive=True)
    line = line.union_all(select(_TOKEN.c.parent_id).join(line, _TOKEN.c.id == line.c.parent_id))
    return await session.scalar(select(func.count()).select_from(line)) or 0
