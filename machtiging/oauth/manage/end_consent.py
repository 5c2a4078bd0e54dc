"""A person ends the access of an app: the one who let it in, or the citizen whose letters it read."""

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
    """End this consent with its codes and tokens: the very next request of the app is refused. False when it had ended.

    `via`: the client with which this person did it, when it was not on the portal.

    Raises NotFound `toestemming_onbekend` for what is not there and for what is somebody else's; the journal is told
    which it was.
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
            # An id that we never gave is a word of the caller's, and could hold a BSN.
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
    """Who did it, as it might have been somebody in her name; and the helper whose app stops.

    A giver whose helper stops an app need not hear of it: nothing opens, and it stands in her overview.
    """
    app = await queries.name_of_client(session, grant.client_id)
    facts = {"grant_id": str(grant.id), "app": app or ""}
    if held is not None:
        facts |= {"giver_id": str(held.vertegenwoordigde_id), "helper_id": str(grant.person_id)}
    await tell(session, person_id, Kind.APP_GESTOPT_DOOR_U, facts, at=at)
    if person_id != grant.person_id:
        await tell(session, grant.person_id, Kind.APP_GESTOPT_DOOR_GEVER, facts, at=at)
