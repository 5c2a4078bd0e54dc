"""Chains of machtigingen (organisation to employee): a child never exceeds its parent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import EffectiveState, Machtiging, MachtigingScope, effective_state

_T = TypeVar("_T")
# At most organisation, team, employee: nobody can oversee a longer chain.
MAX_CHAIN_LENGTH = 3


def effective_themes(scope: MachtigingScope) -> frozenset[Theme]:
    """Return the themes of a scope without the excluded ones."""
    return (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes


def is_scope_within(child: MachtigingScope, parent: MachtigingScope) -> bool:
    """Return True if `parent` covers everything that `child` covers, acts included."""
    return (
        _is_limit_within(child.afzenders, parent.afzenders)
        and _is_limit_within(child.diensten, parent.diensten)
        and effective_themes(child) <= effective_themes(parent)
        and child.highest_sensitivity.is_at_most(parent.highest_sensitivity)
        and child.letters_from >= parent.letters_from
        and _is_limit_within(child.letters, parent.letters)
        and child.acts <= parent.acts
    )


def _is_limit_within(child: frozenset[_T] | None, parent: frozenset[_T] | None) -> bool:
    return parent is None or (child is not None and child <= parent)


def is_chain_in_force(machtiging: Machtiging, parents: Sequence[Machtiging], at: datetime) -> bool:
    """Return True if the machtiging and all its parents are in force at `at`.

    `parents` is the complete chain, the nearest first. A child must not exceed or outlive its parent, and must
    represent the same person (BW 3:64). An incomplete, inconsistent or too long chain is not in force.
    """
    line = [machtiging, *parents]
    if len(line) > MAX_CHAIN_LENGTH or line[-1].parent_id is not None:
        return False
    if any(effective_state(link, at) is not EffectiveState.IN_FORCE for link in line):
        return False
    return all(_is_child_of(child, parent) for child, parent in pairwise(line))


def _is_child_of(child: Machtiging, parent: Machtiging) -> bool:
    return (
        child.parent_id == parent.id
        and child.vertegenwoordigde_id == parent.vertegenwoordigde_id
        and child.period.ends_at <= parent.period.ends_at
        and is_scope_within(child.scope, parent.scope)
    )
