"""A machtiging in the form that tokens and grants know: `access_tokens.representation.Representation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from machtiging.delegation.queries import machtiging_from_mapping
from machtiging.delegation.rules import (
    EffectiveState,
    Machtiging,
    MachtigingState,
    effective_state,
    is_usable,
    organisation_matches,
    unusable_reason,
)
from machtiging.kernel.ids import MachtigingId, PersonId


@dataclass(frozen=True, slots=True)
class MachtigingRepresentation:
    """One machtiging, as the representation under which a token or grant is used."""

    machtiging: Machtiging

    @property
    def machtiging_id(self) -> MachtigingId:
        """The id of the machtiging."""
        return self.machtiging.id

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """The represented person."""
        return self.machtiging.vertegenwoordigde_id

    @property
    def capacity(self) -> str:
        """The capacity of the gemachtigde."""
        return self.machtiging.capacity

    @property
    def ends_at(self) -> datetime:
        """The end of the period."""
        return self.machtiging.period.ends_at

    def is_current(self, organisation_kvk: str | None, at: datetime) -> bool:
        """Return True for a machtiging of this organisation that is in force or paused."""
        return organisation_matches(self.machtiging, organisation_kvk) and effective_state(self.machtiging, at) in (
            EffectiveState.IN_FORCE,
            EffectiveState.PAUSED,
        )

    @property
    def has_ended(self) -> bool:
        """True after withdrawal, return or refusal."""
        return self.machtiging.state is MachtigingState.ENDED

    def refusal(self, person_id: PersonId | None, organisation_kvk: str | None, at: datetime) -> str | None:
        """Return the reason code if this person cannot use the machtiging at `at`; else None.

        For another person it is always the same code, so that it tells nothing about the machtiging.
        """
        if person_id is not None and is_usable(self.machtiging, person_id, organisation_kvk, at):
            return None
        mine = person_id is not None and self.machtiging.gemachtigde_id == person_id
        return unusable_reason(self.machtiging if mine else None, organisation_kvk, at)


def representation_from_mapping(mapping: Mapping[Any, Any]) -> MachtigingRepresentation | None:
    """Build the representation from a row with `delegation.queries.MACHTIGING_COLUMNS`; None when they are all NULL."""
    return None if mapping["m_id"] is None else MachtigingRepresentation(machtiging_from_mapping(mapping))
