"""Policy decisions: allowed by a row, or denied with a reason code."""

from __future__ import annotations

from dataclasses import dataclass

DENIED_BY_POLICY_ROW = "beleid_verbiedt"
NO_MATCHING_POLICY_ROW = "beleid_kent_dit_niet"
DECISION_FAILED = "beslissing_mislukt"


@dataclass(frozen=True, slots=True)
class PolicyAllowed:
    """The policy allows the request; `policy_row_id` is the row that allowed it."""

    policy_row_id: str


@dataclass(frozen=True, slots=True)
class PolicyDenied:
    """The policy denies the request.

    `policy_row_id` is the row that denied it; None when no row matched or the decision failed. `reason` tells these
    apart.
    """

    policy_row_id: str | None
    reason: str


PolicyDecision = PolicyAllowed | PolicyDenied
