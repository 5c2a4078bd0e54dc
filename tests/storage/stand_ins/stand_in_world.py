"""An organisation in which a colleague stands in for an absent care worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.stand_ins.creation import CreatedStandIn, create_stand_in
from machtiging.delegation.stand_ins.ending import end_stand_in
from machtiging.delegation.stand_ins.rules import StandInRequest
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import PersonId
from machtiging.organisations.tables import StandIn
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import MACHTIGINGEN, TableReader
from tests.storage.assignments.assignment_world import Assignments

STAND_INS = TableReader(StandIn)
TODAY = to_dutch_date(NOON)


@dataclass
class StandIns:
    """The acts, as a teamleider. `replacement`: a care worker who stands in for `office.worker`."""

    office: Assignments
    replacement: PersonId
    replacement_id: UUID

    @classmethod
    async def begin(cls, office: Assignments) -> StandIns:
        return cls(office, *await office.hire("Omar"))

    @property
    def database(self) -> Any:
        return self.office.database

    async def stand_in(
        self, first: date = TODAY, last: date = TODAY, *, at: datetime = NOON, login: Any = None, **ids: UUID
    ) -> CreatedStandIn:
        """The replacement stands in for the care worker, today only unless other days are named."""
        colleagues = {"absent_id": self.office.worker_id, "replacement_id": self.replacement_id} | ids
        request = StandInRequest(first_day=first, last_day=last, **colleagues)
        async with unit_of_work(self.database.sessions) as session:
            return await create_stand_in(session, load_keyring(), login or self.office.login(), request, at=at)

    async def refuse(self, *days: date, **changes: Any) -> str:
        """The code with which a stand-in is refused."""
        try:
            await self.stand_in(*days, **changes)
        except Refusal as refusal:
            return refusal.code
        raise AssertionError("not refused")

    async def end(self, stand_in: UUID, *, at: datetime = NOON, login: Any = None) -> str | None:
        """End it. Returns the code of the refusal; None if it was ended."""
        try:
            async with unit_of_work(self.database.sessions) as session:
                await end_stand_in(session, login or self.office.login(), stand_in, at=at)
        except Refusal as refusal:
            return refusal.code
        return None

    async def links(self, **equal: Any) -> list[Any]:
        """The links of the replacement by a stand-in."""
        rows = await MACHTIGINGEN.read(self.database, employee_id=self.replacement_id, **equal)
        return [row for row in rows if row.stand_in_id is not None]

    async def find_stop(self, link: Any, at: datetime = NOON) -> str | None:
        """The code of the reason that this link opens nothing at an instant; None if it does."""
        async with self.database.sessions() as session:
            authority = await load_authority(session, link.id, at=at)
        stop = authority.stop_reason(at)
        return None if stop is None else stop.code
