"""The four eyes of an organisation: from which sensitivity an assignment needs a second person.

One administrator can demand more. Less needs a second administrator, within 72 hours: else one person could switch it
off and assign alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.rules import Sensitivity
from machtiging.audit.acts import JournalAct
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.organisations.journal_lines import OrganisationAct, journal_act, journal_refusal
from machtiging.organisations.queries import (
    EMPLOYEE,
    OF_OTHERS,
    ORGANISATION,
    find_current_status,
    load_present_employees,
    lock_organisation,
)
from machtiging.organisations.rules import ActingEmployee, EmployeeRole, EmployeeState, RecognitionStatus
from machtiging.organisations.second_person.comparison import CONFIRMATION_PERIOD, has_lapsed, require_second_person
from machtiging.organisations.tables import SEALED_FOUR_EYES_PROPOSAL, SEALED_ORGANISATION, FourEyesProposal
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

_PROPOSAL = table_of(FourEyesProposal)
PROPOSAL_LAPSED, PROPOSAL_DECIDED, PROPOSAL_UNKNOWN = "voorstel_verlopen", "voorstel_afgehandeld", "voorstel_onbekend"


@dataclass(frozen=True, slots=True)
class ThresholdProposal:
    """An open proposal for fewer four eyes. `four_eyes_from`: None for no assignment at all."""

    id: UUID
    four_eyes_from: Sensitivity | None
    proposed_by: UUID
    expires_at: datetime


def is_demanded(threshold: Sensitivity | None, sensitivity: Sensitivity) -> bool:
    """Return True if an assignment of this sensitivity needs a second person."""
    return threshold is not None and threshold.is_at_most(sensitivity)


def demands_less(one: Sensitivity | None, other: Sensitivity | None) -> bool:
    """Return True if the first threshold lets an assignment pass that the other does not."""
    return any(is_demanded(other, each) and not is_demanded(one, each) for each in Sensitivity)


async def needs_second_person(
    session: AsyncSession, organisation_id: UUID, sensitivity: Sensitivity, *, at: datetime
) -> bool:
    """Return True if an assignment of this organisation needs a second person. Also for a forged organisation."""
    return is_demanded(await load_threshold(session, organisation_id, at=at), sensitivity)


async def load_threshold(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> Sensitivity | None:
    """Load from which sensitivity a second person is needed; None for never. A forged organisation needs it always."""
    row = (await session.execute(select(ORGANISATION).where(ORGANISATION.c.id == organisation_id))).one()
    if not await authenticate_row(session, SEALED_ORGANISATION, row, at=at):
        return Sensitivity.GEWOON
    return read_threshold(row.four_eyes_from)


def read_threshold(value: str | None) -> Sensitivity | None:
    """Read the threshold of a row; None for no four eyes."""
    return None if value is None else Sensitivity(value)


async def find_open_proposal(session: AsyncSession, organisation_id: UUID, *, at: datetime) -> ThresholdProposal | None:
    """Find the proposal that waits for a second administrator. One that lapsed or is forged counts as absent."""
    row = await _find_open_row(session, organisation_id)
    if row is None or has_lapsed(row.proposed_at, at):
        return None
    if not await authenticate_row(session, SEALED_FOUR_EYES_PROPOSAL, row, at=at):
        return None
    expires_at = row.proposed_at + CONFIRMATION_PERIOD
    return ThresholdProposal(row.id, read_threshold(row.four_eyes_from), row.proposed_by, expires_at)


async def change_four_eyes(
    session: AsyncSession, actor: ActingEmployee, threshold: Sensitivity | None, *, at: datetime
) -> UUID | None:
    """Demand more at once, or propose to demand less. Returns the id of the proposal; None if it is done.

    More drops an open proposal. Raises NotAllowed `alleen_voor_organisatiebeheerder` or `organisatie_niet_erkend`, and
    Conflict `voorstel_loopt_al`.
    """
    act = OrganisationAct(JournalAct.ORGANISATIE_VIER_OGEN, actor, actor.organisation_id, at)
    async with journal_refusal(session, act):
        organisation = await _lock_for_administrator(session, actor, at)
        current = read_threshold(organisation.four_eyes_from)
        waiting = await _find_open_row(session, organisation.id)
        if demands_less(threshold, current):
            await _require_recognised(session, organisation, at)
            if waiting is not None and not has_lapsed(waiting.proposed_at, at):
                raise Conflict("voorstel_loopt_al", message="voorstel_loopt_al.four_eyes")
    if threshold == current:
        return None
    rows: list[Any] = [] if waiting is None else [await _decide_row(session, waiting, actor, at, is_confirmed=False)]
    if demands_less(threshold, current):
        proposal_id, row = await _insert_proposal(session, actor, threshold, at)
        await journal_act(session, act, "voorgesteld", [*rows, row])
        return proposal_id
    rows.append(await _set_threshold(session, organisation, threshold))
    await journal_act(session, act, "strenger", rows)
    return None


async def decide_proposal(
    session: AsyncSession,
    keyring: KeyRing,
    actor: ActingEmployee,
    proposal_id: UUID,
    *,
    is_confirmed: bool,
    practice: bool,
    at: datetime,
) -> None:
    """Confirm or refuse a proposal for fewer four eyes. The proposer can only refuse.

    Raises NotFound `voorstel_onbekend`, NotAllowed `alleen_voor_organisatiebeheerder`, `organisatie_niet_erkend` or as
    `require_second_person`, and Conflict `voorstel_afgehandeld` or `voorstel_verlopen`.
    """
    act = OrganisationAct(JournalAct.ORGANISATIE_VIER_OGEN, actor, actor.organisation_id, at)
    async with journal_refusal(session, act):
        organisation = await _lock_for_administrator(session, actor, at)
        row = await _lock_proposal(session, organisation.id, proposal_id, at)
        if row.decided_at is not None:
            raise Conflict(PROPOSAL_DECIDED)
        if is_confirmed:
            if has_lapsed(row.proposed_at, at):
                raise Conflict(PROPOSAL_LAPSED)
            await _require_recognised(session, organisation, at)
            first = await _load_person(session, row.proposed_by)
            await require_second_person(session, keyring, first, actor.person_id, practice=practice)
    rows: list[Any] = [await _decide_row(session, row, actor, at, is_confirmed=is_confirmed)]
    if is_confirmed:
        rows.append(await _set_threshold(session, organisation, read_threshold(row.four_eyes_from)))
    await journal_act(session, act, "bevestigd" if is_confirmed else "afgewezen", rows)


async def _lock_for_administrator(session: AsyncSession, actor: ActingEmployee, at: datetime) -> Row[Any]:
    """Lock the organisation. Raises NotAllowed for somebody who is no longer organisatiebeheerder."""
    organisation = await lock_organisation(session, actor.organisation_id, at=at)
    for row in await load_present_employees(session, organisation.id, at=at):
        is_active = row.state == EmployeeState.ACTIVE.value and EmployeeRole.ADMINISTRATOR.value in row.roles
        if row.id == actor.employee_id and is_active:
            return organisation
    raise NotAllowed("alleen_voor_organisatiebeheerder")


async def _require_recognised(session: AsyncSession, organisation: Row[Any], at: datetime) -> None:
    """Require a recognised organisation. Raises NotAllowed `organisatie_opgeschort` or `organisatie_niet_erkend`."""
    status = await find_current_status(session, organisation, at=at)
    if status is not RecognitionStatus.RECOGNISED:
        suspended = status is RecognitionStatus.SUSPENDED
        code = "organisatie_opgeschort" if suspended else "organisatie_niet_erkend"
        raise NotAllowed(code, message=f"{code}.assignment")


async def _find_open_row(session: AsyncSession, organisation_id: UUID) -> Row[Any] | None:
    mine = (_PROPOSAL.c.organisation_id == organisation_id, _PROPOSAL.c.decided_at.is_(None))
    return (await session.execute(select(_PROPOSAL).where(*mine))).one_or_none()


async def _lock_proposal(session: AsyncSession, organisation_id: UUID, proposal_id: UUID, at: datetime) -> Row[Any]:
    row = (
        await session.execute(select(_PROPOSAL).where(_PROPOSAL.c.id == proposal_id).with_for_update())
    ).one_or_none()
    if row is None or row.organisation_id != organisation_id:
        raise NotFound(PROPOSAL_UNKNOWN, private="" if row is None else OF_OTHERS)
    if not await authenticate_row(session, SEALED_FOUR_EYES_PROPOSAL, row, at=at):
        raise NotAllowed(ROW_INVALID)
    return row


async def _load_person(session: AsyncSession, employee_id: UUID) -> PersonId:
    person_id = await session.scalar(select(EMPLOYEE.c.person_id).where(EMPLOYEE.c.id == employee_id))
    if person_id is None:  # impossible for who acted
        raise NotAllowed("voorstel_zonder_persoon")
    return PersonId(person_id)


async def _insert_proposal(
    session: AsyncSession, actor: ActingEmployee, threshold: Sensitivity | None, at: datetime
) -> tuple[UUID, Any]:
    proposal_id = uuid7()
    row = {
        "id": proposal_id,
        "organisation_id": actor.organisation_id,
        "four_eyes_from": threshold,
        "proposed_by": actor.employee_id,
        "proposed_at": at,
        "is_confirmed": False,
    }
    sealed = seal_row(session, SEALED_FOUR_EYES_PROPOSAL, row)
    inserted = await session.execute(insert(_PROPOSAL).values(sealed).returning(*_PROPOSAL.c))
    return proposal_id, (SEALED_FOUR_EYES_PROPOSAL, {**inserted.mappings().one()})


async def _decide_row(
    session: AsyncSession, row: Row[Any], actor: ActingEmployee, at: datetime, *, is_confirmed: bool
) -> tuple[Any, Any]:
    changes = {"decided_by": actor.employee_id, "decided_at": at, "is_confirmed": is_confirmed}
    values = reseal_changes(session, SEALED_FOUR_EYES_PROPOSAL, row, changes)
    changed = update(_PROPOSAL).where(_PROPOSAL.c.id == row.id).values(values).returning(*_PROPOSAL.c)
    return SEALED_FOUR_EYES_PROPOSAL, {**(await session.execute(changed)).mappings().one()}


async def _set_threshold(session: AsyncSession, organisation: Row[Any], threshold: Sensitivity | None) -> Any:
    changes = {"four_eyes_from": threshold, "epoch": organisation.epoch + 1}
    values = reseal_changes(session, SEALED_ORGANISATION, organisation, changes)
    changed = update(ORGANISATION).where(ORGANISATION.c.id == organisation.id).values(values).returning(*ORGANISATION.c)
    return SEALED_ORGANISATION, {**(await session.execute(changed)).mappings().one()}
