"""Names for journal lines: people, apps, organisations, letters and machtigingen, in two statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import select_agency_names
from machtiging.audit.access_history.weekly_access import WeekCount
from machtiging.audit.journal import OPERATOR
from machtiging.audit.queries import JournalEntry
from machtiging.berichtenbox.helping.listed_letters import parse_letter_id
from machtiging.berichtenbox.queries import select_own_letters
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.queries import select_purposes_of_giver, select_replaced_people
from machtiging.identity.people import load_profiles
from machtiging.kernel.ids import BerichtId, PersonId
from machtiging.message_catalogue import get_sentence
from machtiging.oauth.queries import select_client_names
from machtiging.organisations.queries import select_organisation_names

_APP, _ORGANISATION, _PURPOSE, _LETTER, _AGENCY = ("app", "organisation", "purpose", "letter", "agency")
_REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class LineNames:
    """The names that the lines of one reader need. `viewer_id` is "U"."""

    viewer_id: PersonId
    people: Mapping[PersonId, str]
    apps: Mapping[str, str] = field(default_factory=dict)
    organisations: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)
    letters: Mapping[str, tuple[BerichtId, str]] = field(default_factory=dict)
    agencies: Mapping[str, str] = field(default_factory=dict)
    # By machtiging: the replacement and the absent colleague of a stand-in.
    replaced: Mapping[str, tuple[UUID, UUID]] = field(default_factory=dict)

    def name_person(self, person_id: UUID) -> str:
        """Return the name of a person as given by the login."""
        return self.people.get(PersonId(person_id)) or get_sentence("history.unknown_person")

    def name_actor(self, line: JournalEntry, actor_id: UUID) -> str:
        """Return the name of the person who acted; of a stand-in also the absent colleague."""
        replacement_id, absent_id = self.replaced.get(str(line.machtiging_id), (None, None))
        name = self.name_person(actor_id)
        if absent_id is None or replacement_id != actor_id:
            return name
        return get_sentence("labels.stand_in", name=name, absent=self.name_person(absent_id))

    def name_app(self, client_id: str | None) -> str | None:
        """Return the name of an app, also of a removed one; None without an app."""
        return None if client_id is None else self.apps.get(client_id) or get_sentence("history.unknown_app")

    def name_agency(self, oin: object) -> str:
        """Return the name of an agency, also of a removed one."""
        return self.agencies.get(str(oin)) or get_sentence("history.unknown_sender")

    def find_letter(self, line: JournalEntry) -> tuple[BerichtId, str] | None:
        """Return the reader's own letter of this line, with the name of its sender."""
        object_id = parse_letter_id(line)
        return None if object_id is None else self.letters.get(str(object_id))


async def load_line_names(
    session: AsyncSession,
    keyring: KeyRing,
    viewer_id: PersonId,
    lines: Sequence[JournalEntry],
    counts: Sequence[WeekCount] = (),
) -> LineNames:
    """Load the names for these lines and counts."""
    actors = {line.actor_id for line in lines if line.capacity != OPERATOR} | {count.actor_id for count in counts}
    apps = {line.client_id for line in lines} | {count.client_id for count in counts}
    found = await _load_names(
        session,
        {
            _APP: select_client_names({client_id for client_id in apps if client_id is not None}),
            _ORGANISATION: select_organisation_names(_collect(line.on_behalf_of for line in lines)),
            _PURPOSE: select_purposes_of_giver(_collect(line.machtiging_id for line in lines), viewer_id),
            _REPLACED: select_replaced_people(_collect(line.machtiging_id for line in lines), viewer_id),
        },
        select_own_letters(_collect(map(parse_letter_id, lines)), viewer_id),
    )
    senders = found[_AGENCY]
    letters = {
        key: (BerichtId(UUID(letter)), senders.get(sender) or get_sentence("history.unknown_sender"))
        for key, letter, sender in found[_LETTER].values()
    }
    replaced = _parse_replaced(found[_REPLACED])
    absent_ids = {absent_id for _, absent_id in replaced.values()}
    person_ids = {PersonId(one) for one in {*actors, *absent_ids} if one is not None} - {viewer_id}
    profiles = await load_profiles(session, keyring, person_ids)
    people = {person_id: profile.name for person_id, profile in profiles.items()}
    return LineNames(viewer_id, people, found[_APP], found[_ORGANISATION], found[_PURPOSE], letters, senders, replaced)


def _parse_replaced(found: Mapping[str, str]) -> dict[str, tuple[UUID, UUID]]:
    """Parse the two people of each stand-in. An employee who never logged in is left out."""
    pairs = {key: [UUID(one) for one in people.split()] for key, people in found.items()}
    return {key: (pair[0], pair[1]) for key, pair in pairs.items() if len(pair) == 2}


def _collect(ids: Any) -> set[UUID]:
    return {one for one in ids if one is not None}


async def _load_names(
    session: AsyncSession, named: Mapping[str, Select[Any]], letters: Select[Any]
) -> dict[str, dict[str, Any]]:
    """Load all in one statement: names by key; of letters, the whole row by key."""
    parts = [
        select(literal(kind), one.c.key, one.c.name, cast(null(), Text))
        for kind, one in ((kind, statement.subquery()) for kind, statement in named.items())
    ]
    agencies, of_letters = select_agency_names().subquery(), letters.subquery()
    parts.append(select(literal(_AGENCY), agencies.c.key, agencies.c.name, cast(null(), Text)))
    parts.append(select(literal(_LETTER), of_letters.c.key, of_letters.c.letter, of_letters.c.afzender))
    found: dict[str, dict[str, Any]] = {kind: {} for kind in (*named, _AGENCY, _LETTER)}
    for kind, key, name, more in await session.execute(union_all(*parts)):
        found[kind][key] = (key, name, more) if kind == _LETTER else name
    return found


def collect_people(counts: Collection[WeekCount]) -> list[UUID]:
    """Return the people of these counts, the one who opened most first."""
    totals: dict[UUID, int] = {}
    for count in counts:
        if count.actor_id is not None:
            totals[count.actor_id] = totals.get(count.actor_id, 0) + count.letters + count.attachments
    return sorted(totals, key=lambda actor_id: (-totals[actor_id], actor_id))
