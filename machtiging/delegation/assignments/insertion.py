"""Insert assignments: a link under the machtiging of an organisation, to an employee or team.

An assignment can only narrow what the citizen gave, and ends with it (BW 3:64). Where the organisation demands four
eyes each of them waits for a second person, however it came: assigned, handed over, of a stand-in, or asked by the
employee and given by the citizen. It is inert until then (`assignments.confirmation`). Nobody reads by the link of a
team: each member has a link under it (`assignments.team_links`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity
from machtiging.delegation.agreements import insert_agreement, load_terms
from machtiging.delegation.caseload.case_references import encrypt_case_reference
from machtiging.delegation.caseload.search_index import index_case_reference, index_client
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import Channel, Machtiging, MachtigingState
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_ASSIGNMENT, SEALED_MACHTIGING
from machtiging.identity.data_keys import ensure_data_key, session_keyring
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.organisations.rules import LONGEST_CEILING_DAYS
from machtiging.organisations.second_person.threshold import needs_second_person
from machtiging.storage.row_mac import SealedTable, seal_row


class AssignmentKind(StrEnum):
    """The kind of an assignment."""

    PERMANENT = "vast"
    STAND_IN = "vervanging"
    HANDOVER = "overdracht"


@dataclass(frozen=True, slots=True)
class NewAssignment:
    """An assignment to make: to this employee or team, by this employee with this login. `id`: None for a new one."""

    employee_id: UUID | None
    assigned_by: UUID
    assigner_id: PersonId
    assurance: Assurance
    kind: AssignmentKind = AssignmentKind.PERMANENT
    case_reference: str | None = None
    stand_in_id: UUID | None = None
    team_id: UUID | None = None
    id: MachtigingId | None = None


class InsertedAssignment(NamedTuple):
    """An inserted assignment, and its rows for the journal."""

    machtiging: Machtiging
    rows: tuple[tuple[SealedTable, Mapping[str, Any]], ...]

    @property
    def is_proposed(self) -> bool:
        """True if it waits for a second person."""
        return self.machtiging.needs_confirmation


async def insert_assignment(
    session: AsyncSession, parent: Machtiging, assignment: NewAssignment, *, at: datetime
) -> InsertedAssignment:
    """Insert a link under `parent` with the terms of its current agreement.

    The caller has checked who may assign whom. Raises a database error for a second assignment to the same holder.
    """
    machtiging_id = assignment.id or MachtigingId(uuid7())
    row = await _insert_sealed(session, SEALED_MACHTIGING, _build_link(parent, machtiging_id, assignment, at))
    agreed = {
        "machtiging_id": machtiging_id,
        "number": 1,
        "assurance": assignment.assurance,
        "channel": Channel.ONLINE,
        "text_version": "1",
        "agreed_by": assignment.assigner_id,
        "agreed_at": at,
    }
    terms = _limit_period(parent, await load_terms(session, parent), at)
    sensitivity = Sensitivity(terms["highest_sensitivity"])
    organisation_id = await find_organisation_of_root(session, parent)
    agreed["needs_confirmation"] = await needs_second_person(session, organisation_id, sensitivity, at=at)
    agreement = await insert_agreement(session, terms | agreed)
    work = await _insert_sealed(
        session,
        SEALED_ASSIGNMENT,
        {
            "machtiging_id": machtiging_id,
            "kind": assignment.kind,
            "case_reference_sealed": await _encrypt_case_reference(session, parent, machtiging_id, assignment),
            "assigned_by": assignment.assigned_by,
            "assigned_at": at,
        },
    )
    await _index_for_search(session, parent, machtiging_id, assignment)
    machtiging = await load_machtiging(session, machtiging_id)
    if machtiging is None:
        raise Fault("toewijzing_ontbreekt", private="an inserted assignment cannot be read")
    rows = ((SEALED_MACHTIGING, row), (SEALED_AGREEMENT, agreement), (SEALED_ASSIGNMENT, work))
    return InsertedAssignment(machtiging, rows)


def _limit_period(parent: Machtiging, terms: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Limit the period under a measure of a court. The measure has no longest period."""
    if not parent.is_from_register:
        return terms
    starts_at = max(parent.period.starts_at, at)
    latest = starts_at + timedelta(days=LONGEST_CEILING_DAYS)
    return terms | {"starts_at": starts_at, "ends_at": min(parent.period.ends_at, latest)}


async def find_organisation_of_root(session: AsyncSession, link: Machtiging) -> UUID:
    """Find the organisation that has the machtiging at the root of this link. Verifies no MAC."""
    if link.gemachtigde_id is not None:
        return link.gemachtigde_id
    table = SEALED_MACHTIGING.table
    found: UUID | None = await session.scalar(select(table.c.gemachtigde_id).where(table.c.id == link.parent_id))
    if found is None:
        raise Fault("toewijzing_ontbreekt", private="a link hangs under no machtiging of an organisation")
    return found


def _build_link(
    parent: Machtiging, machtiging_id: MachtigingId, assignment: NewAssignment, at: datetime
) -> dict[str, Any]:
    return {
        "id": machtiging_id,
        "vertegenwoordigde_id": parent.vertegenwoordigde_id,
        "parent_id": parent.id,
        "employee_id": assignment.employee_id,
        "team_id": assignment.team_id,
        "stand_in_id": assignment.stand_in_id,
        "capacity": parent.capacity,
        "purpose": parent.purpose,
        "legal_ground": parent.legal_ground,
        "state": MachtigingState.ACTIVE,
        "accepted_assurance": assignment.assurance,
        "accepted_at": at,
        "agreement_number": 1,
        "offered_at": at,
    }


async def _insert_sealed(session: AsyncSession, sealed: SealedTable, values: dict[str, Any]) -> Mapping[str, Any]:
    inserting = insert(sealed.table).values(seal_row(session, sealed, values)).returning(sealed.table)
    return dict((await session.execute(inserting)).mappings().one())


async def _index_for_search(
    session: AsyncSession, parent: Machtiging, machtiging_id: MachtigingId, assignment: NewAssignment
) -> None:
    """Index the client and the case reference for the search of the organisation."""
    organisation_id, keyring = parent.gemachtigde_id, session_keyring(session)
    if organisation_id is None:  # a stand-in: the organisation has the machtiging above, and its client is indexed
        return
    await index_client(session, keyring, organisation_id, parent.id, parent.vertegenwoordigde_id)
    if assignment.case_reference is not None:
        reference = assignment.case_reference
        await index_case_reference(session, keyring, organisation_id, machtiging_id, reference)


async def _encrypt_case_reference(
    session: AsyncSession, parent: Machtiging, machtiging_id: MachtigingId, assignment: NewAssignment
) -> bytes | None:
    """Encrypt the reference with the organisation's data key: it is the organisation's own word."""
    if assignment.case_reference is None or parent.gemachtigde_id is None:
        return None
    key = await ensure_data_key(session, session_keyring(session), parent.gemachtigde_id)
    return encrypt_case_reference(key, machtiging_id, assignment.case_reference)
