"""The end of a session: end its grants, and write logout notices for its clients.

OpenID Connect Back-Channel Logout 1.0. The notices are written in the transaction that ends the session.
`backchannel_logout` sends them later, so a slow client does not delay the logout.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.session import EndedSession
from machtiging.kernel.ids import uuid7
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.end_grants import GrantEnding, end_grants_of_session
from machtiging.oauth.tables import LogoutNotice, OAuthClient, OAuthGrant
from machtiging.storage.columns import table_of

BACKCHANNEL_LOGOUT_URI = "backchannel_logout_uri"
_CLIENT = table_of(OAuthClient)
_GRANT = table_of(OAuthGrant)
_NOTICE = table_of(LogoutNotice)


def derive_sid(keyring: KeyRing, client_id: str, session_id: UUID) -> str:
    """Derive the `sid` of a session for one client (pairwise: clients cannot compare it)."""
    digest = keyring.blind_index("sid", f"{session_id}|{client_id}")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def handle_session_end(
    handler: AuthorizationDetailsHandler, session: AsyncSession, ended_session: EndedSession, *, at: datetime
) -> None:
    """End the grants of this login, with their tokens, and insert the logout notices.

    Only grants with scope openid end. A grant without it is a permission, not a login, and keeps its own end.
    """
    # Lock order: clients (by the notices), then tokens. A suspension locks in the same order.
    await insert_logout_notices(session, [ended_session], at)
    ending = GrantEnding("uitgelogd", ended_session.person_id, "self")
    await end_grants_of_session(session, handler, ended_session.sid, ending, at=at)


async def insert_logout_notices(session: AsyncSession, ended_sessions: Sequence[EndedSession], at: datetime) -> None:
    """Insert a logout notice for every client of these sessions with a backchannel_logout_uri."""
    whose = {one.sid: one.person_id for one in ended_sessions}
    if not whose:
        return
    uri = _CLIENT.c.registration[BACKCHANNEL_LOGOUT_URI].astext
    shown = select(_CLIENT.c.client_id, uri.label("uri"), _GRANT.c.session_id).join_from(_CLIENT, _GRANT)
    logged_in = (_GRANT.c.session_id.in_(whose), _GRANT.c.scope.op("~")(r"(^| )openid( |$)"))
    recipients = shown.where(*logged_in, uri.is_not(None), _CLIENT.c.state == "active").distinct()
    rows = [
        {
            "id": uuid7(),
            "client_id": client.client_id,
            "uri": client.uri,
            "person_id": whose[client.session_id],
            "session_id": client.session_id,
            "created_at": at,
            "next_try_at": at,
            "tries": 0,
        }
        for client in await session.execute(recipients)
    ]
    if rows:
        await session.execute(insert(_NOTICE), rows)
