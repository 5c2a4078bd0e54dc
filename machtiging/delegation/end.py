"""The three ways in which people end a machtiging. None asks for a reason (BW 3:72), none can be undone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.accept import Helper, redeem
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.move import move, witness
from machtiging.delegation.rules import Deed, Machtiging
from machtiging.kernel.birth_date import DateParts
from machtiging.kernel.ids import MachtigingId, PersonId


async def revoke(session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime) -> Machtiging:
    """The giver withdraws: an offer, a machtiging in use or one at rest, at any time.

    Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`.
    """
    return await move(session, Deed.WITHDRAW, machtiging_id, giver_id, at=at)


async def give_back(
    session: AsyncSession, machtiging_id: MachtigingId, helper_id: PersonId, *, at: datetime
) -> Machtiging:
    """The helper stops. Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`."""
    return await move(session, Deed.GIVE_BACK, machtiging_id, helper_id, at=at)


async def refuse(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, answer: DateParts | CheckAnswer, *, at: datetime
) -> Machtiging:
    """Whoever was handed the code declines; the code is used up. Returns and raises as `accept.accept` does."""
    redeemed = await redeem(session, keyring, helper, (code, answer), Deed.REFUSE, at=at)
    if redeemed.anew:
        await witness(session, Deed.REFUSE, redeemed.machtiging, helper.person_id, at=at)
    return redeemed.machtiging
