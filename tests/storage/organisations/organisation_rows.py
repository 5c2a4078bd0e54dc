"""Rows of organisations for tests of the database itself, without a MAC."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert

from machtiging.identity.tables import Party
from machtiging.kernel.ids import uuid7
from machtiging.organisations.tables import Employee, Organisation, Recognition, Team
from machtiging.storage.columns import table_of
from tests.builders.keys import NOON

KVK, OTHER_KVK = "90000001", "90000002"


async def add_organisation_row(session: Any, **changes: Any) -> UUID:
    """Add an organisation with its party; returns the id."""
    row = {"id": uuid7(), "kvk": KVK, "name": "Wijkteam Noord", "kind": "welzijn", "ceiling_sensitivity": "gevoelig"}
    row |= {"ceiling_days": 365, "created_at": NOON} | changes
    await session.execute(insert(table_of(Party)).values(id=row["id"], kind="organisation", created_at=NOON))
    await session.execute(insert(table_of(Organisation)).values(**row))
    return row["id"]


async def add_recognition_row(session: Any, organisation: UUID, number: int, status: str, **changes: Any) -> None:
    """Add a recognition that stands, unless `confirmed_at` says otherwise."""
    row = {"organisation_id": organisation, "number": number, "status": status, "ground": "aanvraag"}
    row |= {"decision_reference": "", "proposed_at": NOON, "confirmed_at": NOON} | changes
    await session.execute(insert(table_of(Recognition)).values(**row))


async def add_employee_row(session: Any, organisation: UUID, **changes: Any) -> UUID:
    """Add an invited employee; returns the id."""
    row = {"id": uuid7(), "organisation_id": organisation, "broker_issuer": "https://inloggen.test"}
    row |= {"broker_subject": str(uuid7()), "display_name_sealed": b"x", "roles": ["hulpverlener"]}
    row |= {"state": "uitgenodigd", "starts_at": NOON, "invited_at": NOON} | changes
    await session.execute(insert(table_of(Employee)).values(**row))
    return row["id"]


async def add_team_row(session: Any, organisation: UUID, name: str) -> UUID:
    """Add a team; returns the id."""
    team = uuid7()
    await session.execute(insert(table_of(Team)).values(id=team, organisation_id=organisation, name=name))
    return team
