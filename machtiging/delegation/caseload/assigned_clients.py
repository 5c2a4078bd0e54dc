"""The machtigingen that an employee is assigned in one organisation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Uuid,
    any_,
    bindparam,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import (
    AUTHORITY_COLUMNS,
    AUTHORITY_FROM,
    authority_from_row,
    label_columns,
)
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.case_references import decrypt_case_reference
from machtiging.delegation.caseload.search_index import has_search_key
from machtiging.delegation.rules import MachtigingState
from machtiging.delegation.tables import SEALED_ASSIGNMENT, AssignmentRow, MachtigingRow
from machtiging.identity.data_keys import data_key_table, unwrap_data_key
from machtiging.identity.people import PROFILE_COLUMN_NAMES, Profile, profile_from_row, select_profile
from machtiging.kernel.ids import PersonId
from machtiging.organisations.tables import Employee, Organisation
from machtiging.storage.columns import is_selected_id, table_of
from machtiging.storage.statement import ResultRow, Statement

# The most machtigingen of one employee that are read, the newest first. A search reads those that it finds.
MAX_ASSIGNED = 2_000
_LEAF, _ASSIGNMENT = table_of(MachtigingRow), table_of(AssignmentRow)
_HELD, _ABOVE = _LEAF.alias("held_assignment"), _LEAF.alias("above_held")
_HIRED, _EMPLOYER = table_of(Employee).alias("hired_for"), table_of(Organisation).alias("employer_of")
_ORGANISATION, _PARTY = table_of(Organisation), data_key_table().alias("organisation_party")
_WORK_PREFIX = "w_"


@dataclass(frozen=True, slots=True)
class AssignedClient:
    """An assigned machtiging. Its name and case reference stay sealed until they are opened for a page."""

    authority: Authority
    assigned_at: datetime
    row: ResultRow

    def open_profile(self, keyring: KeyRing) -> Profile | None:
        """Open the client's profile; None if no login gave it. Only for who may see this client now."""
        return profile_from_row(self.row, keyring, self.authority.vertegenwoordigde_id)

    def open_name(self, keyring: KeyRing) -> str | None:
        """Open the client's name; None if no login gave it. Only for who may see this client now."""
        profile = self.open_profile(keyring)
        return None if profile is None else profile.name or None

    def open_case_reference(self, keyring: KeyRing) -> str | None:
        """Open the organisation's reference of the case; None if there is none."""
        if self.row["w_case_reference_sealed"] is None or self.row["op_data_key_wrapped"] is None:
            return None
        wrapped = {name: self.row[f"op_{name}"] for name in ("data_key_wrapped", "kek_version")}
        key = unwrap_data_key(wrapped, keyring, self.row["org_id"])
        return decrypt_case_reference(key, self.row["w_machtiging_id"], self.row["w_case_reference_sealed"])


async def load_assigned_clients(
    session: AsyncSession,
    person_id: PersonId,
    organisation_kvk: str | None,
    *,
    search_keys: Sequence[bytes] | None = None,
    giver_ids: Collection[PersonId] | None = None,
    only_id: UUID | None = None,
    at: datetime,
) -> list[AssignedClient]:
    """Load the open assignments of this login, the newest first, in one statement.

    With `search_keys` only those that have one of these; with `giver_ids` only those of these people; with
    `only_id` only this one. The caller asks each Authority what it gives now. A row whose MAC fails is journalled and
    left out.
    """
    params: dict[str, Any] = {"person_id": person_id, "organisation_kvk": organisation_kvk, "limit": MAX_ASSIGNED}
    statement = _ALL
    if search_keys is not None:
        statement, params["search_keys"] = _FOUND, list(search_keys)
    elif giver_ids is not None:
        statement, params["giver_ids"] = _OF_GIVERS, sorted(giver_ids)
    elif only_id is not None:
        statement, params["only_id"] = _ONE, only_id
    clients = []
    for row in await statement.all(session, params):
        authority = await authority_from_row(session, row, at=at)
        clients.append(await build_assigned_client(session, authority, row, at))
    return clients


async def build_assigned_client(
    session: AsyncSession, authority: Authority, row: ResultRow, at: datetime
) -> AssignedClient:
    """Build the client. The row of the work gives no access: if its MAC fails, nothing of it is shown."""
    has_work = row["w_machtiging_id"] is not None
    if has_work and await authenticate_row(session, SEALED_ASSIGNMENT, row, _WORK_PREFIX, at=at):
        return AssignedClient(authority, row["w_assigned_at"], row)
    since = authority.leaf.accepted_at or authority.leaf.offered_at
    return AssignedClient(authority, since, {**row, "w_case_reference_sealed": None})


class ClientRoom(NamedTuple):
    """A client of an employee, and the colleagues who may read too, with their profiles."""

    client: AssignedClient
    colleagues: list[tuple[Authority, Profile | None]]


async def load_client_room(
    session: AsyncSession,
    keyring: KeyRing,
    person_id: PersonId,
    organisation_kvk: str | None,
    machtiging_id: UUID,
    *,
    at: datetime,
) -> ClientRoom | None:
    """Load one client of this login with the colleagues who may read, in one statement.

    None if this login does not hold it. The names of colleagues are for an employee who may see this client.
    """
    params = {"person_id": person_id, "organisation_kvk": organisation_kvk, "only_id": machtiging_id}
    client, colleagues = None, []
    for row in await _ROOM.all(session, params | {"limit": MAX_ASSIGNED}):
        authority = await authority_from_row(session, row, at=at)
        if authority.machtiging_id == machtiging_id:
            client = await build_assigned_client(session, authority, row, at)
        elif authority.holder_id is not None and authority.is_assigned(at):
            holder = {name: row[f"holder_{name}"] for name in PROFILE_COLUMN_NAMES}
            colleagues.append((authority, profile_from_row(holder, keyring, authority.holder_id)))
    return None if client is None else ClientRoom(client, colleagues)


def _build_statement(*where: ColumnElement[bool]) -> Statement:
    return Statement(select_assigned_clients(select_assigned_ids(*where)))


def select_assigned_clients(ids: Select[Any]) -> Select[Any]:
    """Build the select of the assignments with these ids, the newest first. For `build_assigned_client`."""
    joined = AUTHORITY_FROM.outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.machtiging_id == _LEAF.c.id)
    joined = joined.outerjoin(_PARTY, _PARTY.c.id == _ORGANISATION.c.id)
    wrapped = [_PARTY.c[name].label(f"op_{name}") for name in ("data_key_wrapped", "kek_version")]
    columns = (*AUTHORITY_COLUMNS, *label_columns(_ASSIGNMENT, "w"), *wrapped)
    found = select(*columns).select_from(joined).where(is_selected_id(_LEAF.c.id, ids)).subquery("assigned")
    giver = select_profile(found.c.m_vertegenwoordigde_id).lateral("giver")
    holder = select_profile(found.c.emp_person_id).lateral("holder")
    named = [holder.c[name].label(f"holder_{name}") for name in PROFILE_COLUMN_NAMES]
    beside = found.outerjoin(giver, true()).outerjoin(holder, true())
    return select(found, giver, *named).select_from(beside).order_by(found.c.m_id.desc())


def _select_room_ids() -> Select[Any]:
    """Select the assignment of this login, and every other under the same machtiging."""
    mine = select_assigned_ids(_HELD.c.id == bindparam("only_id", type_=Uuid())).subquery("mine")
    own, beside, above = _LEAF.alias("own_one"), _LEAF.alias("beside_own"), _LEAF.alias("above_beside")
    own_above = _LEAF.alias("above_own")
    root = func.coalesce(own_above.c.parent_id, own.c.parent_id)
    own_root = select(root).select_from(own.join(own_above, own_above.c.id == own.c.parent_id))
    own_root = own_root.where(own.c.id == select(mine.c.id).scalar_subquery())
    of_root = own_root.scalar_subquery()
    is_open = beside.c.state != MachtigingState.ENDED.value
    # Two selects: with OR over two tables no index is used, and every machtiging would be read.
    assigned = select(beside.c.id).where(beside.c.parent_id == of_root, is_open)
    joined = above.join(beside, beside.c.parent_id == above.c.id)
    below = select(beside.c.id).select_from(joined).where(above.c.parent_id == of_root, is_open)
    found = union_all(assigned, below).subquery("of_root")
    return select(found.c.id).limit(bindparam("limit", type_=Integer()))


def select_assigned_ids(*where: ColumnElement[bool]) -> Select[Any]:
    """Build the select of the open assignments of a login, the newest first."""
    joined = _HELD.join(_HIRED, _HIRED.c.id == _HELD.c.employee_id)
    joined = joined.join(_EMPLOYER, _EMPLOYER.c.id == _HIRED.c.organisation_id)
    joined = joined.join(_ABOVE, _ABOVE.c.id == _HELD.c.parent_id)
    mine = (
        _HIRED.c.person_id == bindparam("person_id"),
        _EMPLOYER.c.kvk == bindparam("organisation_kvk"),
        _HELD.c.state == MachtigingState.ACTIVE.value,
    )
    chosen = select(_HELD.c.id).select_from(joined).where(*mine, *where)
    return chosen.order_by(_HELD.c.id.desc()).limit(bindparam("limit", type_=Integer()))


# Built once at import: compiling costs more than executing.
_SEARCH_KEYS = any_(bindparam("search_keys", type_=ARRAY(LargeBinary)))
# The conditions of `select_assigned_ids`, by the parameter of each.
ASSIGNED_FILTERS: Mapping[str, ColumnElement[bool]] = {
    "search_keys": has_search_key(_SEARCH_KEYS, _HELD.c.id, _ABOVE.c.id, _ABOVE.c.parent_id),
    "ids": _HELD.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
}
_ALL = _build_statement()
_FOUND = _build_statement(ASSIGNED_FILTERS["search_keys"])
_OF_GIVERS = _build_statement(_HELD.c.vertegenwoordigde_id == any_(bindparam("giver_ids", type_=ARRAY(Uuid))))
_ONE = _build_statement(_HELD.c.id == bindparam("only_id", type_=Uuid()))
_ROOM = Statement(select_assigned_clients(_select_room_ids()))
