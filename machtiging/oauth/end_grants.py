"""End grants with their codes and tokens: the cascade of a revocation.

Codes and refresh tokens are not changed: redeeming them checks the grant. Tokens obtained by token exchange end with
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens import token_revocation
from machtiging.access_tokens.representation import find_represented_person
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.oauth.authorization_details.parsing import extract_representation_set
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.tables import BackchannelRequest, OAuthGrant
from machtiging.storage.columns import table_of

_GRANT = table_of(OAuthGrant)
_BACKCHANNEL_REQUEST = table_of(BackchannelRequest)
_HAS_OPENID_SCOPE = _GRANT.c.scope.op("~")(r"(^| )openid( |$)")


@dataclass(frozen=True, slots=True)
class GrantEnding:
    """The reason, actor and capacity for ending a grant, and the app used (`via`).

    Without an actor it is the app that holds the grant, or, in the capacity of an operator, an operator.
    `for_person_id`: of a grant for several, the represented person who ends it.
    """

    reason: str
    actor_id: PersonId | None = None
    capacity: str | None = None
    via_client_id: str | None = None
    for_person_id: PersonId | None = None


async def end_grant(
    session: AsyncSession, handler: AuthorizationDetailsHandler, grant_id: GrantId, ending: GrantEnding, *, at: datetime
) -> bool:
    """End one grant with its tokens. False when it had ended before; its tokens are revoked all the same."""
    ended = await _end_grants(session, handler, _GRANT.c.id == grant_id, ending, at)
    await token_revocation.revoke_tokens_of_grant(session, grant_id, at)
    return bool(ended)


async def end_grants_of_machtiging(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    machtiging_id: MachtigingId,
    ending: GrantEnding,
    *,
    at: datetime,
) -> int:
    """End all grants under a machtiging, with their tokens and pending requests.

    Returns the number of grants.

    Call this after revoking the machtiging, in the same transaction, which locks its row. Every insert that refers to
    the machtiging locks it too (`load_representation` with `lock`, or a grant under it). Safety does not depend on
    this: redeeming, introspection and the bearer door check the machtiging themselves.
    """
    await _deny_backchannel_requests(session, handler, machtiging_id, at)
    ended = await _end_grants(session, handler, _GRANT.c.machtiging_id == machtiging_id, ending, at)
    await token_revocation.revoke_tokens_of_machtiging(session, machtiging_id, at)
    return len(ended)


async def _deny_backchannel_requests(
    session: AsyncSession, handler: AuthorizationDetailsHandler, machtiging_id: MachtigingId, at: datetime
) -> None:
    """Deny the pending CIBA requests under this machtiging.

    Lock order: requests before grants, as in a poll of an approved request. Selected by helper, because an index exists
    for that.
    """
    theirs = _BACKCHANNEL_REQUEST.c.person_id.in_(handler.select_holder_ids(machtiging_id))
    waiting = (_BACKCHANNEL_REQUEST.c.state == "pending", _BACKCHANNEL_REQUEST.c.expires_at > at)
    statement = update(_BACKCHANNEL_REQUEST).where(
        theirs, _BACKCHANNEL_REQUEST.c.machtiging_id == machtiging_id, *waiting
    )
    await session.execute(statement.values(state="denied"))


async def end_grants_of_session(
    session: AsyncSession, handler: AuthorizationDetailsHandler, session_id: UUID, ending: GrantEnding, *, at: datetime
) -> int:
    """End all grants with scope openid of a login session, with their tokens. Returns the number."""
    theirs = (_GRANT.c.session_id == session_id) & _HAS_OPENID_SCOPE
    return await _end_grants_and_tokens(session, handler, theirs, ending, at)


async def end_grants_of_person(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    person_id: PersonId,
    ending: GrantEnding,
    *,
    openid_only: bool,
    at: datetime,
) -> int:
    """End all grants of this person, with their tokens.

    Returns the number.

    `openid_only`: only those with scope openid that were given in a login session, active or not.
    """
    theirs = _GRANT.c.person_id == person_id
    if openid_only:
        theirs = theirs & _GRANT.c.session_id.is_not(None) & _HAS_OPENID_SCOPE
    return await _end_grants_and_tokens(session, handler, theirs, ending, at)


async def _end_grants_and_tokens(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    condition: ColumnElement[bool],
    ending: GrantEnding,
    at: datetime,
) -> int:
    ended = await _end_grants(session, handler, condition, ending, at)
    await token_revocation.revoke_tokens_of_grants(session, [grant.id for grant in ended], at)
    return len(ended)


async def _end_grants(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    condition: ColumnElement[bool],
    ending: GrantEnding,
    at: datetime,
) -> list[Row[Any]]:
    # Locked in order of id, so that a logout and the end of a machtiging cannot deadlock.
    theirs = select(_GRANT.c.id).where(condition, _GRANT.c.ended_at.is_(None)).order_by(_GRANT.c.id).with_for_update()
    closing = update(_GRANT).where(_GRANT.c.id.in_(theirs)).values(ended_at=at, end_reason=ending.reason)
    ended = list(await session.execute(closing.returning(*_GRANT.c)))
    for grant in ended:
        key = RepresentationKey(grant.machtiging_id, grant.person_id, grant.organisation_kvk)
        representation = await load_representation(session, handler, key)
        several = extract_representation_set(grant.authorization_details)
        line = NewJournalLine(
            act=JournalAct.GRANT_BEEINDIGD,
            outcome=JournalOutcome.DONE,
            reason=ending.reason,
            actor_id=ending.actor_id,
            capacity=ending.capacity,
            client_id=grant.client_id,
            for_person_id=find_represented_person(grant.person_id, representation, is_several=several is not None)
            or ending.for_person_id,
            machtiging_id=grant.machtiging_id,
            on_behalf_of=None if representation is None else representation.organisation_id,
            object_kind="grant",
            object_id=str(grant.id),
            facts={} if ending.via_client_id is None else {"via": ending.via_client_id},
        )
        await record(session, line, at=at)
    return ended
