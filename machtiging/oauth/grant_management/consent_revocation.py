"""Revocation of a consent by the person who gave it, or by the vertegenwoordigde."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.representation import Representation
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.kernel.errors import NotFound
from machtiging.kernel.ids import GrantId, PersonId
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler
from machtiging.oauth.authorization_details.representations import load_representation
from machtiging.oauth.end_grants import GrantEnding, end_grant
from machtiging.oauth.queries import Grant

CONSENT_REVOKED_REASON = "toestemming_beeindigd"


async def revoke_consent(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    person_id: PersonId,
    grant_id: GrantId,
    *,
    at: datetime,
    via_client_id: str | None = None,
) -> bool:
    """Revoke this consent with its codes and tokens. False when it had already ended.

    The next request of the app is refused. `via_client_id`: the client of the request, when it did not come from the
    portal.

    Raises NotFound `toestemming_onbekend` for an unknown consent and for somebody else's; the journal has the
    difference.
    """
    grant = await queries.find_grant(session, grant_id)
    representation = None if grant is None else await load_representation(session, handler, grant.representation_key)
    if grant is None or not await _may_revoke(session, handler, person_id, grant, representation, at):
        await record(session, _build_refusal_line(person_id, grant, via_client_id), at=at)
        raise NotFound("toestemming_onbekend")
    ending = GrantEnding(
        CONSENT_REVOKED_REASON,
        person_id,
        _resolve_capacity(person_id, grant, representation),
        via_client_id,
        for_person_id=None if person_id == grant.person_id else person_id,
    )
    if not await end_grant(session, handler, grant_id, ending, at=at):
        return False
    await _notify_persons(session, person_id, grant, representation, at)
    return True


def _build_refusal_line(person_id: PersonId, grant: Grant | None, via_client_id: str | None) -> NewJournalLine:
    return NewJournalLine(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason="toestemming_onbekend" if grant is None else "toestemming_van_ander",
        actor_id=person_id,
        client_id=via_client_id,
        # An unknown id is the caller's own text, and could hold a BSN.
        object_kind=None if grant is None else "grant",
        object_id=None if grant is None else str(grant.id),
    )


async def _may_revoke(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    person_id: PersonId,
    grant: Grant,
    representation: Representation | None,
    at: datetime,
) -> bool:
    """Return True for the person who consented, and for the only person represented by it."""
    if person_id == grant.person_id or (
        representation is not None and person_id == representation.vertegenwoordigde_id
    ):
        return True
    several = grant.representation_set
    return several is not None and await handler.represents_only(session, several, person_id, at)


def _resolve_capacity(person_id: PersonId, grant: Grant, representation: Representation | None) -> str:
    return "self" if representation is None or person_id != grant.person_id else representation.capacity


async def _notify_persons(
    session: AsyncSession, person_id: PersonId, grant: Grant, representation: Representation | None, at: datetime
) -> None:
    """Notify the person who revoked, and the helper whose app stops.

    The first notice is a warning, in case somebody acted in her name. A vertegenwoordigde is not notified when a helper
    stops an app: that gives no new access, and it is in the overview.
    """
    app = await queries.find_client_name(session, grant.client_id)
    facts = {"grant_id": str(grant.id), "app": app or ""}
    giver_id = person_id if representation is None else representation.vertegenwoordigde_id
    if giver_id != grant.person_id:
        facts |= {"giver_id": str(giver_id), "helper_id": str(grant.person_id)}
    await enqueue_notification(session, person_id, NotificationKind.APP_GESTOPT_DOOR_U, facts, at=at)
    if person_id != grant.person_id:
        await enqueue_notification(session, grant.person_id, NotificationKind.APP_GESTOPT_DOOR_GEVER, facts, at=at)
