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
from machtiging.delegation.rules import Act, BerichtEnvelope, Capacity, MachtigingScope, scope_violation
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import BerichtId, MachtigingId, PersonId


@final
class PermitSeal:
    """The marker that constructing a Permit requires. The only instance is PERMIT_SEAL."""


PERMIT_SEAL: Final = PermitSeal()


def _require_seal(seal: object) -> None:
    if seal is not PERMIT_SEAL:
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
    seal: InitVar[PermitSeal]

    def __post_init__(self, seal: PermitSeal) -> None:
        _require_seal(seal)

    def bericht_id_for(self, *acts: Act) -> BerichtId:
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
    allowed_pairs: frozenset[tuple[Theme, Sensitivity]]
    scope: MachtigingScope | None
    at: datetime
    journal_id: UUID
    seal: InitVar[PermitSeal]

    def __post_init__(self, seal: PermitSeal) -> None:
        _require_seal(seal)

    def includes_envelope(self, envelope: BerichtEnvelope) -> bool:
        """Return True for an envelope of this person that belongs in the list. The SQL of the list does the same."""
        return is_listed(self.allowed_pairs, self.scope, envelope)


def is_listed(
    allowed_pairs: frozenset[tuple[Theme, Sensitivity]], scope: MachtigingScope | None, envelope: BerichtEnvelope
) -> bool:
    """Return True if an envelope belongs in a list with these pairs and this scope."""
    in_scope = scope is None or scope_violation(scope, envelope) is None
    return in_scope and (envelope.theme, envelope.sensitivity) in allowed_pairs
