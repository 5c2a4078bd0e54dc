"""Prior consent for `prompt=none`: an answer without a page.

Only identity claims can be released without a page. Access to post needs consent each time, as the consent page
promises.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.identity.session import Visitor
from machtiging.oauth.openid.authentication_request import AuthenticationRequest
from machtiging.oauth.tables import SEALED_GRANT, OAuthGrant
from machtiging.storage.columns import table_of

_GRANT = table_of(OAuthGrant)


async def has_prior_consent(
    session: AsyncSession, visitor: Visitor, client_id: str, authentication_request: AuthenticationRequest
) -> bool:
    """Return whether a consent of this login session and client covers openid and these claims."""
    mine = (
        _GRANT.c.client_id == client_id,
        _GRANT.c.person_id == visitor.person_id,
        _GRANT.c.session_id == visitor.sid,
        _GRANT.c.ended_at.is_(None),
    )
    for row in await session.execute(select(_GRANT).where(*mine)):
        covers = "openid" in row.scope.split() and _covers_claims(
            row.requested_claims, authentication_request.claims_to_release
        )
        if covers and await authenticate_row(session, SEALED_GRANT, row):
            return True
    return False


def _covers_claims(consented: dict[str, list[str]], requested: dict[str, list[str]]) -> bool:
    return all(set(names) <= set(consented.get(place, ())) for place, names in requested.items())
