"""A machtiging set of one holder: named ones, or all that an employee is assigned. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.ids import MachtigingId, PersonId

_NAMED, _CLIENTS, _ASSIGNED = "machtigingen", "clienten", "toegewezen"


@dataclass(frozen=True, slots=True)
class MachtigingSet:
    """The machtigingen of a consent or token for several. `ids` is None for all that the employee is assigned."""

    ids: frozenset[MachtigingId] | None

    def covers(self, authority: Authority, person_id: PersonId | None, organisation_kvk: str | None) -> bool:
        """Return True if this login holds the machtiging and it is one of these. It need not be in force."""
        if authority.holder_refusal(person_id, organisation_kvk) is not None:
            return False
        if self.ids is None:
            return authority.organisation is not None and len(authority.links) > 1
        return authority.machtiging_id in self.ids

    def to_json(self) -> dict[str, Any]:
        """Return the members of the authorization details that name these."""
        if self.ids is None:
            return {_CLIENTS: _ASSIGNED}
        return {_NAMED: sorted(map(str, self.ids))}


ASSIGNED = MachtigingSet(None)


def read_machtiging_set(members: Mapping[str, Any]) -> MachtigingSet:
    """Read what `to_json` wrote. Raises ValueError for anything else."""
    if members == ASSIGNED.to_json():
        return ASSIGNED
    ids = members.get(_NAMED)
    if members.keys() != {_NAMED} or not isinstance(ids, list) or not ids:
        raise ValueError("no set of machtigingen")
    return MachtigingSet(frozenset(MachtigingId(UUID(one)) for one in ids))
