"""Links of a chain and what their scopes have in common. Pure."""

from __future__ import annotations

from typing import TypeVar

from machtiging.delegation.rules import Machtiging, MachtigingScope

_T = TypeVar("_T")
# At most organisation, team, employee: nobody can oversee a longer chain.
MAX_CHAIN_LENGTH = 3


def intersect_scopes(one: MachtigingScope, other: MachtigingScope) -> MachtigingScope:
    """Return the scope that covers a bericht if and only if both do."""
    lowest = one.highest_sensitivity if one.highest_sensitivity.is_at_most(other.highest_sensitivity) else None
    return MachtigingScope(
        afzenders=_intersect_limits(one.afzenders, other.afzenders),
        diensten=_intersect_limits(one.diensten, other.diensten),
        themes=_intersect_limits(one.themes, other.themes),
        excluded_themes=one.excluded_themes | other.excluded_themes,
        highest_sensitivity=lowest or other.highest_sensitivity,
        letters_from=max(one.letters_from, other.letters_from),
        acts=one.acts & other.acts,
        letters=_intersect_limits(one.letters, other.letters),
    )


def _intersect_limits(one: frozenset[_T] | None, other: frozenset[_T] | None) -> frozenset[_T] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def is_child_of(child: Machtiging, parent: Machtiging) -> bool:
    """Return True if `child` is a link under `parent`, for one party in one capacity.

    Scope and period need no check: an authority has what all its links leave (BW 3:64).
    """
    return (
        child.parent_id == parent.id
        and child.vertegenwoordigde_id == parent.vertegenwoordigde_id
        and child.capacity == parent.capacity
    )
