"""A refresh token came twice, so one of the two who brought it is a thief: everything ends, and people are told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.delegation.queries import machtiging as machtiging_with
from machtiging.kernel.ids import GrantId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind
from machtiging.oauth import queries
from machtiging.oauth.client import Client
from machtiging.oauth.end_grants import Ending, end_grant

REUSED = "verversing_hergebruikt"


async def end_family(session: AsyncSession, grant_id: GrantId, client: Client, *, at: datetime) -> bool:
    """End the grant with every token of it; True for the one request that did it, and had people told.

    Told are the one who consented and, under a machtiging, the citizen whose letters it was about.
    """
    if not await end_grant(session, grant_id, Ending(REUSED), at=at):
        return False
    grant = await queries.grant(session, grant_id)
    if grant is None:
        return False
    facts = {"grant_id": str(grant.id), "app": client.name}
    held = None if grant.machtiging_id is None else await machtiging_with(session, grant.machtiging_id)
    if held is None:
        await tell(session, grant.person_id, Kind.APP_AFGESLOTEN, facts, at=at)
        return True
    facts |= {"giver_id": str(held.vertegenwoordigde_id), "helper_id": str(grant.person_id)}
    await tell(session, held.vertegenwoordigde_id, Kind.APP_AFGESLOTEN_BIJ_HELPER, facts, at=at)
    await tell(session, grant.person_id, Kind.APP_AFGESLOTEN_VOOR_HELPER, facts, at=at)
    return True
