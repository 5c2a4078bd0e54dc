"""The three ways to end a machtiging: withdraw, give back, refuse.

None needs a reason (BW 3:72) and none can be undone.
"""

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
    """Withdraw an offer or a machtiging as its giver, at any time.

    Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`.
    """
    return await move(session, Deed.WITHDRAW, machtiging_id, giver_id, at=at)


async def give_back(
    session: AsyncSession, machtiging_id: MachtigingId, helper_id: PersonId, *, at: datetime
) -> Machtiging:
    """Give a machtiging back as its gemachtigde.

    Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`.
    """
    return await move(session, Deed.GIVE_BACK, machtiging_id, helper_id, at=at)


async def refuse(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, answer: DateParts | CheckAnswer, *, at: datetime
) -> Machtiging:
    """Refuse an offer as the holder of its code, and use the code up.

    Returns and raises as `acceptance.accept_offer`.
    """
    redeemed = await redeem(session, keyring, helper, (code, answer), Deed.REFUSE, at=at)
    if redeemed.anew:
        await witness(session, Deed.REFUSE, redeemed.machtiging, helper.person_id, at=at)
    return redeemed.machtiging
