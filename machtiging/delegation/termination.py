"""The three ways to end a machtiging: withdraw, give back, refuse.

None needs a reason (BW 3:72) and none can be undone.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.acceptance import CodeHolder, redeem_code
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.rules import Machtiging, MachtigingAction
from machtiging.delegation.transition import transition_machtiging
from machtiging.kernel.birth_date import DateParts
from machtiging.kernel.ids import MachtigingId, PersonId


async def revoke_machtiging(
    session: AsyncSession, machtiging_id: MachtigingId, giver_id: PersonId, *, at: datetime
) -> Machtiging:
    """Withdraw an offer or a machtiging as its giver, at any time.

    Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`.
    """
    return await transition_machtiging(session, MachtigingAction.WITHDRAW, machtiging_id, giver_id, at=at)


async def give_back_machtiging(
    session: AsyncSession, machtiging_id: MachtigingId, helper_id: PersonId, *, at: datetime
) -> Machtiging:
    """Give a machtiging back as its gemachtigde.

    Raises NotFound `machtiging_onbekend`, Conflict `machtiging_beeindigd`.
    """
    return await transition_machtiging(session, MachtigingAction.GIVE_BACK, machtiging_id, helper_id, at=at)


async def refuse_offer(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    code: str,
    answer: DateParts | CheckAnswer,
    *,
    at: datetime,
) -> Machtiging:
    """Refuse an offer as the holder of its code, and use the code up.

    Returns and raises as `acceptance.accept_offer`.
    """
    return await redeem_code(session, keyring, code_holder, (code, answer), MachtigingAction.REFUSE, at=at)
