"""Revocation of a refresh token by its client (RFC 7009): ends the grant."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.representation import find_represented_person
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.refresh.lookup import RefreshTokenView


async def revoke_refresh_token(
    session: AsyncSession, handler: AuthorizationDetailsHandler, token: RefreshTokenView, *, at: datetime
) -> None:
    """End the grant of this token, used or not. A second call changes and journals nothing."""
    if not await end_grant(session, handler, token.grant_id, GrantEnding("token_ingetrokken"), at=at):
        return
    representation = token.representation
    line = NewJournalLine(
        act=JournalAct.TOKEN_INGETROKKEN,
        outcome=JournalOutcome.DONE,
        reason="door_client",
        client_id=token.client_id,
        for_person_id=find_represented_person(token.person_id, representation, is_several=token.is_several),
        machtiging_id=None if representation is None else representation.machtiging_id,
        on_behalf_of=None if representation is None else representation.organisation_id,
        object_kind="grant",
        object_id=str(token.grant_id),
    )
    await record(session, line, at=at)
