"""Rows of statutory relations: find, insert and change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import find_active_agency
from machtiging.audit.row_authentication import authenticate_row
from machtiging.delegation.statutory.precedence import Precedence
from machtiging.delegation.statutory.rules import RegisterEvent, StatutoryKind, start_of_day
from machtiging.delegation.tables import SEALED_STATUTORY_RELATION, StatutoryRelation
from machtiging.kernel.clock import end_of_day
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed
from machtiging.kernel.ids import MachtigingId, uuid7
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

_RELATION = table_of(StatutoryRelation)
_WHOLE = "volledig"


class RegisterEvidence(NamedTuple):
    """The decision behind a machtiging from a register: kind, reference, register and days.

    `register` is its name; None for a register that is no agency here.
    """

    kind: StatutoryKind
    reference: str
    register: str | None
    registered_at: datetime
    starts_at: datetime


async def load_register_evidence(session: AsyncSession, machtiging_id: MachtigingId) -> RegisterEvidence | None:
    """Load the decision behind this machtiging; None once a change replaced it."""
    row = (await session.execute(select(_RELATION).where(_RELATION.c.machtiging_id == machtiging_id))).one_or_none()
    if row is None:
        return None
    agency = await find_active_agency(session, row.register_name)
    name = None if agency is None else agency.name
    return RegisterEvidence(StatutoryKind(row.kind), row.evidence_reference, name, row.registered_at, row.starts_at)


async def find_relation(session: AsyncSession, event: RegisterEvent, *, at: datetime) -> Row[Any] | None:
    """Find and lock the relation that an event is about.

    Raises Conflict `relatie_van_ander` if it is of another person or kind, NotAllowed `rij_ongeldig`.
    """
    mine = (
        _RELATION.c.register_name == event.source,
        _RELATION.c.relation_reference == event.relation_reference,
    )
    row = (await session.execute(select(_RELATION).where(*mine).with_for_update())).one_or_none()
    if row is None:
        return None
    if not await authenticate_row(session, SEALED_STATUTORY_RELATION, row, at=at):
        raise NotAllowed(ROW_INVALID)
    if row.vertegenwoordigde_id != event.vertegenwoordigde_id or row.kind != event.kind.value:
        raise Conflict("relatie_van_ander")
    return row


async def insert_relation(
    session: AsyncSession,
    precedence: Precedence,
    event: RegisterEvent,
    machtiging_id: MachtigingId | None,
    ends_at: datetime | None,
) -> Mapping[str, Any]:
    """Insert the relation of a begin. Without a machtiging it has ended before it began here."""
    values = _build_terms(precedence, event, machtiging_id) | {
        "id": uuid7(),
        "vertegenwoordigde_id": event.vertegenwoordigde_id,
        "kind": event.kind.value,
        "register_name": event.source,
        "relation_reference": event.relation_reference,
        "starts_at": start_of_day(event.effective_on),
        "ends_at": ends_at,
    }
    inserting = insert(_RELATION).values(seal_row(session, SEALED_STATUTORY_RELATION, values)).returning(_RELATION)
    return dict((await session.execute(inserting)).mappings().one())


def resolve_relation_end(event: RegisterEvent) -> datetime | None:
    """Return the end of a temporary relation; None if the register ends it."""
    return None if event.ends_on is None else end_of_day(event.ends_on)


def _build_terms(precedence: Precedence, event: RegisterEvent, machtiging_id: MachtigingId | None) -> dict[str, Any]:
    row, themes = precedence.get(event.kind), event.themes
    closed_themes = None if row is None else row.themes
    if row is not None and themes is not None:
        closed_themes = themes if row.themes is None else row.themes & themes
    return {
        "vertegenwoordiger_id": event.vertegenwoordiger_id,
        "extent": _WHOLE if themes is None else " ".join(sorted(themes)),
        "evidence_reference": event.evidence_reference,
        "registered_at": start_of_day(event.registered_on),
        "professional": event.is_organisation,
        "machtiging_id": machtiging_id,
        "precedence_row": None if row is None else row.id,
        "closed_capacities": [] if row is None else sorted(row.capacities),
        "closed_themes": None if closed_themes is None else sorted(closed_themes),
    }


async def change_relation(
    session: AsyncSession, precedence: Precedence, relation: Row[Any], event: RegisterEvent, machtiging_id: MachtigingId
) -> Mapping[str, Any]:
    """Write the terms of a change into its relation."""
    terms = _build_terms(precedence, event, machtiging_id)
    return await _update_relation(session, relation, terms | {"ends_at": resolve_relation_end(event)})


async def end_relation(session: AsyncSession, relation: Row[Any], ends_at: datetime) -> Mapping[str, Any]:
    """Write the end of a relation."""
    return await _update_relation(session, relation, {"ends_at": max(ends_at, relation.starts_at)})


async def _update_relation(session: AsyncSession, relation: Row[Any], changes: dict[str, Any]) -> Mapping[str, Any]:
    sealed = reseal_changes(session, SEALED_STATUTORY_RELATION, relation, changes)
    changed = update(_RELATION).where(_RELATION.c.id == relation.id).values(sealed).returning(_RELATION)
    return dict((await session.execute(changed)).mappings().one())
