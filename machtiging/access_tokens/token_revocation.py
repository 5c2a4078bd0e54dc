"""Revocation of access tokens, with the tokens they were exchanged for (RFC 7009 section 2.1, RFC 8693)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.tables import IssuedToken
from machtiging.kernel.ids import GrantId, MachtigingId, TokenId
from machtiging.storage.columns import table_of

_TOKEN_TABLE = table_of(IssuedToken)


async def revoke_token(session: AsyncSession, jti: TokenId, at: datetime) -> int:
    """Revoke one token and its descendants, and return the number revoked.

    The number is 0 for an unknown or revoked token.
    """
    return await _revoke_with_descendants(session, _TOKEN_TABLE.c.id == jti, at)


async def revoke_tokens_of_grant(session: AsyncSession, grant_id: GrantId, at: datetime) -> int:
    """Revoke every token of a grant."""
    return await _revoke_with_descendants(session, _TOKEN_TABLE.c.grant_id == grant_id, at)


async def revoke_tokens_of_grants(session: AsyncSession, grant_ids: Collection[GrantId], at: datetime) -> int:
    """Revoke every token of these grants in one statement, to avoid deadlocks between concurrent calls."""
    return await _revoke_with_descendants(session, _TOKEN_TABLE.c.grant_id.in_(grant_ids), at)


async def revoke_tokens_of_machtiging(session: AsyncSession, machtiging_id: MachtigingId, at: datetime) -> int:
    """Revoke every token under a machtiging. It granted nothing already: every request reads the machtiging."""
    return await _revoke_with_descendants(session, _TOKEN_TABLE.c.machtiging_id == machtiging_id, at)


async def revoke_tokens_of_client(session: AsyncSession, client_id: str, at: datetime) -> int:
    """Revoke every token of a client, for all its users."""
    return await _revoke_with_descendants(session, _TOKEN_TABLE.c.client_id == client_id, at)


async def _revoke_with_descendants(session: AsyncSession, condition: ColumnElement[bool], at: datetime) -> int:
    """Revoke the matching tokens and, level by level, the tokens exchanged for them.

    Each level is a statement of its own, so it sees tokens that were exchanged while the level before waited for locks.
    """
    level = await _revoke_matching(session, condition, at)
    closed = len(level)
    while level:
        level = await _revoke_matching(session, _TOKEN_TABLE.c.parent_id == any_(literal(level, ARRAY(Uuid))), at)
        closed += len(level)
    return closed


async def _revoke_matching(session: AsyncSession, condition: ColumnElement[bool], at: datetime) -> list[UUID]:
    # Lock in the order of the ids: two concurrent revocations of the same tokens (a machtiging ends, a client is
    # suspended) cannot deadlock.
    theirs = (
        select(_TOKEN_TABLE.c.id)
        .where(condition, _TOKEN_TABLE.c.revoked_at.is_(None))
        .order_by(_TOKEN_TABLE.c.id)
        .with_for_update()
    )
    closing = (
        update(_TOKEN_TABLE).where(_TOKEN_TABLE.c.id.in_(theirs)).values(revoked_at=at).returning(_TOKEN_TABLE.c.id)
    )
    return list(await session.scalars(closing))
