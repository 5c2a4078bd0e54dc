"""Find the senders of letters that a helper may see now, for journal lines."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import find_listing_limits
from machtiging.audit.queries import JournalEntry
from machtiging.berichtenbox.queries import BERICHT, BIJLAGE, build_envelope, in_box_conditions, select_sender_name
from machtiging.kernel.ids import BerichtId


class ListedLetter(NamedTuple):
    """A letter that `helper` may list now, and the name of its sender."""

    bericht_id: BerichtId
    sender: str
    helper: Actor


async def find_listed_senders(
    session: AsyncSession, policy: Policy, helper: Actor, object_ids: Collection[UUID], *, at: datetime
) -> dict[str, tuple[BerichtId, str]]:
    """Map ids of letters and bijlagen to the letter and the name of its sender.

    Only of letters that the helper's list would show now: none when the machtiging gives nothing. No letter is opened.
    """
    found = await find_listed_letters(session, policy, [helper], object_ids, at=at)
    return {key: (letter.bericht_id, letter.sender) for key, letter in found.items()}


async def find_listed_letters(
    session: AsyncSession, policy: Policy, helpers: Collection[Actor], object_ids: Collection[UUID], *, at: datetime
) -> dict[str, ListedLetter]:
    """Map ids of letters and bijlagen to the letters that a helper may list.

    One statement. The helpers are one person under several machtigingen. No letter is opened.
    """
    limits = [(one, found) for one in helpers if (found := find_listing_limits(policy, one, at)) is not None]
    if not limits or not object_ids:
        return {}
    columns = [
        BERICHT.c[name]
        for name in ("id", "ontvanger_id", "afzender_oin", "dienst_code", "theme", "sensitivity", "published_at")
    ]
    owners = sorted({one.vertegenwoordigde_id for one, _ in limits})
    hers = (BERICHT.c.ontvanger_id.in_(owners), *in_box_conditions(at))
    sender = select_sender_name().label("sender")
    letters = select(BERICHT.c.id.label("object_id"), *columns, sender).where(*hers, BERICHT.c.id.in_(object_ids))
    enclosed = select(BIJLAGE.c.id.label("object_id"), *columns, sender).join_from(BIJLAGE, BERICHT)
    rows = await session.execute(union_all(letters, enclosed.where(*hers, BIJLAGE.c.id.in_(object_ids))))
    letters_found = {}
    for row in map(dict, rows.mappings()):
        owner_id, envelope = row.pop("ontvanger_id"), build_envelope(row)
        for helper, listed in limits:
            if helper.vertegenwoordigde_id == owner_id and listed.includes_envelope(envelope):
                letters_found[str(row["object_id"])] = ListedLetter(BerichtId(row["id"]), row["sender"], helper)
                break
    return letters_found


def parse_letter_id(line: JournalEntry) -> UUID | None:
    """Return the id of the letter or attachment of a line, if valid."""
    if not line.object_id or line.object_kind not in ("bericht", "bijlage"):
        return None
    try:
        return UUID(line.object_id)
    except ValueError:
        return None
