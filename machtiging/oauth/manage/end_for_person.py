"""An operator ends all sessions of a person.

For a lost telephone or a misused login.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import OPERATOR, Line, record
from machtiging.identity.over.of_person import end_all_of
from machtiging.identity.over.rules import Why
from machtiging.kernel.ids import PersonId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind
from machtiging.oauth.end_grants import Ending, end_grants_of_person
from machtiging.oauth.openid.notices import note_whom_to_tell


@dataclass(frozen=True, slots=True)
class Order:
    """An operator's order to end sessions.

    `consents`: also revoke all consents, not only those of a login.
    """

    by: str
    why: Why
    consents: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The numbers of ended sessions and consents."""

    sessions: int
    consents: int


async def end_for_person(session: AsyncSession, person_id: PersonId, order: Order, *, at: datetime) -> Ended:
    """End the sessions of a person and the grants of those logins.

    Grants of expired sessions end too. Clients get logout tokens. The person is notified when anything ended. The
    journal gets a line in any case.
    """
    over = await end_all_of(session, person_id, at=at)
    # Notices before grants: see `logout_notices.handle_session_end` for the lock order.
    await note_whom_to_tell(session, over, at)
    ending = Ending("uitgelogd_door_beheerder", capacity=OPERATOR)
    grants = await end_grants_of_person(session, person_id, ending, logins_only=not order.consents, at=at)
    ended = Ended(len(over), grants)
    await record(session, _line(person_id, order, ended), at=at)
    if over or grants:
        await tell(session, person_id, Kind.UITGELOGD_DOOR_ONS, {}, at=at)
    return ended


def _line(person_id: PersonId, order: Order, ended: Ended) -> Line:
    return Line(
        act=JournalAct.SESSIE_BEEINDIGD,
        outcome=Outcome.DONE,
        reason=order.why.value,
        capacity=OPERATOR,
        for_person_id=person_id,
        facts={"beheerder": order.by, "sessies": ended.sessions, "toestemmingen": ended.consents},
    )
