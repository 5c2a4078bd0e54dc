"""/grants: a client queries and revokes a grant (FAPI Grant Management, section 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, Response

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.grant_management.auth import GrantManagementClient, ManagingClient
from machtiging.oauth.grant_management.consents import has_access
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.rules import GRANT_MANAGEMENT_QUERY, GRANT_MANAGEMENT_REVOKE
from machtiging.storage.unit_of_work import Transaction

router = APIRouter(prefix="/grants", include_in_schema=False)


@router.get("")
async def reject_listing(request: Request, client: ManagingClient, session: Transaction) -> Response:
    """Refuse to list grants: a client has the ids of its own grants.

    Raises NotFound `toestemming_onbekend`.
    """
    at = oauth_services(request).clock.now()
    await client.require_scope(session, GRANT_MANAGEMENT_QUERY, at=at)
    raise await _journal_unknown_grant(session, client, None, "toestemming_onbekend", at)


@router.get("/{grant_id}")
async def query_grant(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """Return the grant while it gives access.

    Raises NotFound `toestemming_onbekend` for every other id alike.
    """
    services, at = oauth_services(request), oauth_services(request).clock.now()
    await client.require_scope(session, GRANT_MANAGEMENT_QUERY, at=at)
    grant = await _load_own_grant(session, client, grant_id, at)
    if not await has_access(session, services.details_handler, grant, at=at):
        raise await _journal_unknown_grant(session, client, grant.id, "toestemming_zonder_toegang", at)
    return JSONResponse(_build_grant_response(grant, build_issuer(services)), headers=NO_STORE)


@router.delete("/{grant_id}", status_code=204)
async def revoke_grant(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """Revoke the grant with its codes and tokens.

    Raises NotFound `toestemming_onbekend`, also for a grant that has ended.
    """
    services, at = oauth_services(request), oauth_services(request).clock.now()
    await client.require_scope(session, GRANT_MANAGEMENT_REVOKE, at=at)
    grant = await _load_own_grant(session, client, grant_id, at)
    ending = GrantEnding("beeindigd_door_client")
    if not await end_grant(session, services.details_handler, grant.id, ending, at=at):
        raise await _journal_unknown_grant(session, client, grant.id, "grant_beeindigd", at)
    return Response(status_code=204, headers=NO_STORE)


async def _load_own_grant(
    session: AsyncSession, client: GrantManagementClient, grant_id_text: str, at: datetime
) -> queries.Grant:
    """Load the grant if it belongs to this client. Raises NotFound `toestemming_onbekend`."""
    try:
        grant_id = GrantId(UUID(grant_id_text))
    except ValueError:
        raise await _journal_unknown_grant(session, client, None, "toestemming_onbekend", at) from None
    grant = await queries.find_grant(session, grant_id)
    if grant is None or grant.client_id != client.client_id:
        if grant is None:  # an unknown id is the caller's own text, and could hold a BSN
            raise await _journal_unknown_grant(session, client, None, "toestemming_onbekend", at)
        raise await _journal_unknown_grant(session, client, grant_id, "toestemming_van_ander", at)
    return grant


async def _journal_unknown_grant(
    session: AsyncSession, client: GrantManagementClient, grant_id: GrantId | None, reason: str, at: datetime
) -> NotFound:
    """Journal the reason and build the one refusal of this API.

    The text is the same for an unknown grant, an ended one and another client's.
    """
    line = NewJournalLine(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=reason,
        client_id=client.client_id,
        object_kind=None if grant_id is None else "grant",
        object_id=None if grant_id is None else str(grant_id),
    )
    await record(session, line, at=at)
    return NotFound("toestemming_onbekend")


def _build_grant_response(grant: queries.Grant, issuer: Issuer) -> dict[str, Any]:
    """Build the response: each scope with its resource, the claims and the authorization details.

    Without a scope there is one entry with an empty scope, so that the resource is present.
    """
    resource = [grant.resource or issuer.api_audience]
    claims = sorted({name for names in grant.requested_claims.values() for name in names})
    scopes = [{"scope": name, "resource": resource} for name in grant.scope.split() or [""]]
    return {"scopes": scopes, "claims": claims, "authorization_details": grant.authorization_details}
