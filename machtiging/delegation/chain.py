"""When a machtiging hangs on another (organisation -> employee): it never outlives or exceeds it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import Machtiging, Scope, Standing, standing

# Organisation -> team -> employee at most. Longer ones are refused: nobody oversees them.
LONGEST_CHAIN = 3


def remaining_themes(scope: Scope) -> frozenset[Theme]:
    """The themes that are left when the excluded ones are taken away."""
    return (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes


def within(child: Scope, parent: Scope) -> bool:
    """Whether everything that `child` covers is covered by `parent` too, and no act is added."""
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
    """Whether the machtiging and all above it hold at `at`, `parents` being its complete line, the nearest first.

    A child never exceeds its parent, never outlives it and speaks for the same person (BW 3:64). A line that is
    incomplete, too long or does not fit together is not in force.
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
