"""/grants: a client looks at a grant that a person gave it, and ends it (FAPI Grant Management, section 6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId
from machtiging.oauth import queries
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.manage.consents import in_force_for
from machtiging.oauth.manage.door import ManagingClient
from machtiging.oauth.protocol.server import NO_STORE
from machtiging.oauth.rules import GRANT_QUERY, GRANT_REVOKE
from machtiging.storage.unit_of_work import Transaction

router = APIRouter(prefix="/grants", include_in_schema=False)


@router.get("")
async def no_list(client: ManagingClient) -> Response:
    """There is no list: a client knows the ids that it was told. Raises NotFound `toestemming_onbekend`."""
    client.must(GRANT_QUERY)
    raise unknown()


@router.get("/{grant_id}")
async def look(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """What was granted, while it gives access. Raises NotFound `toestemming_onbekend` for every other id alike."""
    client.must(GRANT_QUERY)
    at = request.app.state.clock.now()
    grant = await in_force_for(session, client.client_id, _id(grant_id), at=at)
    if grant is None:
        raise unknown()
    return JSONResponse(_told(grant), headers=NO_STORE)


@router.delete("/{grant_id}", status_code=204)
async def end(request: Request, grant_id: str, client: ManagingClient, session: Transaction) -> Response:
    """End it, with all that hangs on it. Raises NotFound `toestemming_onbekend`, also for one that has ended."""
    client.must(GRANT_REVOKE)
    grant = await queries.grant(session, _id(grant_id))
    if grant is None or grant.client_id != client.client_id:
        raise unknown()
    if not await end_grant(session, grant.id, Ending("beeindigd_door_client"), at=request.app.state.clock.now()):
        raise unknown()
    return Response(status_code=204, headers=NO_STORE)


def unknown() -> NotFound:
    """One text for what never was, what has ended, and what is another client's."""
    return NotFound("toestemming_onbekend", "Deze toestemming kennen wij niet.")


def _id(text: str) -> GrantId:
    try:
        return GrantId(UUID(text))
    except ValueError:
        raise unknown() from None


def _told(grant: queries.Grant) -> dict[str, Any]:
    claims = sorted({name for names in grant.requested_claims.values() for name in names})
    told: dict[str, Any] = {"scopes": [{"scope": name} for name in grant.scope.split()], "claims": claims}
    return told | {"authorization_details": grant.authorization_details}
