"""Verification codes: purposes, life, format and the reasons why one gives no answer. Pure except for randomness.

A code has seven random characters and a check character in Crockford base32: 35 bits. That is short enough to read
aloud. Guessing is infeasible: a code works for one agency and one purpose, once and briefly, and tries are limited.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.readable_code import CODE_ALPHABET, compute_check_character

CODE_LENGTH, GROUP_LENGTH = 8, 4
# The purpose of the blind index of these codes.
CODE_INDEX_PURPOSE = "controlecode"
MAX_OPEN_CODES = 5
MAX_CODES_PER_DAY = 20
# The answer for every code that does not work. The journal has the exact reason.
CODE_INVALID = "code_niet_geldig"


class CodePurpose(StrEnum):
    """The purpose for which the agency may ask with a code."""

    COUNTER = "balie"
    TELEPHONE = "telefoon"
    CASE_HANDLING = "behandelen"


class CodeLife(StrEnum):
    """The life of a code, as its maker chooses it."""

    QUARTER_HOUR = "kwartier"
    DAY = "dag"
    WEEK = "week"

    @property
    def duration(self) -> timedelta:
        """The time in which the code works."""
        return _DURATIONS[self]


_DURATIONS = {
    CodeLife.QUARTER_HOUR: timedelta(minutes=15),
    CodeLife.DAY: timedelta(days=1),
    CodeLife.WEEK: timedelta(days=7),
}


class CodeState(StrEnum):
    """The state of a code, for its maker."""

    OPEN = "open"
    USED = "gebruikt"
    WITHDRAWN = "ingetrokken"
    EXPIRED = "verlopen"


class CodeProblem(StrEnum):
    """The exact reason why a code gives no answer. Only the journal has it."""

    MALFORMED = "code_verschreven"
    UNKNOWN = "code_onbekend"
    OTHER_AGENCY = "code_van_andere_afzender"
    OTHER_PURPOSE = "code_voor_ander_doel"
    OTHER_DIENST = "code_voor_andere_dienst"
    WITHDRAWN = "code_ingetrokken"
    USED = "code_gebruikt"
    EXPIRED = "code_verlopen"


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """The choice of the maker. `dienst` None: every dienst of the agency that the machtiging covers."""

    oin: str
    purpose: CodePurpose
    life: CodeLife
    dienst: str | None = None


@dataclass(frozen=True, slots=True)
class CodeAsker:
    """An agency that asks with a code, through an employee or a client.

    `organisation_id` is the organisation of the employee.
    """

    oin: str
    person_id: PersonId | None = None
    organisation_id: UUID | None = None
    client_id: str | None = None

    @property
    def key(self) -> str:
        """The name under which failed tries are counted."""
        return f"client:{self.client_id}" if self.person_id is None else f"person:{self.person_id}"


@dataclass(frozen=True, slots=True)
class VerificationCode:
    """A verification code. `code` is the text itself: only for its maker, and only while it is open."""

    id: UUID
    machtiging_id: MachtigingId
    vertegenwoordigde_id: PersonId
    maker_id: PersonId
    organisation_id: UUID | None
    oin: str
    dienst: str | None
    purpose: CodePurpose
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: PersonId | None
    used_dienst: str | None
    is_yes: bool | None
    answer_id: UUID | None
    withdrawn_at: datetime | None
    code: str | None = None

    def state_at(self, at: datetime) -> CodeState:
        """Return the state at an instant."""
        if self.used_at is not None:
            return CodeState.USED
        if self.withdrawn_at is not None:
            return CodeState.WITHDRAWN
        return CodeState.OPEN if self.created_at <= at < self.expires_at else CodeState.EXPIRED

    def find_problem(self, oin: str, purpose: str, dienst: str | None, at: datetime) -> CodeProblem | None:
        """Return the reason why the code gives no answer to this question; else None."""
        if self.oin != oin:
            return CodeProblem.OTHER_AGENCY
        if self.purpose.value != purpose:
            return CodeProblem.OTHER_PURPOSE
        if self.dienst is not None and dienst != self.dienst:
            return CodeProblem.OTHER_DIENST
        return _STATE_PROBLEMS.get(self.state_at(at))


_STATE_PROBLEMS = {
    CodeState.USED: CodeProblem.USED,
    CodeState.WITHDRAWN: CodeProblem.WITHDRAWN,
    CodeState.EXPIRED: CodeProblem.EXPIRED,
}


def generate_code() -> str:
    """Generate a code without separators."""
    body = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH - 1))
    return body + compute_check_character(body)


def format_code(code: str) -> str:
    """Format the code for people: XXXX-XXXX."""
    return "-".join(code[start : start + GROUP_LENGTH] for start in range(0, len(code), GROUP_LENGTH))


def is_well_formed_code(code: str) -> bool:
    """Check length, alphabet and check character of a normalised code."""
    return (
        len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET) and compute_check_character(code[:-1]) == code[-1]
    )
