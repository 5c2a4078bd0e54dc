"""The giver's own letters, divided into what a future helper would see and what not.

Only her own box, with her own Permit. The division is the decision of the helper's list (`access.listing_preview`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_listing_permit
from machtiging.access.listing_preview import ListingPreview
from machtiging.berichtenbox.bericht_list import permit_conditions
from machtiging.berichtenbox.queries import BERICHT, Afzender, build_envelope, in_box_conditions, select_page
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.ids import BerichtId, PersonId

MAX_PREVIEWED_LETTERS = 500
_COLUMNS = tuple(
    BERICHT.c[name]
    for name in (
        *("id", "ontvanger_id", "afzender_oin", "dienst_code", "theme", "sensitivity", "published_at"),
        *("onderwerp_sealed", "read_at"),
    )
)


@dataclass(frozen=True, slots=True)
class PreviewedLetter:
    """One letter in a preview."""

    bericht_id: BerichtId
    afzender: Afzender
    onderwerp: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class LetterPreview:
    """The letters that the helper would see and would not see, newest first.

    `is_complete` is False if the box has more letters than a preview shows.
    """

    visible: list[PreviewedLetter]
    hidden: list[PreviewedLetter]
    is_complete: bool


async def preview_letters(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    owner: Actor,
    preview: ListingPreview,
    since: datetime,
    *,
    at: datetime,
) -> LetterPreview:
    """Load the owner's letters since an instant and divide them. Raises as `issue_listing_permit`."""
    permit = await issue_listing_permit(session, policy, owner, at=at)
    chosen = select(*_COLUMNS).where(
        *in_box_conditions(at), *permit_conditions(permit), BERICHT.c.published_at >= since
    )
    newest = chosen.order_by(BERICHT.c.published_at.desc(), BERICHT.c.id.desc()).limit(MAX_PREVIEWED_LETTERS + 1)
    rows = (await session.execute(select_page(permit.actor_id, newest))).mappings().all()
    key = await load_data_key(session, keyring, permit.vertegenwoordigde_id)
    divided: dict[bool, list[PreviewedLetter]] = {True: [], False: []}
    for row in rows[:MAX_PREVIEWED_LETTERS]:
        letter = PreviewedLetter(
            bericht_id=BerichtId(row["id"]),
            afzender=Afzender(row["afzender_oin"], row["afzender_naam"]),
            onderwerp=key.decrypt(row["onderwerp_sealed"], "bericht", str(row["id"]), "onderwerp").decode(),
            published_at=row["published_at"],
        )
        divided[preview.includes_envelope(build_envelope(row))].append(letter)
    return LetterPreview(divided[True], divided[False], is_complete=len(rows) <= MAX_PREVIEWED_LETTERS)


async def count_letters_per_sender(
    session: AsyncSession, owner_id: PersonId, since: datetime, *, at: datetime
) -> dict[str, int]:
    """Count the letters since an instant in the owner's own box, per OIN. Every sender has an entry."""
    recent = func.count().filter(BERICHT.c.published_at >= since)
    mine = select(BERICHT.c.afzender_oin, recent).where(*in_box_conditions(at), BERICHT.c.ontvanger_id == owner_id)
    rows = await session.execute(mine.group_by(BERICHT.c.afzender_oin))
    return {row[0]: row[1] for row in rows}
