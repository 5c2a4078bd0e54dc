"""A recognised organisation with employees, as acts of ours would leave it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.tables import Party
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    Employee,
    Organisation,
    Recognition,
)
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, reseal_changes, seal_row
from tests.builders.keys import NOON, load_keyring

KVK, OTHER_KVK = "90000001", "90000002"
_STEPS_TO = {
    "geen": [],
    "aangevraagd": ["aangevraagd"],
    "geweigerd": ["aangevraagd", "geweigerd"],
    "erkend": ["aangevraagd", "erkend"],
    "opgeschort": ["aangevraagd", "erkend", "opgeschort"],
    "ingetrokken": ["aangevraagd", "erkend", "ingetrokken"],
}
_ORGANISATION, _RECOGNITION = table_of(Organisation), table_of(Recognition)


async def add_organisation(session: AsyncSession, kvk: str = KVK, status: str = "erkend", **changes: Any) -> UUID:
    """An organisation with this recognition, and a ceiling that takes nothing away. Returns the id."""
    organisation_id = uuid7()
    key = load_keyring().create_data_key(organisation_id)
    wrapped = {"data_key_wrapped": key.wrapped, "kek_version": key.kek_version}
    await session.execute(
        insert(table_of(Party)).values(id=organisation_id, kind="organisation", created_at=NOON, **wrapped)
    )
    row = {"id": organisation_id, "kvk": kvk, "name": f"Wijkteam {kvk}", "kind": "welzijn", "created_at": NOON}
    row |= {"ceiling_sensitivity": "vertrouwelijk", "ceiling_days": 1826, "minimum_level": "substantieel", "epoch": 0}
    await _insert_sealed(session, SEALED_ORGANISATION, row | changes)
    for number, step in enumerate(_STEPS_TO[status], start=1):
        await decide_recognition(session, organisation_id, number, step)
    return organisation_id


async def decide_recognition(session: AsyncSession, organisation_id: UUID, number: int, status: str) -> None:
    """Confirm the next recognition, and raise the epoch."""
    decision = {"organisation_id": organisation_id, "number": number, "status": status, "ground": "besluit"}
    decision |= {"decision_reference": "", "proposed_at": NOON, "confirmed_at": NOON}
    await _insert_sealed(session, SEALED_RECOGNITION, decision)
    await change_organisation(session, organisation_id, recognition_number=number)


async def change_organisation(session: AsyncSession, organisation_id: UUID, **changes: Any) -> None:
    """Change an organisation with a new MAC and the next epoch."""
    mine = _ORGANISATION.c.id == organisation_id
    row = (await session.execute(select(_ORGANISATION).where(mine))).one()
    sealed = reseal_changes(session, SEALED_ORGANISATION, row, {"epoch": row.epoch + 1} | changes)
    await session.execute(update(_ORGANISATION).where(mine).values(sealed))


async def add_employee(session: AsyncSession, organisation_id: UUID, person_id: PersonId, **changes: Any) -> UUID:
    """An active care worker. Returns the id."""
    row = {"id": uuid7(), "organisation_id": organisation_id, "person_id": person_id, "roles": ["hulpverlener"]}
    row |= {"state": "actief", "starts_at": NOON, "invited_at": NOON} | changes
    await _insert_sealed(session, SEALED_EMPLOYEE, row)
    return row["id"]


async def change_employee(session: AsyncSession, employee_id: UUID, **changes: Any) -> None:
    """Change an employee with a new MAC."""
    table = table_of(Employee)
    row = (await session.execute(select(table).where(table.c.id == employee_id))).one()
    sealed = reseal_changes(session, SEALED_EMPLOYEE, row, changes)
    await session.execute(update(table).where(table.c.id == employee_id).values(sealed))


async def add_recognised_organisation(session: AsyncSession, kvk: str, *person_ids: PersonId) -> UUID:
    """A recognised organisation with these people as care workers. Returns the id."""
    organisation_id = await add_organisation(session, kvk)
    for person_id in person_ids:
        await add_employee(session, organisation_id, person_id)
    return organisation_id


async def _insert_sealed(session: AsyncSession, sealed: SealedTable, row: dict[str, Any]) -> None:
    await session.execute(insert(sealed.table).values(seal_row(session, sealed, row)))
