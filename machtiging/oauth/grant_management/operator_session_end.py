"""An operator ends all sessions of a person.

For a lost telephone or a misused login.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR, NewJournalLine, record
from machtiging.identity.rules import SessionEndReason
from machtiging.identity.session_end import end_all_sessions
from machtiging.kernel.ids import PersonId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_person
from machtiging.oauth.openid.logout_notices import insert_logout_notices


@dataclass(frozen=True, slots=True)
class SessionEndOrder:
    """An operator's order to end sessions.

    `consents`: also revoke all consents, not only those of a login.
    """

    operator: str
    reason: SessionEndReason
    consents: bool = False


@dataclass(frozen=True, slots=True)
class SessionEndCounts:
    """The numbers of ended sessions and consents."""

    sessions: int
    consents: int


async def end_sessions_for_person(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    person_id: PersonId,
    order: SessionEndOrder,
    *,
    at: datetime,
) -> SessionEndCounts:
    """End the sessions of a person and the grants of those logins.

    Grants of expired sessions end too. Clients get logout tokens. The person is notified when anything ended. The
    journal gets a line in any case.
    """
    over = await end_all_sessions(session, person_id, at=at)
    # Notices before grants: see `logout_notices.handle_session_end` for the lock order.
    await insert_logout_notices(session, over, at)
    ending = GrantEnding("uitgelogd_door_beheerder", capacity=OPERATOR)
    grants = await end_grants_of_person(session, handler, person_id, ending, openid_only=not order.consents, at=at)
    ended = SessionEndCounts(len(over), grants)
    await record(session, _build_journal_line(person_id, order, ended), at=at)
    if over or grants:
        await enqueue_notification(session, person_id, NotificationKind.UITGELOGD_DOOR_ONS, {}, at=at)
    return ended


def _build_journal_line(person_id: PersonId, order: SessionEndOrder, counts: SessionEndCounts) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.SESSIE_BEEINDIGD,
        outcome=JournalOutcome.DONE,
        reason=order.reason.value,
        capacity=OPERATOR,
        for_person_id=person_id,
        facts={"beheerder": order.operator, "sessies": counts.sessions, "toestemmingen": counts.consents},
    )
