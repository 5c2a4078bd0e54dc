"""The exchange chain of a token, back to the consent (RFC 8693)."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.tables import IssuedToken
from machtiging.kernel.ids import TokenId
from machtiging.storage.columns import table_of

_TOKEN_TABLE = table_of(IssuedToken)


async def lock_and_count_exchanges(session: AsyncSession, jti: TokenId) -> int:
    """Lock a token for exchange and count the tokens in its chain.

    Returns 0 for a revoked or unknown token.

    The lock lasts until the transaction ends. A concurrent revocation waits for it, and then finds the new token.
    """
    mine = select(_TOKEN_TABLE.c.revoked_at).where(_TOKEN_TABLE.c.id == jti).with_for_update(read=True, key_share=True)
    locked_row = (await session.execute(mine)).one_or_none()
    if locked_row is None or locked_row.revoked_at is not None:
        return 0
    line = select(_TOKEN_TABLE.c.parent_id).where(_TOKEN_TABLE.c.id == jti).cte("line", recursive=True)
    line = line.union_all(select(_TOKEN_TABLE.c.parent_id).join(line, _TOKEN_TABLE.c.id == line.c.parent_id))
    return await session.scalar(select(func.count()).select_from(line)) or 0
