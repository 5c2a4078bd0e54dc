"""Renewal of the machtigingscode of an open offer. The old code stops working at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.offer import Giver, OfferResult, create_code
from machtiging.delegation.queries import machtiging_from_row, machtiging_table, select_machtiging
from machtiging.delegation.rules import (
    EMERGENCY_STOP,
    Machtiging,
    MachtigingLimits,
    MachtigingState,
    require_substantial_assurance,
)
from machtiging.delegation.tables import Machtigingscode
from machtiging.delegation.transition import notification_facts
from machtiging.kernel.errors import Conflict, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.storage.columns import table_of

_CODE_TABLE = table_of(Machtigingscode)
CODE_ALREADY_RENEWED = "code_al_vernieuwd"


@dataclass(frozen=True, slots=True)
class CodeToReplace:
    """The code to replace, by the id from `queries.load_open_code`.

    A double submit fails: its second request finds the code already replaced.
    """

    machtiging_id: MachtigingId
    code_id: UUID


async def renew_code(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    giver: Giver,
    code_to_replace: CodeToReplace,
    *,
    at: datetime,
) -> OfferResult:
    """Replace the code of an offer; the terms stay. Journals every outcome and notifies the giver.

    Raises NotAllowed `niveau_te_laag`; NotFound `machtiging_onbekend`; Conflict `machtiging_beeindigd`,
    `machtiging_al_aangenomen`, `machtiging_verlopen`, `noodstop` or `code_al_vernieuwd` (it was replaced before).
    """
    # Lock first the code, then the machtiging, in the same order as acceptance: no deadlock.
    mine = (_CODE_TABLE.c.machtiging_id == code_to_replace.machtiging_id, _CODE_TABLE.c.used_at.is_(None))
    open_code = await session.scalar(select(_CODE_TABLE.c.id).where(*mine).with_for_update())
    table = machtiging_table()
    locked = select_machtiging().where(table.c.id == code_to_replace.machtiging_id).with_for_update(of=table)
    row = (await session.execute(locked)).one_or_none()
    offered = None if row is None else machtiging_from_row(row)
    try:
        found = _require_renewable_offer(offered, giver, at)
        if open_code != code_to_replace.code_id:
            raise Conflict(CODE_ALREADY_RENEWED)
    except Refusal as refusal:
        await record(
            session, _build_journal_line(giver, offered, JournalOutcome.REFUSED, refusal.private or refusal.code), at=at
        )
        raise
    # `used_at` without tries left marks a replaced code; a redeemed code has tries left.
    await session.execute(update(_CODE_TABLE).where(_CODE_TABLE.c.id == open_code).values(used_at=at, tries_left=0))
    new_code = await create_code(session, keyring, limits, found, at=at)
    await record(session, _build_journal_line(giver, found, JournalOutcome.DONE, "vernieuwd"), at=at)
    await enqueue_notification(
        session, giver.person_id, NotificationKind.NIEUWE_CODE_DOOR_U, notification_facts(found, None), at=at
    )
    return new_code


def _require_renewable_offer(offered: Machtiging | None, giver: Giver, at: datetime) -> Machtiging:
    if offered is None or offered.vertegenwoordigde_id != giver.person_id:
        private = "bestaat_niet" if offered is None else "niet_van_u"
        raise NotFound("machtiging_onbekend", private=private)
    require_substantial_assurance(giver.assurance)
    if offered.state is MachtigingState.ENDED:
        raise Conflict("machtiging_beeindigd", message="machtiging_beeindigd.code_renewal")
    if offered.state is not MachtigingState.OFFERED:
        raise Conflict("machtiging_al_aangenomen")
    if offered.offered_to is not None:  # it never had a code
        raise Conflict("machtiging_kan_dit_niet")
    if offered.stopped_at is not None:
        raise Conflict(EMERGENCY_STOP)
    if at >= offered.period.ends_at:
        raise Conflict("machtiging_verlopen", message="machtiging_verlopen.code_renewal")
    return offered


def _build_journal_line(
    giver: Giver, offered: Machtiging | None, outcome: JournalOutcome, reason: str
) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.CODE_VERNIEUWD,
        outcome=outcome,
        reason=reason,
        actor_id=giver.person_id,
        capacity="self" if offered is not None and offered.vertegenwoordigde_id == giver.person_id else None,
        for_person_id=None if offered is None else offered.vertegenwoordigde_id,
        machtiging_id=None if offered is None else offered.id,
    )
