"""Revocation of a consent by the person who gave it, or by the vertegenwoordigde."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.queries import machtiging as machtiging_with
from machtiging.delegation.rules import Capacity, Machtiging
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId, PersonId
from machtiging.notifications.tell import tell
from machtiging.notifications.texts import Kind
from machtiging.oauth import queries
from machtiging.oauth.end_grants import Ending, end_grant
from machtiging.oauth.queries import Grant

REASON = "toestemming_beeindigd"


async def end_consent(
    session: AsyncSession, person_id: PersonId, grant_id: GrantId, *, at: datetime, via: str | None = None
) -> bool:
    """Revoke this consent with its codes and tokens. False when it had already ended.

    The next request of the app is refused. `via_client_id`: the client of the request, when it did not come from the
    portal.

    Raises NotFound `toestemming_onbekend` for an unknown consent and for somebody else's; the journal has the
    difference.
    """
    grant = await queries.grant(session, grant_id)
    held = None if grant is None or grant.machtiging_id is None else await machtiging_with(session, grant.machtiging_id)
    giver = None if held is None else held.vertegenwoordigde_id
    if grant is None or person_id not in (grant.person_id, giver):
        line = Line(
            act=JournalAct.GRANT_GEWEIGERD,
            outcome=Outcome.REFUSED,
            reason="toestemming_onbekend" if grant is None else "toestemming_van_ander",
            actor_id=person_id,
            client_id=via,
            # An unknown id is the caller's own text, and could hold a BSN.
            object_kind=None if grant is None else "grant",
            object_id=None if grant is None else str(grant_id),
        )
        await record(session, line, at=at)
        raise NotFound("toestemming_onbekend", "Deze toestemming kennen wij niet.")
    ending = Ending(REASON, person_id, _capacity(person_id, grant, held), via)
    if not await end_grant(session, grant_id, ending, at=at):
        return False
    await _tell(session, person_id, grant, held, at)
    return True


def _capacity(person_id: PersonId, grant: Grant, held: Machtiging | None) -> Capacity:
    return Capacity.SELF if held is None or person_id != grant.person_id else held.capacity


async def _tell(
    session: AsyncSession, person_id: PersonId, grant: Grant, held: Machtiging | None, at: datetime
) -> None:
    """Notify the person who revoked, and the helper whose app stops.

    The first notice is a warning, in case somebody acted in her name. A vertegenwoordigde is not notified when a helper
    stops an app: that gives no new access, and it is in the overview.
    """
    app = await queries.name_of_client(session, grant.client_id)
    facts = {"grant_id": str(grant.id), "app": app or ""}
    if held is not None:
        facts |= {"giver_id": str(held.vertegenwoordigde_id), "helper_id": str(grant.person_id)}
    await tell(session, person_id, Kind.APP_GESTOPT_DOOR_U, facts, at=at)
    if person_id != grant.person_id:
        await tell(session, grant.person_id, Kind.APP_GESTOPT_DOOR_GEVER, facts, at=at)
