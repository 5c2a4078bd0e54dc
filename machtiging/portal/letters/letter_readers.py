"""The people who opened a letter, in words for its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.own_box.readers import load_readers
from machtiging.berichtenbox.reader import BerichtView
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import load_purposes_of_giver
from machtiging.identity.people import load_profiles
from machtiging.identity.session import Visitor
from machtiging.message_catalogue import get_sentence
from machtiging.organisations.queries import load_organisation_names


@dataclass(frozen=True, slots=True)
class ReaderView:
    """A person who opened the letter. `machtiging_id` and `purpose` are those of the machtiging used, if known."""

    who: str
    opened_at: datetime
    machtiging_id: UUID | None = None
    purpose: str | None = None


async def describe_readers(
    session: AsyncSession, keyring: KeyRing, visitor: Visitor, letter: BerichtView
) -> list[ReaderView]:
    """Describe who opened the visitor's own letter: the visitor, then the helpers, first one first."""
    views = [] if letter.read_at is None else [ReaderView(get_sentence("letters.seen.you"), letter.read_at)]
    readers = await load_readers(session, visitor.person_id, letter.bericht_id)
    if not readers:
        return views
    profiles = await load_profiles(session, keyring, {reader.person_id for reader in readers})
    under = {reader.machtiging_id for reader in readers if reader.machtiging_id is not None}
    purposes = await load_purposes_of_giver(session, under, visitor.person_id)
    behalf = {reader.organisation_id for reader in readers if reader.organisation_id is not None}
    organisations = await load_organisation_names(session, behalf) if behalf else {}
    for reader in readers:
        profile = profiles.get(reader.person_id)
        name = profile.name if profile and profile.name else get_sentence("letters.seen.unknown")
        organisation = None if reader.organisation_id is None else organisations.get(reader.organisation_id)
        who = (
            get_sentence("letters.seen.helper", name=name)
            if organisation is None
            else get_sentence("letters.seen.employee", name=name, organisation=organisation)
        )
        mine = reader.machtiging_id if reader.machtiging_id in purposes else None
        views.append(ReaderView(who, reader.opened_at, mine, None if mine is None else purposes[mine]))
    return views
