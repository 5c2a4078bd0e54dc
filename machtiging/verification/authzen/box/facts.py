"""Facts for questions about the box: letters, parties and authorities, loaded for a whole batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.verdict import AccessTarget
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.between_parties import load_authorities_between
from machtiging.delegation.authority.rules import Authority
from machtiging.identity.tables import Person
from machtiging.storage.columns import table_of
from machtiging.verification.authzen.box.questions import BoxQuestion
from machtiging.verification.parties import ResolvedParties, resolve_parties
from machtiging.verification.rules import PartyReference, PartyType

_PERSON = table_of(Person)
_NOBODY: frozenset[UUID] = frozenset()
# Stands for the person of a BSN that nobody has here. No row has this id.
_UNKNOWN_PERSON = UUID(int=0)


class LetterSource(Protocol):
    """The envelopes of the letters of one sender. Letters of others do not exist in it."""

    async def find_letters(
        self, session: AsyncSession, oin: str, bericht_ids: Collection[UUID], at: datetime
    ) -> dict[UUID, AccessTarget]:
        """Find these letters."""

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


class NoLetters:
    """The source of an application without a box: every letter is unknown."""

    async def find_letters(
        self, session: AsyncSession, oin: str, bericht_ids: Collection[UUID], at: datetime
    ) -> dict[UUID, AccessTarget]:
        """Find none."""
        return {}

    async def list_box_letters(self, *_place: object, **_page: object) -> dict[UUID, AccessTarget]:
        """List none."""
        return {}


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """The facts behind a batch of questions."""

    letters: Mapping[UUID, AccessTarget] = field(default_factory=dict)
    parties: ResolvedParties = field(default_factory=dict)
    by_represented: Mapping[UUID, Sequence[Authority]] = field(default_factory=dict)
    people: frozenset[UUID] = frozenset()

    def find_letter(self, question: BoxQuestion) -> AccessTarget | None:
        """Return the letter of the question, if the agency sent it."""
        return None if question.bericht_id is None else self.letters.get(question.bericht_id)

    def find_represented(self, question: BoxQuestion) -> frozenset[UUID]:
        """Return the represented parties: the owner of the letter, or who is named."""
        if question.represented is not None:
            return self.parties.get(question.represented, _NOBODY)
        letter = self.find_letter(question)
        return _NOBODY if letter is None or letter.ontvanger_id is None else frozenset({letter.ontvanger_id})

    def find_holders(self, question: BoxQuestion) -> frozenset[UUID]:
        """Return the parties that the subject names."""
        return self.parties.get(question.subject, _NOBODY)

    def find_own_boxes(self, question: BoxQuestion) -> frozenset[UUID]:
        """Return the person if the subject is the represented. An organisation opens no box by itself.

        A BSN that nobody has here gets the answer of a person too: else the answer would tell that she exists.
        """
        own = self.find_holders(question) & self.find_represented(question) & self.people
        is_own_bsn = question.subject.type is PartyType.BSN and question.subject == question.represented
        return own or (frozenset({_UNKNOWN_PERSON}) if is_own_bsn else _NOBODY)

    def find_authorities(self, question: BoxQuestion) -> list[Authority]:
        """Return what the subject holds for the represented."""
        holders = self.find_holders(question)
        return [
            authority
            for party_id in self.find_represented(question)
            for authority in self.by_represented.get(party_id, ())
            if find_holder_id(authority) in holders
        ]


def find_holder_id(authority: Authority) -> UUID | None:
    """Return the holder: a person, or the organisation if no employee is named."""
    if authority.holder_id is not None:
        return authority.holder_id
    return authority.organisation_id if len(authority.links) == 1 else None


async def load_letters(
    session: AsyncSession, source: LetterSource, oin: str, questions: Sequence[BoxQuestion], at: datetime
) -> dict[UUID, AccessTarget]:
    """Load the letters of the questions, in one statement."""
    wanted = {one.bericht_id for one in questions if one.bericht_id is not None}
    return await source.find_letters(session, oin, wanted, at)


async def load_box_facts(
    session: AsyncSession,
    keyring: KeyRing,
    oin: str,
    questions: Sequence[BoxQuestion],
    letters: Mapping[UUID, AccessTarget],
    *,
    at: datetime,
) -> BoxFacts:
    """Load parties and authorities. The number of statements does not depend on questions or on what is found."""
    references: set[PartyReference] = {reference for one in questions for reference in one.references}
    parties = await resolve_parties(session, keyring, oin, references)
    facts = BoxFacts(letters, parties)
    represented = {party_id for one in questions for party_id in facts.find_represented(one)}
    holders = {party_id for one in questions for party_id in facts.find_holders(one)}
    by_represented: dict[UUID, list[Authority]] = {}
    for authority in await load_authorities_between(session, represented, holders, (), at=at):
        by_represented.setdefault(authority.vertegenwoordigde_id, []).append(authority)
    people = await _select_people(session, represented & holders)
    return BoxFacts(letters, parties, by_represented, people)


async def _select_people(session: AsyncSession, party_ids: Collection[UUID]) -> frozenset[UUID]:
    wanted = _PERSON.c.id == any_(literal(sorted(party_ids), ARRAY(Uuid())))
    return frozenset((await session.scalars(select(_PERSON.c.id).where(wanted))).all())
