"""What deciding gives back: never a bare boolean, always with the row or the reason."""

from __future__ import annotations

from dataclasses import dataclass

DENIED_BY_ROW = "beleid_verbiedt"
NO_ROW = "beleid_kent_dit_niet"
FAILED = "beslissing_mislukt"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes, by this row of the policy."""

    row: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No: `row` is the row that denies, or None when no row allows or when deciding failed (`reason` says which)."""

    row: str | None
    reason: str


Decision = Allowed | Refused
