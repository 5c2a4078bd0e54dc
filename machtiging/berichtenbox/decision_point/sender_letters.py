"""Envelopes of the letters that one agency sent, for its questions about access (AuthZEN)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from machtiging.access.verdict import AccessTarget
from machtiging.berichtenbox.queries import BERICHT, build_access_target, in_box_conditions

_ENVELOPES = select(
    *(BERICHT.c.id, BERICHT.c.ontvanger_id, BERICHT.c.afzender_oin, BERICHT.c.dienst_code),
    *(BERICHT.c.theme, BERICHT.c.sensitivity, BERICHT.c.published_at),
)


class SenderLetters:
    """The letters of one sender. Those of others do not exist here, nor do unpublished and deleted ones."""

    async def find_letters(
        self, session: AsyncSession, oin: str, bericht_ids: Collection[UUID], at: datetime
    ) -> dict[UUID, AccessTarget]:
        """Find these letters of the sender, in one statement."""
        wanted = BERICHT.c.id == any_(literal(sorted(set(bericht_ids)), ARRAY(Uuid())))
        return await _load_targets(session, _of_sender(oin, at).where(wanted))

    async def list_box_letters(
        self,
        session: AsyncSession,
        oin: str,
        diensten: Collection[str],
        ontvanger_ids: Collection[UUID],
        *,
        after: UUID | None,
        limit: int,
        at: datetime,
    ) -> dict[UUID, AccessTarget]:
        """List the letters of these diensten in these boxes, in the order of their ids."""
        chosen = _of_sender(oin, at).where(
            BERICHT.c.ontvanger_id == any_(literal(sorted(set(ontvanger_ids)), ARRAY(Uuid()))),
            BERICHT.c.dienst_code == any_(literal(sorted(set(diensten)), ARRAY(Text))),
        )
        if after is not None:
            chosen = chosen.where(BERICHT.c.id > after)
        return await _load_targets(session, chosen.order_by(BERICHT.c.id).limit(limit))


def _of_sender(oin: str, at: datetime) -> Select[Any]:
    return _ENVELOPES.where(BERICHT.c.afzender_oin == oin, *in_box_conditions(at))


async def _load_targets(session: AsyncSession, chosen: Select[Any]) -> dict[UUID, AccessTarget]:
    rows = (await session.execute(chosen)).mappings().all()
    return {row["id"]: build_access_target(dict(row), "bericht", row["id"]) for row in rows}
