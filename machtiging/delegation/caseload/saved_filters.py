"""Filters of a list that an employee saved, each under a name of her own.

A name may be about a client, so the whole is encrypted with the data key of the organisation, and opens only for its
own employee. A filter gives no access: its page validates each field and decides anew. No search term is saved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.data_keys import DATA_KEY_COLUMNS, data_key_table, ensure_data_key, unwrap_data_key
from machtiging.kernel.bsn import contains_bsn_like
from machtiging.kernel.errors import Conflict, Fault, InvalidInput, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.kernel.text import require_plain_line
from machtiging.organisations.queries import EMPLOYEE, ORGANISATION, find_employee_of_login, lock_employee
from machtiging.organisations.rules import EmployeeState
from machtiging.organisations.tables import SavedFilterRow
from machtiging.storage.columns import table_of

MAX_FILTERS = 20
MAX_FILTER_NAME_LENGTH = 40
_FILTER, _PARTY = table_of(SavedFilterRow), data_key_table()
_log = structlog.get_logger("machtiging.delegation")


class FilterOwner(NamedTuple):
    """The person and the KvK number of a login; None for a private person."""

    person_id: PersonId
    kvk: str | None


class FilterPage(StrEnum):
    """The lists that a filter can be saved of."""

    LETTERS = "brieven"
    CLIENTS = "clienten"


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A saved filter: its name, its list and the chosen fields with their values."""

    id: UUID
    name: str
    page: FilterPage
    choices: Mapping[str, str]


async def list_saved_filters(session: AsyncSession, keyring: KeyRing, owner: FilterOwner) -> list[SavedFilter]:
    """Load the filters of this owner by name, in one statement. One that was changed or moved is left out."""
    if owner.kvk is None:
        return []
    joined = _FILTER.join(ORGANISATION, ORGANISATION.c.id == _FILTER.c.organisation_id)
    joined = joined.join(_PARTY, _PARTY.c.id == ORGANISATION.c.id)
    mine = (_FILTER.c.person_id == owner.person_id, ORGANISATION.c.kvk == owner.kvk)
    query = select(*_FILTER.c, *DATA_KEY_COLUMNS).select_from(joined).where(*mine)
    rows = (await session.execute(query)).mappings().all()
    found = [one for row in rows if (one := _open_filter(keyring, {**row})) is not None]
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


async def save_filter(
    session: AsyncSession,
    keyring: KeyRing,
    owner: FilterOwner,
    name: str,
    page: FilterPage,
    choices: Mapping[str, str],
    *,
    at: datetime,
) -> None:
    """Save a filter of an active employee. The same name with the same filter changes nothing.

    Raises InvalidInput `filternaam_ongeldig` or `filternaam_met_bsn`, NotAllowed `geen_medewerker`, and Conflict
    `filternaam_bestaat_al` or `te_veel_filters`.
    """
    _require_name(name)
    found = await find_employee_of_login(session, owner.person_id, owner.kvk, at=at)
    if found is None:
        raise NotAllowed("geen_medewerker")
    organisation_id: UUID = found.organisation_id
    # Two presses at once, or a departure meanwhile, wait here.
    employee = await lock_employee(session, found.id, organisation_id, at=at)
    if employee.state != EmployeeState.ACTIVE.value:
        raise NotAllowed("geen_medewerker")
    present = await list_saved_filters(session, keyring, owner)
    same = next((one for one in present if one.name.casefold() == name.casefold()), None)
    if same is not None:
        if (same.page, same.choices) != (page, choices):
            raise Conflict("filternaam_bestaat_al")
        return
    if len(present) >= MAX_FILTERS:
        raise Conflict("te_veel_filters", params={"limit": MAX_FILTERS})
    row: dict[str, Any] = {"id": uuid7(), "organisation_id": organisation_id, "person_id": owner.person_id}
    key = await ensure_data_key(session, keyring, organisation_id)
    content = json.dumps({"naam": name, "lijst": page, "keuzes": {**choices}}, ensure_ascii=False)
    sealed = key.encrypt(content.encode(), *_filter_context(row))
    await session.execute(insert(_FILTER).values(**row, sealed=sealed, saved_at=at))


async def delete_filter(session: AsyncSession, owner: FilterOwner, filter_id: UUID) -> None:
    """Delete a filter of this owner. Raises NotFound `filter_onbekend`, also for one of others."""
    works_at = select(ORGANISATION.c.id).where(ORGANISATION.c.kvk == owner.kvk)
    mine = (_FILTER.c.person_id == owner.person_id, _FILTER.c.organisation_id.in_(works_at))
    deleted = delete(_FILTER).where(_FILTER.c.id == filter_id, *mine).returning(_FILTER.c.id)
    if (await session.execute(deleted)).one_or_none() is None:
        raise NotFound("filter_onbekend")


async def delete_filters_of_employee(session: AsyncSession, organisation_id: UUID, employee_id: UUID) -> None:
    """Delete all filters of an employee who leaves. Lock the employee first."""
    person = select(EMPLOYEE.c.person_id).where(EMPLOYEE.c.id == employee_id).scalar_subquery()
    mine = (_FILTER.c.organisation_id == organisation_id, _FILTER.c.person_id == person)
    await session.execute(delete(_FILTER).where(*mine))


def _require_name(name: str) -> None:
    try:
        valid = require_plain_line(name) == name and len(name) <= MAX_FILTER_NAME_LENGTH
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput("filternaam_ongeldig", message="tekst_ongeldig", params={"length": MAX_FILTER_NAME_LENGTH})
    if contains_bsn_like(name):
        raise InvalidInput("filternaam_met_bsn")


def _open_filter(keyring: KeyRing, row: Mapping[str, Any]) -> SavedFilter | None:
    try:
        key = unwrap_data_key(row, keyring, row["organisation_id"])
        content = json.loads(key.decrypt(row["sealed"], *_filter_context(row)))
    except Fault as fault:
        # The row was tampered with. The list goes on without this filter, and the log tells the operator.
        _log.error("saved_filter_does_not_open", code=fault.code, detail=fault.private)
        return None
    return SavedFilter(row["id"], content["naam"], FilterPage(content["lijst"]), content["keuzes"])


def _filter_context(row: Mapping[str, Any]) -> tuple[str, ...]:
    return ("saved_filter", *(str(row[name]) for name in ("id", "organisation_id", "person_id")))
