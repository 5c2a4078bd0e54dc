"""Reuse detection (RFC 9700 section 4.14.2): a refresh token used twice ends the grant.

One of the two users stole the token. So the whole token family is revoked, and the people concerned are notified.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.kernel.ids import GrantId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.client import Client
from machtiging.oauth.end_grants import GrantEnding, end_grant

REFRESH_TOKEN_REUSED = "verversing_hergebruikt"


async def end_token_family(
    session: AsyncSession, handler: AuthorizationDetailsHandler, grant_id: GrantId, client: Client, *, at: datetime
) -> bool:
    """End the grant with all its tokens.

    True for the one request that ended it.

    Notifies the person who consented and, under a machtiging, also the represented citizen.
    """
    if not await end_grant(session, handler, grant_id, GrantEnding(REFRESH_TOKEN_REUSED), at=at):
        return False
    grant = await queries.find_grant(session, grant_id)
    if grant is None:
        return False
    facts = {"grant_id": str(grant.id), "app": client.name}
    representation = await load_representation(session, handler, grant.representation_key)
    if representation is None:
        await enqueue_notification(session, grant.person_id, NotificationKind.APP_AFGESLOTEN, facts, at=at)
        return True
    facts |= {"giver_id": str(representation.vertegenwoordigde_id), "helper_id": str(grant.person_id)}
    await enqueue_notification(
        session, representation.vertegenwoordigde_id, NotificationKind.APP_AFGESLOTEN_BIJ_HELPER, facts, at=at
    )
    await enqueue_notification(session, grant.person_id, NotificationKind.APP_AFGESLOTEN_VOOR_HELPER, facts, at=at)
    return True
