"""Carry out the effects of a refusal.

A replay ends the grant, and a forged row is journalled. The decision is not made again here. These effects take several
writes, so they run in one transaction.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.row_authentication import authenticate_row
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.errors import OAuthRefusal
from machtiging.oauth.refresh.reuse_detection import end_token_family
from machtiging.oauth.token_endpoint.authorization_code import CODE_REUSED, CodeReplay
from machtiging.oauth.token_endpoint.context import sealed_tables
from machtiging.oauth.token_endpoint.refresh_token import RefreshTokenReuse
from machtiging.oauth.token_endpoint.token_request import ForgedRow, TokenRequest

REFUSALS_WITH_EFFECTS = (CodeReplay, RefreshTokenReuse, ForgedRow)


async def carry_out_effects(session: AsyncSession, request: TokenRequest, refusal: OAuthRefusal) -> None:
    """Carry out the effects of a refusal, if it has any.

    Only the first replay is journalled for a public client: it proves nothing, and must not fill the journal.
    """
    handler, at = request.issuer.details_handler, request.at
    if isinstance(refusal, CodeReplay):
        ended = await end_grant(session, handler, refusal.grant_id, GrantEnding(CODE_REUSED), at=at)
        request.credential_proven = request.credential_proven or ended
    elif isinstance(refusal, RefreshTokenReuse):
        ended = await end_token_family(session, handler, refusal.grant_id, request.client, at=at)
        request.credential_proven = request.credential_proven or ended
    elif isinstance(refusal, ForgedRow):
        sealed = sealed_tables(request.form["grant_type"])[refusal.prefix]
        await authenticate_row(session, sealed, request.loaded.row, refusal.prefix, at=at)
