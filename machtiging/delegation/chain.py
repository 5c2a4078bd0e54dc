"""Chains of machtigingen (organisation to employee): a child never exceeds its parent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import Machtiging, Scope, Standing, standing

# At most organisation, team, employee: nobody can oversee a longer chain.
LONGEST_CHAIN = 3


def remaining_themes(scope: Scope) -> frozenset[Theme]:
    """Return the themes of a scope without the excluded ones."""
    return (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes


def within(child: Scope, parent: Scope) -> bool:
    """Return True if `parent` covers everything that `child` covers, acts included."""
    return (
        _narrower(child.afzenders, parent.afzenders)
        and _narrower(child.diensten, parent.diensten)
        and remaining_themes(child) <= remaining_themes(parent)
        and child.highest_sensitivity.at_most(parent.highest_sensitivity)
        and child.letters_from >= parent.letters_from
        and child.acts <= parent.acts
    )


def _narrower(child: frozenset[str] | None, parent: frozenset[str] | None) -> bool:
    return parent is None or (child is not None and child <= parent)


def chain_in_force(machtiging: Machtiging, parents: Sequence[Machtiging], at: datetime) -> bool:
    """Return True if the machtiging and all its parents are in force at `at`.

    `parents` is the complete chain, the nearest first. A child must not exceed or outlive its parent, and must
    represent the same person (BW 3:64). An incomplete, inconsistent or too long chain is not in force.
    """
    line = [machtiging, *parents]
    if len(line) > LONGEST_CHAIN or line[-1].parent_id is not None:
        return False
    if any(standing(link, at) is not Standing.IN_FORCE for link in line):
        return False
    return all(_hangs_on(child, parent) for child, parent in pairwise(line))


def _hangs_on(child: Machtiging, parent: Machtiging) -> bool:
    return (
        child.parent_id == parent.id
        and child.vertegenwoordigde_id == parent.vertegenwoordigde_id
        and child.period.ends_at <= parent.period.ends_at
        and within(child.scope, parent.scope)
    )
