"""Recognition of an organisation by two operators (four eyes), and its ceiling.

Whoever confirms is another person, not another account: two accounts with one BSN, or with one name and birth date, are
one person. Outside the practice world both must be known well enough to say that they differ. Every decision raises the
epoch of the organisation, so that the next request of its employees sees it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.kernel.ids import PersonId
from machtiging.organisations.journal_lines import OrganisationAct, journal_act, journal_refusal
from machtiging.organisations.queries import (
    ORGANISATION,
    RECOGNITION,
    build_ceiling,
    find_current_status,
    find_newest_recognition,
    lock_organisation,
    lock_recognition,
)
from machtiging.organisations.registration import describe_ceiling
from machtiging.organisations.rules import ActingOperator, Ceiling, RecognitionProposal, RecognitionStatus, may_follow
from machtiging.organisations.second_person.comparison import require_second_person
from machtiging.organisations.tables import SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.row_mac import reseal_changes, seal_row


async def propose_recognition(
    session: AsyncSession,
    operator: ActingOperator,
    organisation_id: UUID,
    proposal: RecognitionProposal,
    *,
    at: datetime,
) -> int:
    """Propose a status. It counts only after another operator confirms it. Returns the number of the proposal.

    Raises NotFound `organisatie_onbekend`, NotAllowed `rij_ongeldig`, Conflict `erkenning_kan_niet` for a status that
    does not follow the current one, and Conflict `voorstel_loopt_al`.
    """
    act = OrganisationAct(JournalAct.ERKENNING_VOORGESTELD, operator, organisation_id, at, "erkenning")
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        await _require_transition(session, organisation, proposal.status, at)
        newest = await find_newest_recognition(session, organisation_id)
        if newest is not None and newest.confirmed_at is None and newest.dropped_at is None:
            raise Conflict("voorstel_loopt_al")
    number = 1 if newest is None else newest.number + 1
    row = {
        "organisation_id": organisation_id,
        "number": number,
        "status": proposal.status.value,
        "ground": proposal.ground,
        "decision_reference": proposal.decision_reference,
        "proposed_by": operator.person_id,
        "proposed_at": at,
    }
    sealed = seal_row(session, SEALED_RECOGNITION, row)
    await session.execute(insert(RECOGNITION).values(sealed))
    await journal_act(session, act, proposal.status.value, [(SEALED_RECOGNITION, sealed)], facts={"nummer": number})
    return number


async def confirm_recognition(
    session: AsyncSession,
    keyring: KeyRing,
    operator: ActingOperator,
    organisation_id: UUID,
    number: int,
    *,
    practice: bool,
    at: datetime,
) -> RecognitionStatus:
    """Confirm the proposal of another operator; it is the current recognition from now on. Returns its status.

    Both operators are in a login session; only the practice world (`practice`) lets the command line take part. Raises
    NotFound `organisatie_onbekend` or `voorstel_onbekend`, NotAllowed `rij_ongeldig` or as `_require_other_person`, and
    Conflict `voorstel_afgehandeld` or `erkenning_kan_niet`.
    """
    act = OrganisationAct(JournalAct.ERKENNING_BEVESTIGD, operator, organisation_id, at, "erkenning")
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        proposal = await _lock_open_proposal(session, organisation_id, number, at)
        await _require_other_person(session, keyring, proposal, operator, practice=practice)
        status = RecognitionStatus(proposal.status)
        await _require_transition(session, organisation, status, at)
    confirmation = {"confirmed_by": operator.person_id, "confirmed_at": at}
    recognition = await _update_recognition(session, proposal, confirmation)
    changes = {"recognition_number": number, "epoch": organisation.epoch + 1}
    rows = [(SEALED_ORGANISATION, await _update_organisation(session, organisation, changes))]
    facts = {"nummer": number} | ({"oefenwereld": True} if operator.person_id is None else {})
    await journal_act(session, act, status.value, [*rows, (SEALED_RECOGNITION, recognition)], facts=facts)
    return status


async def drop_proposal(
    session: AsyncSession, operator: ActingOperator, organisation_id: UUID, number: int, *, at: datetime
) -> None:
    """Drop an open proposal. Any operator may, also the proposer.

    Raises NotFound `organisatie_onbekend` or `voorstel_onbekend`, and Conflict `voorstel_afgehandeld`.
    """
    act = OrganisationAct(JournalAct.ERKENNING_VERVALLEN, operator, organisation_id, at, "erkenning")
    async with journal_refusal(session, act):
        await lock_organisation(session, organisation_id, at=at)
        proposal = await _lock_open_proposal(session, organisation_id, number, at)
    dropped = await _update_recognition(session, proposal, {"dropped_at": at})
    await journal_act(session, act, proposal.status, [(SEALED_RECOGNITION, dropped)], facts={"nummer": number})


async def narrow_ceiling(
    session: AsyncSession, operator: ActingOperator, organisation_id: UUID, ceiling: Ceiling, *, at: datetime
) -> bool:
    """Narrow the ceiling or raise the minimum level. Returns False if nothing changes.

    One operator is enough, because it only takes away. Raises NotFound `organisatie_onbekend` and NotAllowed
    `plafond_verruimen` for a ceiling that allows more than the current one.
    """
    act = OrganisationAct(JournalAct.ORGANISATIE_BEPERKT, operator, organisation_id, at)
    async with journal_refusal(session, act):
        organisation = await lock_organisation(session, organisation_id, at=at)
        current = build_ceiling(organisation)
        if not ceiling.is_within(current):
            raise NotAllowed("plafond_verruimen")
    if ceiling == current:
        return False
    changes = {**describe_ceiling(ceiling), "epoch": organisation.epoch + 1}
    row = await _update_organisation(session, organisation, changes)
    await journal_act(session, act, "plafond", [(SEALED_ORGANISATION, row)])
    return True


async def _require_transition(
    session: AsyncSession, organisation: Row[Any], status: RecognitionStatus, at: datetime
) -> None:
    """Require that the status follows the current one. Raises Conflict `erkenning_kan_niet`."""
    current = await find_current_status(session, organisation, at=at)
    if status is RecognitionStatus.REQUESTED or not may_follow(current, status):
        raise Conflict("erkenning_kan_niet")


async def _lock_open_proposal(session: AsyncSession, organisation_id: UUID, number: int, at: datetime) -> Row[Any]:
    proposal = await lock_recognition(session, organisation_id, number, at=at)
    if proposal.confirmed_at is not None or proposal.dropped_at is not None:
        raise Conflict("voorstel_afgehandeld")
    return proposal


async def _require_other_person(
    session: AsyncSession, keyring: KeyRing, proposal: Row[Any], operator: ActingOperator, *, practice: bool
) -> None:
    """Require another person than the proposer. The practice world accepts one who is not known.

    Raises NotAllowed `bevestigen_in_sessie`, `voorstel_zonder_persoon`, `eigen_voorstel`, `persoon_niet_zeker` or
    `rij_ongeldig`.
    """
    if operator.person_id is None or proposal.proposed_by is None:
        if practice:
            return
        raise NotAllowed("bevestigen_in_sessie" if operator.person_id is None else "voorstel_zonder_persoon")
    proposer = PersonId(proposal.proposed_by)
    await require_second_person(session, keyring, proposer, operator.person_id, practice=practice)


async def _update_recognition(session: AsyncSession, row: Row[Any], changes: dict[str, Any]) -> dict[str, Any]:
    values = reseal_changes(session, SEALED_RECOGNITION, row, changes)
    mine = (RECOGNITION.c.organisation_id == row.organisation_id, RECOGNITION.c.number == row.number)
    updated = await session.execute(update(RECOGNITION).where(*mine).values(values).returning(*RECOGNITION.c))
    return {**updated.mappings().one()}


async def _update_organisation(session: AsyncSession, row: Row[Any], changes: dict[str, Any]) -> dict[str, Any]:
    values = reseal_changes(session, SEALED_ORGANISATION, row, changes)
    changed = update(ORGANISATION).where(ORGANISATION.c.id == row.id).values(values).returning(*ORGANISATION.c)
    return {**(await session.execute(changed)).mappings().one()}
