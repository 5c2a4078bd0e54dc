"""The question of an agency, in closed words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VerificationQuestion(StrEnum):
    """The kind of question that an agency asks."""

    VERIFY = "verifieren"
    EVALUATE = "evalueren"
    SEARCH = "zoeken"
    SEARCH_LETTERS = "brieven"
    CHANGES = "wijzigingen"


class Purpose(StrEnum):
    """The purpose for which an agency asks (AVG art. 5 lid 1 onder b)."""

    COUNTER = "balie"
    TELEPHONE = "telefoon"
    CASE_HANDLING = "behandelen"
    ACCESS_CONTROL = "toegang"


class IdentifierKind(StrEnum):
    """The kind of number by which an agency names the people of a question."""

    BSN = "bsn"
    PSEUDONYM = "pseudoniem"
    KVK = "kvk"
    MACHTIGING = "machtiging"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class EntitlementRequest:
    """One question to the rows. `afnemer` is an OIN, `dienst` a code.

    `own_dienst`: the dienst is one of this agency, and the agency is active.
    """

    afnemer: str
    question: VerificationQuestion
    dienst: str
    purpose: Purpose
    identifier: IdentifierKind
    own_dienst: bool

    def casbin_values(self) -> list[str | bool]:
        """Return the plain values in the order of the model."""
        words = (self.question.value, self.dienst, self.purpose.value, self.identifier.value)
        return [self.afnemer, *words, self.own_dienst]
