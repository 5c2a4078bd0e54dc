"""Preview of a helper's list, for the giver, before the machtiging exists.

The decision is that of the list itself. It opens no box: the giver sees her own letters through her own Permit.
"""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.access.guard import Policy
from machtiging.access.permit import is_listed
from machtiging.access.verdict import evaluate_future_listing
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import BerichtEnvelope, Capacity, MachtigingScope
from machtiging.kernel.assurance import Assurance

# The lowest level at which a machtiging can be given and accepted.
_LOWEST_LEVEL = Assurance.SUBSTANTIAL


@dataclass(frozen=True, slots=True)
class ListingPreview:
    """The pairs and the scope that a future helper could list."""

    allowed_pairs: frozenset[tuple[Theme, Sensitivity]]
    scope: MachtigingScope

    def includes_envelope(self, envelope: BerichtEnvelope) -> bool:
        """Return True for an envelope in the giver's box that the helper's list would show."""
        return is_listed(self.allowed_pairs, self.scope, envelope)


def preview_listing(policy: Policy, capacity: Capacity, scope: MachtigingScope) -> ListingPreview:
    """Decide what a helper in this capacity could list under this scope."""
    return ListingPreview(evaluate_future_listing(policy.decide, capacity, scope.acts, _LOWEST_LEVEL), scope)
