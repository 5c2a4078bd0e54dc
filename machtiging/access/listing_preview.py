"""The limits of a helper's list, without opening a box.

For the giver, before the machtiging exists: she sees her own letters through her own Permit. For a helper, to count new
letters. The decision is that of the list itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.permit import is_listed
from machtiging.access.verdict import evaluate_future_listing, evaluate_listing
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import BerichtEnvelope, Capacity, MachtigingScope
from machtiging.kernel.assurance import Assurance

# The lowest level at which a machtiging can be given and accepted.
_LOWEST_LEVEL = Assurance.SUBSTANTIAL


@dataclass(frozen=True, slots=True)
class ListingPreview:
    """The pairs and the scope that a helper could list."""

    allowed_pairs: frozenset[tuple[Theme, Sensitivity]]
    scope: MachtigingScope

    def includes_envelope(self, envelope: BerichtEnvelope) -> bool:
        """Return True for an envelope in the giver's box that the list would show."""
        return is_listed(self.allowed_pairs, self.scope, envelope)


def preview_listing(policy: Policy, capacity: Capacity, scope: MachtigingScope) -> ListingPreview:
    """Decide what a helper in this capacity could list under this scope."""
    return ListingPreview(evaluate_future_listing(policy.decide, capacity, scope.acts, _LOWEST_LEVEL), scope)


def find_listing_limits(policy: Policy, actor: Actor, at: datetime) -> ListingPreview | None:
    """Return the limits of the list that this helper could open now.

    None if it would be refused.
    """
    verdict, pairs = evaluate_listing(policy.decide, actor, at)
    if verdict.refusal is not None or actor.authority is None:
        return None
    return ListingPreview(pairs, actor.authority.scope)
