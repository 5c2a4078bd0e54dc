"""Policy decisions: allowed by a row, or denied with a reason code."""

from __future__ import annotations

from dataclasses import dataclass

DENIED_BY_ROW = "beleid_verbiedt"
NO_ROW = "beleid_kent_dit_niet"
FAILED = "beslissing_mislukt"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The policy allows the request; `row_id` is the row that allowed it."""

    row: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy denies the request.

    `row_id` is the row that denied it; None when no row matched or the decision failed. `reason` tells these apart.
    """

    row: str | None
    reason: str


Decision = Allowed | Refused
