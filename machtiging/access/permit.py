"""Permits: the capability that reading a bericht requires.

Code that reads takes a Permit instead of an id, so an omitted guard is a type error. Only `access.guard` uses the seal.
That prevents mistakes, not malice: a test forbids the seal anywhere else.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import Final, final
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity, Envelope, Scope, uncovered
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, MachtigingId, PersonId


@final
class Seal:
    """The marker that constructing a Permit requires. The only instance is PERMIT_SEAL."""


SEAL: Final = Seal()


def _check(seal: object) -> None:
    if seal is not SEAL:
        raise Fault("permit_zonder_zegel", private="a Permit was made outside the guard")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Permission for one act on one object at one instant.

    Raises Fault `permit_zonder_zegel` without the seal.
    """

    actor_id: PersonId
    capacity: Capacity
    vertegenwoordigde_id: PersonId
    machtiging_id: MachtigingId | None
    act: Act
    kind: str
    object_id: str
    bericht_id: BerichtId
    at: datetime
    journal_id: UUID
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _check(seal)

    def bericht(self, *acts: Act) -> BerichtId:
        """Return the id of the bericht, for code that does one of these acts.

        Raises Fault `permit_voor_andere_handeling`.
        """
        if self.act not in acts:
            raise Fault("permit_voor_andere_handeling", private=f"a Permit for {self.act} was used for {acts}")
        return self.bericht_id


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPermit:
    """Permission to list this person's berichten in `allowed_pairs` and in `scope`.

    `scope` is None for the own box.
    """

    actor_id: PersonId
    capacity: Capacity
    vertegenwoordigde_id: PersonId
    machtiging_id: MachtigingId | None
    pairs: frozenset[tuple[Theme, Sensitivity]]
    scope: Scope | None
    at: datetime
    journal_id: UUID
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        _check(seal)

    def shows(self, envelope: Envelope) -> bool:
        """Return True for an envelope of this person that belongs in the list. The SQL of the list does the same."""
        in_scope = self.scope is None or uncovered(self.scope, envelope) is None
        return in_scope and (envelope.theme, envelope.sensitivity) in self.pairs
