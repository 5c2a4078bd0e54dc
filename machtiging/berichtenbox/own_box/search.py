"""Search the letters of the own box by sender and subject.

The subjects are encrypted, so no index can find them. The search decrypts them in the request of the citizen, newest
first, and stops at a limit. Its cursor continues there.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy, issue_listing_permit
from machtiging.access.permit import ListingPermit
from machtiging.berichtenbox.bericht_list import (
    BerichtPage,
    BerichtSummary,
    build_summary,
    decode_cursor,
    decrypt_onderwerp,
    encode_cursor,
    select_summaries,
)
from machtiging.berichtenbox.queries import select_page
from machtiging.berichtenbox.rules import WHOLE_BOX
from machtiging.crypto.envelope_encryption import DataKey
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.rules import Capacity
from machtiging.identity.people import load_data_key
from machtiging.kernel.errors import Fault

# The letters that one request decrypts at most, and those that one statement fetches.
SEARCH_LIMIT = 2000
_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class BerichtSearch:
    """A search in the own box: its words, cursor and page size."""

    text: str
    cursor: str | None
    size: int


class BerichtSearchResult(NamedTuple):
    """The found letters, newest first. `is_limited`: the search stopped at the limit and older letters exist."""

    page: BerichtPage
    is_limited: bool


async def search_berichten(
    session: AsyncSession, keyring: KeyRing, policy: Policy, actor: Actor, search: BerichtSearch, *, at: datetime
) -> BerichtSearchResult:
    """Search the own box. Every word must be in the subject or in the name of the sender.

    Raises as `issue_listing_permit` does, and InvalidInput `cursor_ongeldig`.
    """
    permit = await issue_listing_permit(session, policy, actor, at=at)
    if permit.capacity is not Capacity.SELF:
        raise Fault("zoeken_in_andere_box", private="a search decrypts subjects of the own box only")
    key = await load_data_key(session, keyring, permit.vertegenwoordigde_id)
    return await _scan_box(session, keyring, permit, key, search)


async def _scan_box(
    session: AsyncSession, keyring: KeyRing, permit: ListingPermit, key: DataKey, search: BerichtSearch
) -> BerichtSearchResult:
    words = fold_text(search.text).split()
    position = None if search.cursor is None else decode_cursor(keyring, permit, search.cursor)
    found: list[BerichtSummary] = []
    last_found: str | None = None
    for _ in range(SEARCH_LIMIT // _BATCH_SIZE):
        chosen = select_summaries(permit, WHOLE_BOX, position).limit(_BATCH_SIZE)
        rows = (await session.execute(select_page(permit.actor_id, chosen))).all()
        for row in rows:
            onderwerp = decrypt_onderwerp(key, row)
            if not _contains_words(f"{row.afzender_naam} {onderwerp}", words):
                continue
            if len(found) == search.size:
                return BerichtSearchResult(BerichtPage(found, last_found), is_limited=False)
            found.append(build_summary(permit, row, onderwerp))
            last_found = encode_cursor(keyring, permit, row)
        if len(rows) < _BATCH_SIZE:
            return BerichtSearchResult(BerichtPage(found, None), is_limited=False)
        position = rows[-1].published_at, rows[-1].id
    return BerichtSearchResult(BerichtPage(found, encode_cursor(keyring, permit, rows[-1])), is_limited=True)


def _contains_words(text: str, words: list[str]) -> bool:
    folded = fold_text(text)
    return all(word in folded for word in words)


def fold_text(text: str) -> str:
    """Return the text without accents and capitals, so that "creme" finds "Crème"."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()
