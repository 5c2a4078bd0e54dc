"""Open the record of one person. An auditor or privacy officer asks, another one confirms.

The request says nothing about the BSN: it is stored the same if nobody has it. The confirmation tells the person.
Each step, and each refusal, is a journal line. A row with an invalid MAC is treated as absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.oversight.rules import (
    CONFIRM_WITHIN,
    READ_WITHIN,
    OpeningState,
    OversightRole,
    RecordPurpose,
    normalise_case_number,
    opening_state,
)
from machtiging.access.oversight.tables import SEALED_RECORD_OPENING, RecordOpening
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.audit.queries import find_actor_of_line
from machtiging.audit.row_authentication import authenticate_row
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import compare_people, find_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import Conflict, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

# The newest requests that a list shows, and how many of one asker may wait or be read at once: so that nobody can push
# those of others off the list.
MAX_LISTED, MAX_OPEN = 200, 10
_OPENING = table_of(RecordOpening)


@dataclass(frozen=True, slots=True)
class ActingOverseer:
    """The auditor or privacy officer who acts, in one role."""

    person_id: PersonId
    role: OversightRole


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """The purpose and the case number of a request. Raises InvalidInput `zaaknummer_ongeldig`."""

    purpose: RecordPurpose
    case_number: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "case_number", normalise_case_number(self.case_number))


@dataclass(frozen=True, slots=True)
class OpeningView:
    """A request as its makers see it: without the person. `ends_at`: until when the state lasts."""

    id: UUID
    purpose: RecordPurpose
    case_number: str
    asker_role: OversightRole
    asked_at: datetime
    confirmed_at: datetime | None
    state: OpeningState
    ends_at: datetime
    is_own: bool


async def request_record(
    session: AsyncSession,
    keyring: KeyRing,
    overseer: ActingOverseer,
    subject: Bsn | UUID,
    request: RecordRequest,
    *,
    at: datetime,
) -> UUID:
    """Ask to open the record of one person. Returns the id of the request, also if there is nobody.

    `subject`: the BSN, or the id of a journal line: then the person who acted in it. Raises Conflict
    `te_veel_inzageverzoeken`, which is journalled.
    """
    opening_id = uuid7()
    if await _count_open(session, overseer.person_id, at) >= MAX_OPEN:
        refusal = Conflict("te_veel_inzageverzoeken", params={"n": MAX_OPEN})
        refused = JournalOutcome.REFUSED
        await _journal(session, JournalAct.DOSSIER_GEVRAAGD, overseer, opening_id, refusal.code, at, outcome=refused)
        raise refusal
    person_id = await _find_subject(session, keyring, subject)
    row: dict[str, Any] = {"id": opening_id, "person_id": person_id, "asked_at": at}
    row |= {"purpose": request.purpose.value, "case_number": request.case_number}
    row |= {"asked_by": overseer.person_id, "asker_role": overseer.role.value}
    await session.execute(insert(_OPENING).values(seal_row(session, SEALED_RECORD_OPENING, row)))
    await _journal(session, JournalAct.DOSSIER_GEVRAAGD, overseer, opening_id, "gevraagd", at)
    return opening_id


async def _find_subject(session: AsyncSession, keyring: KeyRing, subject: Bsn | UUID) -> UUID | None:
    if isinstance(subject, UUID):
        return await find_actor_of_line(session, subject)
    try:
        return await find_by_bsn(session, keyring, subject)
    except NotFound:
        return None


async def _count_open(session: AsyncSession, person_id: PersonId, at: datetime) -> int:
    waits = _OPENING.c.confirmed_at.is_(None) & (_OPENING.c.asked_at > at - CONFIRM_WITHIN)
    live = waits | (_OPENING.c.confirmed_at > at - READ_WITHIN)
    mine = (_OPENING.c.asked_by == person_id, _OPENING.c.asked_at > at - CONFIRM_WITHIN - READ_WITHIN, live)
    return await session.scalar(select(func.count()).select_from(_OPENING).where(*mine)) or 0


async def confirm_record(
    session: AsyncSession, keyring: KeyRing, overseer: ActingOverseer, opening_id: UUID, *, at: datetime
) -> None:
    """Confirm the request of another person, once. The person whose record it is gets a message.

    Raises NotFound `inzage_onbekend` or `persoon_onbekend`, Conflict `inzage_al_bevestigd` or `inzage_verlopen`,
    NotAllowed `eigen_inzageverzoek`, `persoon_niet_zeker` or `rij_ongeldig`. Each is journalled.
    """
    act = JournalAct.DOSSIER_BEVESTIGD
    try:
        opening = await _load_opening(session, opening_id, lock=True)
        if opening.confirmed_at is not None:
            raise Conflict("inzage_al_bevestigd")
        if opening_state(opening.asked_at, None, at) is OpeningState.LAPSED:
            raise Conflict("inzage_verlopen")
        await _require_other_person(session, keyring, PersonId(opening.asked_by), overseer.person_id)
        if opening.person_id is None:
            raise NotFound("persoon_onbekend")
    except Refusal as refusal:
        await _journal(session, act, overseer, opening_id, refusal.code, at, outcome=JournalOutcome.REFUSED)
        raise
    changes = {"confirmed_by": overseer.person_id, "confirmer_role": overseer.role.value, "confirmed_at": at}
    sealed = reseal_changes(session, SEALED_RECORD_OPENING, opening, changes)
    await session.execute(update(_OPENING).where(_OPENING.c.id == opening_id).values(sealed))
    person_id = PersonId(opening.person_id)
    await _journal(session, act, overseer, opening_id, opening.purpose, at, person_id=person_id)
    facts = {"role": opening.asker_role, "purpose": opening.purpose, "begins_on": to_dutch_date(at).isoformat()}
    await enqueue_notification(session, person_id, NotificationKind.DOSSIER_GEOPEND, facts, at=at)


async def open_record(
    session: AsyncSession, overseer: ActingOverseer, opening_id: UUID, *, at: datetime
) -> tuple[PersonId, OpeningView]:
    """Return whose record may be read now. Each time is a journal line.

    Raises NotFound `inzage_onbekend`, also for a request of somebody else, and Conflict `inzage_wacht`,
    `inzage_verlopen` or `inzage_voorbij`. Each is journalled.
    """
    act = JournalAct.DOSSIER_INGEZIEN
    try:
        opening = await _load_opening(session, opening_id)
        if opening.asked_by != overseer.person_id:
            raise NotFound("inzage_onbekend")
        state = opening_state(opening.asked_at, opening.confirmed_at, at)
        if state is not OpeningState.OPEN or opening.person_id is None:
            raise Conflict(_CODE_OF_STATE[state])
    except Refusal as refusal:
        await _journal(session, act, overseer, opening_id, refusal.code, at, outcome=JournalOutcome.REFUSED)
        raise
    person_id = PersonId(opening.person_id)
    allowed = JournalOutcome.ALLOWED
    await _journal(session, act, overseer, opening_id, opening.purpose, at, person_id=person_id, outcome=allowed)
    return person_id, _describe(opening, overseer.person_id, at)


async def list_openings(session: AsyncSession, overseer: ActingOverseer, *, at: datetime) -> Sequence[OpeningView]:
    """List the newest requests of all that can still be confirmed or read."""
    recent = _OPENING.c.asked_at > at - CONFIRM_WITHIN - READ_WITHIN
    rows = await session.execute(select(_OPENING).where(recent).order_by(_OPENING.c.asked_at.desc()).limit(MAX_LISTED))
    return [
        _describe(row, overseer.person_id, at)
        for row in rows.all()
        if await authenticate_row(session, SEALED_RECORD_OPENING, row, at=at)
    ]


_CODE_OF_STATE = {
    OpeningState.WAITING: "inzage_wacht",
    OpeningState.LAPSED: "inzage_verlopen",
    OpeningState.OPEN: "persoon_onbekend",
    OpeningState.CLOSED: "inzage_voorbij",
}


async def _load_opening(session: AsyncSession, opening_id: UUID, *, lock: bool = False) -> Row[Any]:
    """Load a request. Raises NotFound `inzage_onbekend`, also for a forged row."""
    query = select(_OPENING).where(_OPENING.c.id == opening_id)
    row = (await session.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None or not await authenticate_row(session, SEALED_RECORD_OPENING, row):
        raise NotFound("inzage_onbekend")
    return row


async def _require_other_person(session: AsyncSession, keyring: KeyRing, one: PersonId, other: PersonId) -> None:
    """Require two people, not two logins. Raises NotAllowed."""
    same = await compare_people(session, keyring, one, other)
    if same is not False:
        raise NotAllowed("eigen_inzageverzoek" if same else "persoon_niet_zeker")


def _describe(row: Row[Any], viewer_id: PersonId, at: datetime) -> OpeningView:
    begins, period = (row.asked_at, CONFIRM_WITHIN) if row.confirmed_at is None else (row.confirmed_at, READ_WITHIN)
    return OpeningView(
        id=row.id,
        purpose=RecordPurpose(row.purpose),
        case_number=row.case_number,
        asker_role=OversightRole(row.asker_role),
        asked_at=row.asked_at,
        confirmed_at=row.confirmed_at,
        state=opening_state(row.asked_at, row.confirmed_at, at),
        ends_at=begins + period,
        is_own=row.asked_by == viewer_id,
    )


async def _journal(
    session: AsyncSession,
    act: JournalAct,
    overseer: ActingOverseer,
    opening_id: UUID,
    reason: str,
    at: datetime,
    *,
    person_id: PersonId | None = None,
    outcome: JournalOutcome = JournalOutcome.DONE,
) -> None:
    """Write one step down. Only a confirmed step names the person."""
    line = NewJournalLine(
        act=act,
        outcome=outcome,
        reason=reason,
        actor_id=overseer.person_id,
        capacity=overseer.role.value,
        for_person_id=person_id,
        object_kind="dossierinzage",
        object_id=str(opening_id),
    )
    await record(session, line, at=at)
