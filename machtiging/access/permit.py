"""The only key to a bericht. Code that reads takes a Permit, not an id, so forgetting the guard is a type error.

Only `access.guard` has the seal. That holds off accidents, not malice: a test forbids the seal anywhere else.
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
    """What makes a Permit a Permit. There is one: SEAL."""


SEAL: Final = Seal()


def _check(seal: object) -> None:
    if seal is not SEAL:
        raise Fault("permit_zonder_zegel", private="a Permit was made outside the guard")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave for one act on one object at one instant. Raises Fault `permit_zonder_zegel` without the seal."""

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
        """The id of the bericht, for code that does one of these acts. Raises Fault `permit_voor_andere_handeling`."""
        if self.act not in acts:
            raise Fault("permit_voor_andere_handeling", private=f"a Permit for {self.act} was used for {acts}")
        return self.bericht_id


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPermit:
    """Leave to list: the post of this person that falls in `pairs` and within `scope` (None: the own box)."""

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
        """Whether an envelope of this person belongs in the list: what the SQL of the list must amount to."""
        in_scope = self.scope is None or uncovered(self.scope, envelope) is None
        return in_scope and (envelope.theme, envelope.sensitivity) in self.pairs
