"""Prior consent for `prompt=none`: an answer without a page.

Only identity claims can be released without a page. Access to post needs consent each time, as the consent page
promises.
"""

from __future__ import annotations

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.forged_rows import authenticate_row
from machtiging.identity.session import Visitor
from machtiging.oauth.openid.wishes import Wishes
from machtiging.oauth.tables import SEALED_GRANT, OAuthGrant

_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]


async def agreed_before(session: AsyncSession, visitor: Visitor, client_id: str, wishes: Wishes) -> bool:
    """Return whether a consent of this login session and client covers openid and these claims."""
    mine = (
        _GRANT.c.client_id == client_id,
        _GRANT.c.person_id == visitor.person_id,
        _GRANT.c.session_id == visitor.sid,
        _GRANT.c.ended_at.is_(None),
    )
    for row in await session.execute(select(_GRANT).where(*mine)):
        covers = "openid" in row.scope.split() and _covers(row.requested_claims, wishes.released)
        if covers and await authenticate_row(session, SEALED_GRANT, row):
            return True
    return False


def _covers(given: dict[str, list[str]], asked: dict[str, list[str]]) -> bool:
    return all(set(names) <= set(given.get(place, ())) for place, names in asked.items())
