"""Past authority: the authority over a machtiging at an instant, rebuilt from the journal.

The tables say which rows there are: a row is never deleted, and a link never changes its parent or holder. What those
rows were follows from the journal alone. The rules decide at that instant, as they do now. If the history of one row
is not complete and authentic there is no authority at all.

An act counts from its own instant. Until its transaction was committed, an answer of then could not know it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_states.past_rows import HISTORY_INCOMPLETE, PastRows, PastTable, load_past_rows
from machtiging.audit.state_facts import UNREADABLE, format_row_key
from machtiging.delegation.authority.memberships import read_memberships
from machtiging.delegation.authority.queries import (
    AUTHORITY_COLUMNS,
    AUTHORITY_FROM,
    LINK_SUFFIXES,
    authority_from_row,
    build_authority_from_row,
)
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.delegation.rules import Capacity
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.kernel.errors import ROW_INVALID, NotInForce
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.tables import (
    SEALED_EMPLOYEE,
    SEALED_ORGANISATION,
    SEALED_RECOGNITION,
    SEALED_STAND_IN,
    SEALED_TEAM_MEMBERSHIP,
)
from machtiging.storage.row_mac import SealedTable

_MACHTIGING = machtiging_table()


@dataclass(frozen=True, slots=True)
class PastAuthority:
    """The authority at an instant. None without `problem`: there was no such machtiging yet.

    `problem` is the reason code why the past of one of its rows is not known. Then it is in force for nobody.
    """

    authority: Authority | None
    problem: str | None = None


async def load_authority_at(session: AsyncSession, machtiging_id: MachtigingId, at: datetime) -> Authority | None:
    """Load the authority at an instant; None if there was no such machtiging yet.

    It is what `load_authority` gave then. Raises NotInForce `geschiedenis_onvolledig` if the past of one of its rows
    is not known.
    """
    found = (await load_authorities_at(session, [machtiging_id], at))[machtiging_id]
    if found.problem is not None:
        raise NotInForce(HISTORY_INCOMPLETE, private=found.problem)
    return found.authority


async def load_authorities_at(
    session: AsyncSession, ids: Collection[MachtigingId], at: datetime
) -> dict[MachtigingId, PastAuthority]:
    """Load the authorities of these machtigingen at an instant, in two statements.

    A row whose MAC fails now is journalled, and its history is not trusted.
    """
    chosen = select(*AUTHORITY_COLUMNS).select_from(AUTHORITY_FROM).where(_is_one_of(_MACHTIGING.c.id, ids))
    present = {row["m_id"]: dict(row) for row in (await session.execute(chosen)).mappings()}
    leaves = {format_row_key(SEALED_MACHTIGING, {"id": one}) for one in ids}
    past = await load_past_rows(session, _choose_tables(list(present.values())), at=at, expected=leaves)
    found = {one: _rebuild_authority(one, present.get(one), past) for one in ids}
    for one, row in present.items():
        if not (await authority_from_row(session, row)).is_authentic:
            found[one] = PastAuthority(None, ROW_INVALID)
    return found


def _choose_tables(present: Sequence[Mapping[str, Any]]) -> list[PastTable]:
    """Choose every row on which these authorities may have hung."""

    def choose(sealed: SealedTable, column: str, labels: Sequence[str], *instants: str) -> PastTable:
        ids = {row[label] for row in present for label in labels if row[label] is not None}
        return PastTable(sealed, _is_one_of(sealed.table.c[column], ids), instants)

    links = [f"m{suffix}_id" for suffix in LINK_SUFFIXES]
    people = ["emp_id", "absent_id"]
    return [
        choose(SEALED_MACHTIGING, "id", links, "offered_at", "accepted_at", "ended_at"),
        choose(SEALED_AGREEMENT, "machtiging_id", links, "agreed_at"),
        choose(SEALED_ORGANISATION, "id", ["org_id"], "created_at"),
        choose(SEALED_RECOGNITION, "organisation_id", ["org_id"], "proposed_at", "confirmed_at", "dropped_at"),
        choose(SEALED_EMPLOYEE, "id", people, "invited_at"),
        choose(SEALED_TEAM_MEMBERSHIP, "employee_id", ["emp_id"], "starts_at", "ends_at"),
        choose(SEALED_STAND_IN, "id", ["standin_id"], "ended_at"),
    ]


def _is_one_of(column: ColumnElement[Any], ids: Collection[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(sorted(ids), ARRAY(Uuid())))


@dataclass(slots=True)
class _RowBuilder:
    """A row with the labels of `AUTHORITY_COLUMNS`, from rows of the past. `problem`: the first reason why not."""

    past: PastRows
    row: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    def find(self, sealed: SealedTable, **key: Any) -> Mapping[str, Any] | None:
        """Find a row as it stood; None if it did not exist yet."""
        name = format_row_key(sealed, key)
        self.problem = self.problem or self.past.problems.get(name)
        state = self.past.rows.get(name)
        return None if state is None else state.row

    def require_each(self, sealed: SealedTable, last: int | None, **key: Any) -> None:
        """Require the history of each version up to the last. One that is missing may be the one of then."""
        for number in range(1, (last or 0) + 1):
            self.find(sealed, **key, number=number)

    def put(self, prefix: str, sealed: SealedTable, found: Mapping[str, Any] | None) -> None:
        """Put the columns of a row under a prefix; empty ones for no row."""
        values = {} if found is None else found
        self.row |= {f"{prefix}_{name}": values.get(name) for name in sealed.table.c.keys()}  # noqa: SIM118

    def put_referenced(self, prefix: str, sealed: SealedTable, **key: Any) -> Mapping[str, Any] | None:
        """Put the row to which another one refers. It must have existed; None is no reference."""
        is_reference = None not in key.values()
        found = self.find(sealed, **key) if is_reference else None
        if is_reference and found is None:
            self.problem = self.problem or HISTORY_INCOMPLETE
        self.put(prefix, sealed, found)
        return found


def _rebuild_authority(machtiging_id: MachtigingId, present: Mapping[str, Any] | None, past: PastRows) -> PastAuthority:
    """Build the authority from rows of the past. They are joined as in `AUTHORITY_FROM`."""
    builder = _RowBuilder(past)
    leaf = builder.find(SEALED_MACHTIGING, id=machtiging_id)
    if builder.problem is not None or leaf is None:
        return PastAuthority(None, builder.problem)
    if present is None:  # the journal knows a row that the table has no longer
        return PastAuthority(None, HISTORY_INCOMPLETE)
    links = _put_links(builder, leaf, present)
    _put_organisation(builder, links, present)
    team_ids = _put_employees(builder, links, present)
    if builder.problem is not None:
        return PastAuthority(None, builder.problem)
    row = builder.row | {"m_version": ""}
    return PastAuthority(build_authority_from_row(row, is_authentic=True, team_ids=team_ids))


def _put_links(builder: _RowBuilder, leaf: Mapping[str, Any], present: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Put the links from the leaf up, each with its agreement of then. Returns those that there are."""
    links: list[Mapping[str, Any]] = []
    next_id = leaf["id"]
    for suffix in LINK_SUFFIXES:
        link = builder.put_referenced(f"m{suffix}", SEALED_MACHTIGING, id=next_id)
        number = None if link is None else link["agreement_number"]
        builder.require_each(SEALED_AGREEMENT, present[f"m{suffix}_agreement_number"], machtiging_id=next_id)
        builder.put_referenced(f"a{suffix}", SEALED_AGREEMENT, machtiging_id=next_id, number=number)
        if link is not None:
            links.append(link)
            if link["purpose"] is UNREADABLE:  # the words of the giver never change, and stand encrypted in the journal
                builder.row[f"m{suffix}_purpose"] = present[f"m{suffix}_purpose"]
        next_id = None if link is None else link["parent_id"]
    return links


def _put_organisation(builder: _RowBuilder, links: Sequence[Mapping[str, Any]], present: Mapping[str, Any]) -> None:
    """Put the organisation that decides, with its recognition of then. A private person is in no such row."""
    leaf, root = links[0], links[-1]
    holder = leaf["vertegenwoordigde_id"] if leaf["capacity"] == Capacity.DIRECTOR else root["gemachtigde_id"]
    joined = holder if holder == present["org_id"] else None
    organisation = builder.put_referenced("org", SEALED_ORGANISATION, id=joined)
    number = None if organisation is None else organisation["recognition_number"]
    builder.require_each(SEALED_RECOGNITION, present["org_recognition_number"], organisation_id=joined)
    builder.put_referenced("rec", SEALED_RECOGNITION, organisation_id=joined, number=number)


def _put_employees(
    builder: _RowBuilder, links: Sequence[Mapping[str, Any]], present: Mapping[str, Any]
) -> frozenset[UUID]:
    """Put the holder, the absent colleague, the membership and the stand-in. Returns the teams of the holder."""
    leaf, parent = links[0], links[1] if len(links) > 1 else None
    builder.put_referenced("emp", SEALED_EMPLOYEE, id=leaf["employee_id"])
    builder.put_referenced("absent", SEALED_EMPLOYEE, id=None if parent is None else parent["employee_id"])
    builder.put_referenced("standin", SEALED_STAND_IN, id=leaf["stand_in_id"])
    found = [builder.find(SEALED_TEAM_MEMBERSHIP, id=one["id"]) for one in read_memberships(present)]
    current = [one for one in found if one is not None and one["ends_at"] is None]
    team_id = None if parent is None else parent["team_id"]
    member = next((one for one in current if team_id is not None and one["team_id"] == team_id), None)
    builder.put("member", SEALED_TEAM_MEMBERSHIP, member)
    return frozenset(one["team_id"] for one in current)
