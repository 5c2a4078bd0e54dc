"""An organisation with an organisatiebeheerder who lets employees leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from machtiging.delegation import tables as delegation
from machtiging.delegation.handover.departure import Departure, record_departure
from machtiging.delegation.handover.due_items import tell_due_clients
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.rules import ActingEmployee, ActingOperator, OrganisationActor
from machtiging.organisations.tables import SEALED_STAND_IN, StandIn
from machtiging.storage.row_mac import seal_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS, TableReader
from tests.storage.assignments.assignment_world import Assignments

HANDOVERS, ITEMS = TableReader(delegation.Handover), TableReader(delegation.HandoverItem)
STAND_INS = TableReader(StandIn)
COMMAND_LINE = ActingOperator(None, "root")
DUE = NOON + timedelta(days=14)


@dataclass
class Departures:
    """The acts in transactions of their own. `office`: assignments of a teamleider."""

    office: Assignments
    administrator: ActingEmployee

    @classmethod
    async def begin(cls, office: Assignments) -> Departures:
        person, employee = await office.hire("Astrid", roles=["organisatiebeheerder"])
        return cls(office, ActingEmployee(person, employee, office.organisation))

    @property
    def database(self) -> Any:
        return self.office.database

    async def leave(
        self, employee: UUID | None = None, *, actor: OrganisationActor | None = None, at: datetime = NOON
    ) -> Departure:
        """The employee leaves; the care worker if none is named."""
        async with unit_of_work(self.database.sessions) as session:
            leaving = employee or self.office.worker_id
            return await record_departure(session, load_keyring(), actor or self.administrator, leaving, at=at)

    async def refuse_leave(self, employee: UUID, actor: OrganisationActor | None = None) -> str:
        """The code with which a departure is refused."""
        try:
            async with unit_of_work(self.database.sessions) as session:
                await record_departure(session, load_keyring(), actor or self.administrator, employee, at=NOON)
        except Refusal as refusal:
            return refusal.code
        raise AssertionError("not refused")

    async def tell_due(self, at: datetime = DUE) -> int:
        """One run of the loop at this instant."""
        return await tell_due_clients(self.database.sessions, FixedClock(at))

    async def add_client(self, *readers: UUID, **changes: Any) -> MachtigingId:
        """A machtiging read by these employees; the care worker if none is named."""
        root = await self.office.grant(**changes)
        for reader in readers or (self.office.worker_id,):
            assert isinstance(await self.office.assign(root, reader), UUID)
        return root

    async def add_stand_in(self, absent: UUID, replacement: UUID) -> UUID:
        """A stand-in since yesterday, for a week."""
        row = {"id": UUID(int=absent.int ^ 1), "organisation_id": self.office.organisation}
        row |= {"absent_employee_id": absent, "replacement_id": replacement, "created_by": absent}
        row |= {"starts_at": NOON - timedelta(days=1), "ends_at": NOON + timedelta(days=6)}
        async with unit_of_work(self.database.sessions) as session:
            await session.execute(SEALED_STAND_IN.table.insert().values(seal_row(session, SEALED_STAND_IN, row)))
        return row["id"]

    async def items(self, **equal: Any) -> list[Any]:
        return list(await ITEMS.read(self.database, **equal))

    async def waiting(self) -> list[Any]:
        """The machtigingen that wait, in order."""
        return sorted(await ITEMS.read_column(self.database, "machtiging_id", state="wacht"))

    async def reasons(self, act: str) -> list[tuple[str, str]]:
        return [(line.outcome, line.reason) for line in await JOURNAL_INTAKE.read(self.database, act=act)]

    async def recipients(self, kind: str) -> list[Any]:
        return await NOTIFICATIONS.read_column(self.database, "person_id", kind=kind)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at
