"""/grants: a client queries and revokes a grant (FAPI Grant Management, section 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.manage.consents import gives_access
from machtiging.oauth.manage.door import Manager, ManagingClient
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.rules import GRANT_QUERY, GRANT_REVOKE
from machtiging.storage.unit_of_work import Transaction

router = APIRouter(prefix="/grants", include_in_schema=False)


@router.get("")
async def no_list(request: Request, client: ManagingClient, session: Transaction) -> Response:
    """Refuse to list grants: a client has the ids of its own grants.

    Raises NotFound `toestemming_onbekend`.
    """
    at = oauth_services(request).clock.now()
    await client.must(session, GRANT_QUERY, at=at)
    raise await _nothing(session, client, None, "toestemming_onbekend", at)


@router.get("/{grant_id}")
async def look(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """Return the grant while it gives access.

    Raises NotFound `toestemming_onbekend` for every other id alike.
    """
    at = oauth_services(request).clock.now()
    await client.must(session, GRANT_QUERY, at=at)
    grant = await _its_own(session, client, grant_id, at)
    if not await gives_access(session, grant, at=at):
        raise await _nothing(session, client, grant.id, "toestemming_zonder_toegang", at)
    return JSONResponse(_told(grant, issuer_of(oauth_services(request))), headers=NO_STORE)


@router.delete("/{grant_id}", status_code=204)
async def end(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """Revoke the grant with its codes and tokens.

    Raises NotFound `toestemming_onbekend`, also for a grant that has ended.
    """
    at = oauth_services(request).clock.now()
    await client.must(session, GRANT_REVOKE, at=at)
    grant = await _its_own(session, client, grant_id, at)
    if not await end_grant(session, grant.id, Ending("beeindigd_door_client"), at=at):
        raise await _nothing(session, client, grant.id, "grant_beeindigd", at)
    return Response(status_code=204, headers=NO_STORE)


async def _its_own(session: AsyncSession, client: Manager, text: str, at: datetime) -> queries.Grant:
    """Load the grant if it belongs to this client. Raises NotFound `toestemming_onbekend`."""
    try:
        grant_id = GrantId(UUID(text))
    except ValueError:
        raise await _nothing(session, client, None, "toestemming_onbekend", at) from None
    grant = await queries.grant(session, grant_id)
    if grant is None or grant.client_id != client.client_id:
        if grant is None:  # an unknown id is the caller's own text, and could hold a BSN
            raise await _nothing(session, client, None, "toestemming_onbekend", at)
        raise await _nothing(session, client, grant_id, "toestemming_van_ander", at)
    return grant


async def _nothing(
    session: AsyncSession, client: Manager, grant_id: GrantId | None, reason: str, at: datetime
) -> NotFound:
    """Journal the reason and build the one refusal of this API.

    The text is the same for an unknown grant, an ended one and another client's.
    """
    line = Line(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=Outcome.REFUSED,
        reason=reason,
        client_id=client.client_id,
        object_kind=None if grant_id is None else "grant",
        object_id=None if grant_id is None else str(grant_id),
    )
    await record(session, line, at=at)
    return NotFound("toestemming_onbekend", "Deze toestemming kennen wij niet.")


def _told(grant: queries.Grant, issuer: Issuer) -> dict[str, Any]:
    """Build the response: each scope with its resource, the claims and the authorization details.

    Without a scope there is one entry with an empty scope, so that the resource is present.
    """
    resource = [grant.resource or issuer.audience]
    claims = sorted({name for names in grant.requested_claims.values() for name in names})
    scopes = [{"scope": name, "resource": resource} for name in grant.scope.split() or [""]]
    return {"scopes": scopes, "claims": claims, "authorization_details": grant.authorization_details}
