"""The giver's side of a machtiging: the giver, and who acts for that business."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import CompoundSelect, Uuid, and_, any_, literal, select, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import Capacity, MachtigingState
from machtiging.delegation.tables import AgreementRow
from machtiging.identity.people import PersonComparison
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.storage.columns import table_of

_MACHTIGING, _AGREEMENT = machtiging_table(), table_of(AgreementRow)


class GiverSides:
    """The people on the giver's side of machtigingen, loaded for many at once.

    That is the client; and of a business who directs it now, and who gave this machtiging in its name. Each machtiging
    and each person is loaded once: make a new one for each call.
    """

    def __init__(self, session: AsyncSession, keyring: KeyRing) -> None:
        self._session, self._people = session, PersonComparison(session, keyring)
        self._sides: dict[MachtigingId, list[PersonId]] = {}

    async def load(self, root_ids: Collection[MachtigingId], person_ids: Collection[PersonId] = ()) -> None:
        """Load the giver's side of these machtigingen, and people to compare with, in two statements."""
        missing, found = {*root_ids} - self._sides.keys(), defaultdict(list)
        if missing:
            for root_id, person_id in (await self._session.execute(_select_sides(sorted(missing)))).all():
                found[root_id].append(PersonId(person_id))
            self._sides |= {root_id: sorted(found[root_id]) for root_id in missing}
        await self._people.load({*person_ids, *(one for side in found.values() for one in side)})

    async def include(self, authority: Authority, person_id: PersonId) -> bool:
        """Return True if this person is the client, or acts for that business. Also with another account.

        Loads what was not loaded. Raises NotAllowed `rij_ongeldig`.
        """
        giver_id, root_id = authority.vertegenwoordigde_id, authority.root.id
        if person_id == giver_id:
            return True
        await self.load([root_id], [giver_id, person_id])
        for one in dict.fromkeys((giver_id, *self._sides[root_id])):
            if await self._people.compare(one, person_id):
                return True
        return False


async def is_on_giver_side(session: AsyncSession, keyring: KeyRing, authority: Authority, person_id: PersonId) -> bool:
    """Return True for a person on the giver's side of this machtiging. As `GiverSides.include`."""
    return await GiverSides(session, keyring).include(authority, person_id)


def _select_sides(root_ids: list[MachtigingId]) -> CompoundSelect[Any]:
    """Build the select of the giver, the directors and who agreed first, for each."""
    directed = _MACHTIGING.alias("directed_business")
    named = _MACHTIGING.c.id == any_(literal(root_ids, ARRAY(Uuid())))
    directs = and_(
        directed.c.vertegenwoordigde_id == _MACHTIGING.c.vertegenwoordigde_id,
        directed.c.capacity == Capacity.DIRECTOR.value,
        directed.c.state == MachtigingState.ACTIVE.value,
    )
    gave = and_(_AGREEMENT.c.machtiging_id == _MACHTIGING.c.id, _AGREEMENT.c.number == 1)
    return union(
        select(_MACHTIGING.c.id, _MACHTIGING.c.vertegenwoordigde_id).where(named),
        select(_MACHTIGING.c.id, directed.c.gemachtigde_id)
        .select_from(_MACHTIGING.join(directed, directs))
        .where(named),
        select(_MACHTIGING.c.id, _AGREEMENT.c.agreed_by)
        .select_from(_MACHTIGING.join(_AGREEMENT, gave))
        .where(named, _AGREEMENT.c.agreed_by.is_not(None)),
    )
