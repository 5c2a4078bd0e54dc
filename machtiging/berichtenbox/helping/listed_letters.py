"""Find the senders of letters that a helper may see now, for journal lines."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import find_listing_limits
from machtiging.berichtenbox.queries import BERICHT, BIJLAGE, build_envelope, in_box_conditions, select_sender_name
from machtiging.kernel.ids import BerichtId


async def find_listed_senders(
    session: AsyncSession, policy: Policy, helper: Actor, object_ids: Collection[UUID], *, at: datetime
) -> dict[str, tuple[BerichtId, str]]:
    """Map ids of letters and bijlagen to the letter and the name of its sender.

    Only of letters that the helper's list would show now: none when the machtiging gives nothing. No letter is opened.
    """
    limits = find_listing_limits(policy, helper, at)
    if limits is None or not object_ids:
        return {}
    columns = [
        BERICHT.c[name] for name in ("id", "afzender_oin", "dienst_code", "theme", "sensitivity", "published_at")
    ]
    hers = (BERICHT.c.ontvanger_id == helper.vertegenwoordigde_id, *in_box_conditions(at))
    sender = select_sender_name().label("sender")
    letters = select(BERICHT.c.id.label("object_id"), *columns, sender).where(*hers, BERICHT.c.id.in_(object_ids))
    enclosed = select(BIJLAGE.c.id.label("object_id"), *columns, sender).join_from(BIJLAGE, BERICHT)
    rows = await session.execute(union_all(letters, enclosed.where(*hers, BIJLAGE.c.id.in_(object_ids))))
    return {
        str(row["object_id"]): (BerichtId(row["id"]), row["sender"])
        for row in map(dict, rows.mappings())
        if limits.includes_envelope(build_envelope(row))
    }
