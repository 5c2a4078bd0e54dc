"""End grants with their codes and tokens.

Codes and refresh tokens are not changed: redeeming them checks the grant. Tokens obtained by token exchange end with
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access import tokens
from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.queries import machtiging, machtiging_table
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId
from machtiging.oauth.tables import BackchannelRequest, OAuthGrant

_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]
_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_RESTS_ON_LOGIN = _GRANT.c.scope.op("~")(r"(^| )openid( |$)")


@dataclass(frozen=True, slots=True)
class Ending:
    """The reason, actor and capacity for ending a grant, and the app used (`via`).

    Without an actor it is the app that holds the grant, or, in the capacity of an operator, an operator.
    """

    reason: str
    actor_id: PersonId | None = None
    capacity: str | None = None
    via: str | None = None


async def end_grant(session: AsyncSession, grant_id: GrantId, ending: Ending, *, at: datetime) -> bool:
    """End one grant with its tokens. False when it had ended before; its tokens are revoked all the same."""
    ended = await _end(session, _GRANT.c.id == grant_id, ending, at)
    await tokens.revoke_of_grant(session, grant_id, at)
    return bool(ended)


async def end_grants_of_machtiging(
    session: AsyncSession, machtiging_id: MachtigingId, ending: Ending, *, at: datetime
) -> int:
    """End all grants under a machtiging, with their tokens and pending requests.

    Returns the number of grants.

    Call this after revoking the machtiging, in the same transaction, which locks its row. Every insert that refers to
    the machtiging locks it too (`delegation.queries.load_machtiging_for_share`, or a grant under it). Safety does not
    depend on this: redeeming, introspection and the bearer door check the machtiging themselves.
    """
    await _deny_requests(session, machtiging_id, at)
    ended = await _end(session, _GRANT.c.machtiging_id == machtiging_id, ending, at)
    await tokens.revoke_of_machtiging(session, machtiging_id, at)
    return len(ended)


async def _deny_requests(session: AsyncSession, machtiging_id: MachtigingId, at: datetime) -> None:
    """Deny the pending CIBA requests under this machtiging.

    Lock order: requests before grants, as in a poll of an approved request. Selected by helper, because an index exists
    for that.
    """
    table = machtiging_table()
    helper = select(table.c.gemachtigde_id).where(table.c.id == machtiging_id).scalar_subquery()
    waiting = (_REQUEST.c.state == "pending", _REQUEST.c.expires_at > at)
    asked = update(_REQUEST).where(_REQUEST.c.person_id == helper, _REQUEST.c.machtiging_id == machtiging_id, *waiting)
    await session.execute(asked.values(state="denied"))


async def end_grants_of_session(session: AsyncSession, sid: UUID, ending: Ending, *, at: datetime) -> int:
    """End all grants with scope openid of a login session, with their tokens. Returns the number."""
    return await _end_with_tokens(session, (_GRANT.c.session_id == sid) & _RESTS_ON_LOGIN, ending, at)


async def end_grants_of_person(
    session: AsyncSession, person_id: PersonId, ending: Ending, *, logins_only: bool, at: datetime
) -> int:
    """End all grants of this person, with their tokens.

    Returns the number.

    `openid_only`: only those with scope openid that were given in a login session, active or not.
    """
    theirs = _GRANT.c.person_id == person_id
    if logins_only:
        theirs = theirs & _GRANT.c.session_id.is_not(None) & _RESTS_ON_LOGIN
    return await _end_with_tokens(session, theirs, ending, at)


async def _end_with_tokens(session: AsyncSession, which: ColumnElement[bool], ending: Ending, at: datetime) -> int:
    ended = await _end(session, which, ending, at)
    await tokens.revoke_of_grants(session, [grant.id for grant in ended], at)
    return len(ended)


async def _end(session: AsyncSession, which: ColumnElement[bool], ending: Ending, at: datetime) -> list[Row[Any]]:
    # Locked in order of id, so that a logout and the end of a machtiging cannot deadlock.
    theirs = select(_GRANT.c.id).where(which, _GRANT.c.ended_at.is_(None)).order_by(_GRANT.c.id).with_for_update()
    closing = update(_GRANT).where(_GRANT.c.id.in_(theirs)).values(ended_at=at, end_reason=ending.reason)
    ended = list(await session.execute(closing.returning(*_GRANT.c)))
    for grant in ended:
        held = None if grant.machtiging_id is None else await machtiging(session, grant.machtiging_id)
        line = Line(
            act=JournalAct.GRANT_BEEINDIGD,
            outcome=Outcome.DONE,
            reason=ending.reason,
            actor_id=ending.actor_id,
            capacity=ending.capacity,
            client_id=grant.client_id,
            for_person_id=grant.person_id if held is None else held.vertegenwoordigde_id,
            machtiging_id=grant.machtiging_id,
            object_kind="grant",
            object_id=str(grant.id),
            facts={} if ending.via is None else {"via": ending.via},
        )
        await record(session, line, at=at)
    return ended
