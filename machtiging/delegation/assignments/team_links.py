"""Links of team members: one for each member, under each assignment to the team.

Such a link gives at most what the assignment above it gives now, and only while its employee is in the team. It is made
when the team gets the client or the employee joins, and it ends when the employee leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Uuid, any_, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.agreements import load_terms_of_links
from machtiging.delegation.assignments.insertion import AssignmentKind
from machtiging.delegation.caseload.case_references import decrypt_case_reference, encrypt_case_reference
from machtiging.delegation.rules import Channel, Machtiging, MachtigingState
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_ASSIGNMENT, SEALED_MACHTIGING, AssignmentRow
from machtiging.identity.data_keys import ensure_data_key
from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable, seal_row

_ASSIGNMENT = table_of(AssignmentRow)
Rows = tuple[tuple[SealedTable, Mapping[str, Any]], ...]


class SecondPerson(NamedTuple):
    """The employee who confirmed, and the person."""

    employee_id: UUID
    person_id: PersonId


@dataclass(frozen=True, slots=True)
class Signature:
    """The employee and person who let the members read. `second`: who confirmed it, if anybody.

    `assurance`: the level of the login, if that may be lower than at the assignment above.
    """

    employee_id: UUID | None
    person_id: PersonId
    second: SecondPerson | None = None
    assurance: Assurance = Assurance.HIGH


class NewMemberLink(NamedTuple):
    """A link to make: under the assignment to a team, to this employee."""

    above: Machtiging
    employee_id: UUID
    needs_confirmation: bool = False


@dataclass(frozen=True, slots=True)
class MemberLink:
    """A link that was made, and its rows for the journal."""

    id: MachtigingId
    new: NewMemberLink
    rows: Rows


@dataclass(slots=True)
class _Batch:
    """The rows to insert, by their table."""

    links: list[dict[str, Any]] = field(default_factory=list)
    agreements: list[dict[str, Any]] = field(default_factory=list)
    assignments: list[dict[str, Any]] = field(default_factory=list)


async def insert_member_links(
    session: AsyncSession,
    keyring: KeyRing,
    organisation_id: UUID,
    links: Sequence[NewMemberLink],
    signature: Signature,
    *,
    at: datetime,
) -> list[MemberLink]:
    """Insert these links with the terms of the assignment above each. As many statements for a thousand as for one.

    The caller has locked the readers of the organisation, and has checked who may let whom read.
    """
    if not links:
        return []
    above_ids = {one.above.id for one in links}
    terms = await load_terms_of_links(session, above_ids)
    references = await _load_case_references(session, keyring, organisation_id, sorted(above_ids), at)
    key = await ensure_data_key(session, keyring, organisation_id) if references else None
    ids, batch = [MachtigingId(uuid7()) for _ in links], _Batch()
    for link_id, new in zip(ids, links, strict=True):
        reference = references.get(new.above.id)
        sealed = None if key is None or reference is None else encrypt_case_reference(key, link_id, reference)
        batch.links.append(_build_link(link_id, new, signature, at))
        batch.agreements.append(_build_agreement(link_id, new, terms[new.above.id], signature, at))
        batch.assignments.append(_build_assignment(link_id, sealed, new, signature, at))
    stored = (
        (SEALED_MACHTIGING, await _insert_all(session, SEALED_MACHTIGING, "id", batch.links)),
        (SEALED_AGREEMENT, await _insert_all(session, SEALED_AGREEMENT, "machtiging_id", batch.agreements)),
        (SEALED_ASSIGNMENT, await _insert_all(session, SEALED_ASSIGNMENT, "machtiging_id", batch.assignments)),
    )
    return [
        MemberLink(link_id, new, tuple((sealed_table, rows[link_id]) for sealed_table, rows in stored))
        for link_id, new in zip(ids, links, strict=True)
    ]


def collect_rows(links: Sequence[MemberLink]) -> Rows:
    """Collect the rows of these links, for one journal line."""
    return tuple(row for link in links for row in link.rows)


async def _load_case_references(
    session: AsyncSession, keyring: KeyRing, organisation_id: UUID, ids: Sequence[UUID], at: datetime
) -> dict[UUID, str]:
    """Load the case references of these assignments. Not of a forged row."""
    named = (_ASSIGNMENT.c.machtiging_id == any_(literal(ids, ARRAY(Uuid()))), _ASSIGNMENT.c.case_reference_sealed)
    rows = (await session.execute(select(_ASSIGNMENT).where(named[0], named[1].is_not(None)))).all()
    if not rows:
        return {}
    key, found = await ensure_data_key(session, keyring, organisation_id), {}
    for row in rows:
        if await authenticate_row(session, SEALED_ASSIGNMENT, row, at=at):
            found[row.machtiging_id] = decrypt_case_reference(key, row.machtiging_id, row.case_reference_sealed) or ""
    return found


def _build_link(link_id: MachtigingId, new: NewMemberLink, signature: Signature, at: datetime) -> dict[str, Any]:
    above = new.above
    return {
        "id": link_id,
        "vertegenwoordigde_id": above.vertegenwoordigde_id,
        "parent_id": above.id,
        "employee_id": new.employee_id,
        "capacity": above.capacity,
        "purpose": above.purpose,
        "legal_ground": above.legal_ground,
        "state": MachtigingState.ACTIVE,
        "accepted_assurance": lowest_assurance(above.accepted_assurance or above.assurance, signature.assurance),
        "accepted_at": at,
        "agreement_number": 1,
        "offered_at": at,
    }


def _build_agreement(
    link_id: MachtigingId, new: NewMemberLink, terms: Mapping[str, Any], signature: Signature, at: datetime
) -> dict[str, Any]:
    second = None if new.needs_confirmation else signature.second
    return {
        **terms,
        "machtiging_id": link_id,
        "number": 1,
        "assurance": lowest_assurance(new.above.assurance, signature.assurance),
        "channel": Channel.ONLINE,
        "text_version": "1",
        "agreed_by": signature.person_id,
        "agreed_at": at,
        "needs_confirmation": new.needs_confirmation or second is not None,
        "confirmed_by": None if second is None else second.person_id,
    }


def _build_assignment(
    link_id: MachtigingId, reference: bytes | None, new: NewMemberLink, signature: Signature, at: datetime
) -> dict[str, Any]:
    second = None if new.needs_confirmation else signature.second
    return {
        "machtiging_id": link_id,
        "kind": AssignmentKind.PERMANENT,
        "case_reference_sealed": reference,
        "assigned_by": signature.employee_id,
        "confirmed_by": None if second is None else second.employee_id,
        "assigned_at": at,
    }


async def _insert_all(
    session: AsyncSession, sealed: SealedTable, key: str, values: Sequence[dict[str, Any]]
) -> dict[UUID, Mapping[str, Any]]:
    """Insert sealed rows. Returns them as stored, by this column."""
    rows = [seal_row(session, sealed, one) for one in values]
    stored = await session.execute(insert(sealed.table).returning(*sealed.table.c), rows)
    return {row[key]: dict(row) for row in stored.mappings()}
