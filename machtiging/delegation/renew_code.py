"""Renewal of the machtigingscode of an open offer. The old code stops working at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.move import told_facts
from machtiging.delegation.offer import Giver, Offered, make_code
from machtiging.delegation.queries import machtiging_of_row, machtiging_table
from machtiging.delegation.rules import Limits, Machtiging, State, needs_substantial
from machtiging.delegation.tables import Machtigingscode
from machtiging.kernel.errors import Conflict, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind

_CODE: Table = Machtigingscode.__table__  # type: ignore[attr-defined]
ALREADY = "code_al_vernieuwd"


@dataclass(frozen=True, slots=True)
class Replaced:
    """The code to replace, by the id from `queries.load_open_code`.

    A double submit fails: its second request finds the code already replaced.
    """

    machtiging_id: MachtigingId
    code_id: UUID


async def renew_code(
    session: AsyncSession, keyring: KeyRing, limits: Limits, giver: Giver, replaced: Replaced, *, at: datetime
) -> Offered:
    """Replace the code of an offer; the terms stay. Journals every outcome and notifies the giver.

    Raises NotAllowed `niveau_te_laag`; NotFound `machtiging_onbekend`; Conflict `machtiging_beeindigd`,
    `machtiging_al_aangenomen`, `machtiging_verlopen` or `code_al_vernieuwd` (this code was replaced before).
    """
    # Lock first the code, then the machtiging, in the same order as acceptance: no deadlock.
    mine = (_CODE.c.machtiging_id == replaced.machtiging_id, _CODE.c.used_at.is_(None))
    open_code = await session.scalar(select(_CODE.c.id).where(*mine).with_for_update())
    table = machtiging_table()
    held = select(table).where(table.c.id == replaced.machtiging_id).with_for_update()
    row = (await session.execute(held)).one_or_none()
    offered = None if row is None else machtiging_of_row(row)
    try:
        found = _renewable(offered, giver, at)
        if open_code != replaced.code_id:
            raise Conflict(ALREADY, "Er is al een nieuwe code gemaakt.")
    except Refusal as refusal:
        await record(session, _line(giver, offered, Outcome.REFUSED, refusal.private or refusal.code), at=at)
        raise
    # `used_at` without tries left marks a replaced code; a redeemed code has tries left.
    await session.execute(update(_CODE).where(_CODE.c.id == open_code).values(used_at=at, tries_left=0))
    made = await make_code(session, keyring, limits, found, at=at)
    await record(session, _line(giver, found, Outcome.DONE, "vernieuwd"), at=at)
    await tell(session, giver.person_id, Kind.NIEUWE_CODE_DOOR_U, told_facts(found, None), at=at)
    return made


def _renewable(offered: Machtiging | None, giver: Giver, at: datetime) -> Machtiging:
    if offered is None or offered.vertegenwoordigde_id != giver.person_id:
        private = "bestaat_niet" if offered is None else "niet_van_u"
        raise NotFound("machtiging_onbekend", "Deze machtiging kennen wij niet.", private=private)
    needs_substantial(giver.assurance)
    if offered.state is State.ENDED:
        raise Conflict("machtiging_beeindigd", "Deze machtiging is al beëindigd. Een nieuwe code kan niet meer.")
    if offered.state is not State.OFFERED:
        raise Conflict("machtiging_al_aangenomen", "Deze machtiging is al aangenomen. Er is geen code meer nodig.")
    if at >= offered.period.ends_at:
        raise Conflict("machtiging_verlopen", "Deze machtiging is verlopen. Maak een nieuwe.")
    return offered


def _line(giver: Giver, offered: Machtiging | None, outcome: Outcome, reason: str) -> Line:
    return Line(
        act=JournalAct.CODE_VERNIEUWD,
        outcome=outcome,
        reason=reason,
        actor_id=giver.person_id,
        capacity="self" if offered is not None and offered.vertegenwoordigde_id == giver.person_id else None,
        for_person_id=None if offered is None else offered.vertegenwoordigde_id,
        machtiging_id=None if offered is None else offered.id,
    )
