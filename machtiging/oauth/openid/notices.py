"""A session ends: what was given in it ends too, and the apps that were shown it are going to be told.

OpenID Connect Back-Channel Logout 1.0. The notices are written in the transaction that ends the session, and sent
later by `send`: no app that is slow or away keeps anybody from logging out.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.session import Over
from machtiging.kernel.ids import uuid7
from machtiging.oauth.end_grants import Ending, end_grants_of_session
from machtiging.oauth.tables import LogoutNotice, OAuthClient, OAuthGrant

URI = "backchannel_logout_uri"
_CLIENT: Table = OAuthClient.__table__  # type: ignore[attr-defined]
_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]
_NOTICE: Table = LogoutNotice.__table__  # type: ignore[attr-defined]


def sid_for(keyring: KeyRing, client_id: str, session_id: UUID) -> str:
    """What a session is called towards one client: no two clients can find out that they saw the same one."""
    made = keyring.blind_index("sid", f"{session_id}|{client_id}")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


async def session_ended(session: AsyncSession, over: Over, *, at: datetime) -> None:
    """End what rests on this login (every grant with scope openid, with its tokens), and note whom to tell.

    A grant without that scope is a permission and no login: it lasts until its own end.
    """
    # The notices first: they hold the clients, and who suspends one locks the client before its tokens, too.
    await note_whom_to_tell(session, [over], at)
    await end_grants_of_session(session, over.sid, Ending("uitgelogd", over.person_id, "self"), at=at)


async def note_whom_to_tell(session: AsyncSession, over: Sequence[Over], at: datetime) -> None:
    """Write a notice for every app that was shown one of these sessions and asked to be told of their end."""
    whose = {one.sid: one.person_id for one in over}
    if not whose:
        return
    uri = _CLIENT.c.registration[URI].astext
    shown = select(_CLIENT.c.client_id, uri.label("uri"), _GRANT.c.session_id).join_from(_CLIENT, _GRANT)
    logged_in = (_GRANT.c.session_id.in_(whose), _GRANT.c.scope.op("~")(r"(^| )openid( |$)"))
    told = shown.where(*logged_in, uri.is_not(None), _CLIENT.c.state == "active").distinct()
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
        for client in await session.execute(told)
    ]
    if rows:
        await session.execute(insert(_NOTICE), rows)
