"""A verification: the question of an agency, and its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from machtiging.access.entitlements.rules import IdentifierKind, Purpose
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import Refusal

MAX_VERIFICATIONS_PER_CALL = 1_000
# Each code and each instant in the past takes statements of its own.
MAX_CODES_PER_CALL, MAX_MOMENTS_PER_CALL = 10, 10
# Every "no" about people has this one reason: an agency learns nothing of a machtiging that gives no access.
NO_VALID_MACHTIGING = "geen_geldige_machtiging"


class PartyType(StrEnum):
    """The kind of number of a party, as on the wire."""

    BSN = "BSN"
    PSEUDONYM = "PSEUDONIEM"
    KVK = "KVK"

    @property
    def identifier(self) -> IdentifierKind:
        """The kind of identifier for which an agency needs an entitlement."""
        return IdentifierKind(self.value.lower())


@dataclass(frozen=True, slots=True)
class PartyReference:
    """A party as the agency names it. A BSN hides itself when printed."""

    type: PartyType
    number: Bsn | str


@dataclass(frozen=True, slots=True)
class Verification:
    """One question: may this gemachtigde act for this vertegenwoordigde in this dienst.

    Either both parties are named, or the machtiging; or all three, which must then agree. A code stands for a
    machtiging: `machtiging_id` is what it was made for. `dienst`: the code of a
    dienst of the agency. `act`: None asks for any act. `as_of`: an instant in the past; None is now. `salt` and
    `digest` bind the signed answer to the question.
    """

    dienst: str
    purpose: Purpose
    salt: str
    digest: str
    vertegenwoordigde: PartyReference | None = None
    gemachtigde: PartyReference | None = None
    machtiging_id: UUID | None = None
    code: str | None = field(default=None, repr=False)
    act: Act | None = None
    as_of: datetime | None = None
    reference: str | None = None

    @property
    def identifiers(self) -> frozenset[IdentifierKind]:
        """The kinds of identifiers in the question. The agency needs an entitlement for each."""
        if self.code is not None:
            return frozenset({IdentifierKind.CODE})
        parties = (self.vertegenwoordigde, self.gemachtigde)
        found = {party.type.identifier for party in parties if party is not None}
        return frozenset(found if self.machtiging_id is None else {*found, IdentifierKind.MACHTIGING})


@dataclass(frozen=True, slots=True)
class VerificationAnswer:
    """The answer to one question, which is also one journal line with this id.

    Of a "no" only the question and the reason are there. `levels`: each allowed act with the lowest login for it.
    """

    id: UUID
    question: Verification
    answered_at: datetime
    represented_id: UUID | None
    holder_id: UUID | None
    authority: Authority | None
    levels: Mapping[Act, Assurance]
    policy_digest: str

    @property
    def is_yes(self) -> bool:
        """True if the asked act, or without one any act, is allowed."""
        return bool(self.levels) if self.question.act is None else self.question.act in self.levels

    @property
    def as_of(self) -> datetime:
        """The instant that the answer is about."""
        return self.question.as_of or self.answered_at


# What an agency asks, or the refusal of something that cannot be asked; and what it gets.
Question = Verification | Refusal
VerificationResult = VerificationAnswer | Refusal
