"""The person's decision on a CIBA request: approval writes a grant, denial ends the request.

One decision per request, by its own person.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.representation import OTHER_ORGANISATION
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.identity.session import Visitor, lock_session
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, LevelTooLow, NotAllowed, NotAuthenticated, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, ConsentChoice
from machtiging.oauth.authorize.grantable_access import list_grantable_access
from machtiging.oauth.ciba.queries import PendingBackchannelRequest, list_pending_requests
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, SEALED_GRANT, BackchannelRequest, OAuthGrant
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import reseal_changes, seal_row

_REQUEST = table_of(BackchannelRequest)
_GRANT = table_of(OAuthGrant)
_REQUEST_ID = re.compile(r"[0-9a-f]{64}")


class BackchannelDecision(StrEnum):
    """The three buttons of the page. The values travel in the form and the redirect."""

    APPROVE = "akkoord"
    DENY = "weigeren"
    NOT_REQUESTED = "niet_gevraagd"


_DENIAL_REASONS = {
    BackchannelDecision.DENY: "geweigerd_door_gebruiker",
    BackchannelDecision.NOT_REQUESTED: "niet_zelf_gevraagd",
}


async def decide_backchannel_request(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    visitor: Visitor,
    request_id: str,
    decision: BackchannelDecision,
    *,
    at: datetime,
) -> None:
    """Carry out the decision, once. The same decision again has no effect.

    Raises NotFound `verzoek_onbekend` (also for somebody else's), Conflict `al_besloten`, `verzoek_verlopen` or
    `kan_niet_meer`, LevelTooLow `niveau_te_laag`, NotAllowed `andere_organisatie`, NotAuthenticated when the session
    has ended.
    """
    if _REQUEST_ID.fullmatch(request_id) is None:
        raise InvalidInput("verzoek_vormfout")
    # Ending the sessions and consents of the person waits for this lock, or came first.
    if not await lock_session(session, visitor):
        raise NotAuthenticated("niet_ingelogd")
    waiting = next(
        (one for one in await list_pending_requests(session, visitor.person_id, at) if one.id == request_id), None
    )
    if waiting is None:
        await _repeat_decision(session, visitor, request_id, decision, at)
    elif decision is BackchannelDecision.APPROVE:
        await _approve_request(session, handler, visitor, waiting, at)
    elif not await _deny_request(session, visitor, waiting, _DENIAL_REASONS[decision], at):
        await _repeat_decision(session, visitor, request_id, decision, at)


async def _approve_request(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    visitor: Visitor,
    pending: PendingBackchannelRequest,
    at: datetime,
) -> None:
    # Lock order everywhere: the client first. A suspension waits for this lock, or came first.
    if not await queries.lock_active_client(session, pending.client.client_id):
        await _journal_refusal(session, visitor, "client_onbekend", at)
        _raise_no_longer_possible()
    agreement = await _resolve_grantable_access(session, handler, visitor, pending, at)
    grant = _build_grant_row(visitor, pending, agreement, at)
    both = await session.begin_nested()
    await session.execute(insert(_GRANT), seal_row(session, SEALED_GRANT, grant))
    # One statement decides, so that of two concurrent decisions only the first counts.
    saying_yes = update(_REQUEST).where(*_match_own_pending(visitor.person_id, pending.id), _REQUEST.c.expires_at > at)
    answer = {"state": "approved", "grant_id": grant["id"]}
    answer = reseal_changes(session, SEALED_BACKCHANNEL_REQUEST, pending.row, answer)
    saying_yes = saying_yes.values(answer).returning(_REQUEST.c.client_id)
    if await session.scalar(saying_yes) is None:
        await both.rollback()
        await _repeat_decision(session, visitor, pending.id, BackchannelDecision.APPROVE, at)
        return
    await both.commit()
    await _journal_grant(session, visitor, pending, agreement, str(grant["id"]), at=at)


async def _resolve_grantable_access(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    visitor: Visitor,
    pending: PendingBackchannelRequest,
    at: datetime,
) -> ConsentChoice:
    """Resolve the access to grant. End the request when it cannot be granted.

    Raises LevelTooLow, Conflict, NotAllowed.
    """
    try:
        # At a counter there is no choice: without a machtiging in the request it is the own box, the first.
        first, *_ = await list_grantable_access(session, handler, visitor, pending.parameters, lock=True, at=at)
        return first
    except OAuthRefusal as refusal:
        if refusal.code == OTHER_ORGANISATION:  # stays pending: she can log in for the other one
            await _journal_refusal(session, visitor, refusal.code, at)
            raise NotAllowed(refusal.code, message="andere_organisatie.ciba") from refusal
        if (level := find_step_up_level(visitor, pending, refusal)) is not None:
            await _journal_refusal(session, visitor, refusal.code, at)
            raise LevelTooLow(
                refusal.code, message="niveau_te_laag.ciba", level=level.value, acr=level.acr
            ) from refusal
        await _deny_request(session, visitor, pending, refusal.code, at)
        _raise_no_longer_possible()


def find_step_up_level(visitor: Visitor, pending: PendingBackchannelRequest, refusal: OAuthRefusal) -> Assurance | None:
    """Find the level for a step-up login; None when another login would not help."""
    if refusal.error is not OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS:
        return None
    levels_by_acr = {level.acr: level for level in Assurance}
    acr_values = pending.parameters.get("acr_values", "").split()
    requested = [levels_by_acr[one] for one in acr_values if one in levels_by_acr]
    if acr_values and not requested:
        return None
    # A login at every requested level was refused for the minimum of the organisation.
    above = [level for level in requested if not visitor.assurance.is_at_least(level)] or [Assurance.HIGH]
    lowest = min(above, key=list(Assurance).index)
    return None if visitor.assurance.is_at_least(lowest) else lowest


def _raise_no_longer_possible() -> NoReturn:
    raise Conflict("kan_niet_meer")


async def _deny_request(
    session: AsyncSession, visitor: Visitor, pending: PendingBackchannelRequest, reason: str, at: datetime
) -> bool:
    """End the request and journal the reason. False when it was decided before."""
    saying_no = update(_REQUEST).where(*_match_own_pending(visitor.person_id, pending.id)).values(state="denied")
    if await session.scalar(saying_no.returning(_REQUEST.c.client_id)) is None:
        return False
    line = NewJournalLine(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=reason,
        actor_id=visitor.person_id,
        client_id=pending.client.client_id,
        for_person_id=visitor.person_id,
        facts={"verdacht": True} if reason == _DENIAL_REASONS[BackchannelDecision.NOT_REQUESTED] else {},
    )
    await record(session, line, at=at)
    return True


async def _repeat_decision(
    session: AsyncSession, visitor: Visitor, request_id: str, decision: BackchannelDecision, at: datetime
) -> None:
    """Accept a repeated decision that is the same as the first one.

    Raises NotFound, Conflict.
    """
    hers = (_REQUEST.c.request_hash == bytes.fromhex(request_id), _REQUEST.c.person_id == visitor.person_id)
    state: str | None = await session.scalar(select(_REQUEST.c.state).where(*hers))
    agreed = decision is BackchannelDecision.APPROVE
    if (agreed and state in ("approved", "used")) or (not agreed and state == "denied"):
        return
    if state is None:
        await _journal_refusal(session, visitor, "verzoek_onbekend", at)
        raise NotFound("verzoek_onbekend", message="verzoek_onbekend.ciba")
    if state in ("pending", "expired"):
        await _journal_refusal(session, visitor, "verzoek_verlopen", at)
        raise Conflict("verzoek_verlopen")
    await _journal_refusal(session, visitor, "al_besloten", at)
    raise Conflict("al_besloten", message="al_besloten.ciba")


async def _journal_refusal(session: AsyncSession, visitor: Visitor, reason: str, at: datetime) -> None:
    line = NewJournalLine(JournalAct.VERZOEK_GEWEIGERD, JournalOutcome.REFUSED, reason, actor_id=visitor.person_id)
    await record(session, line, at=at)


def _match_own_pending(person_id: PersonId, request_id: str) -> tuple[ColumnElement[bool], ...]:
    named = _REQUEST.c.request_hash == bytes.fromhex(request_id)
    return named, _REQUEST.c.person_id == person_id, _REQUEST.c.state == "pending"


def _build_grant_row(
    visitor: Visitor, pending: PendingBackchannelRequest, grantable: ConsentChoice, at: datetime
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "client_id": pending.client.client_id,
        "person_id": visitor.person_id,
        "machtiging_id": None if grantable.representation is None else grantable.representation.machtiging_id,
        "authorization_details": grantable.details,
        "scope": pending.parameters["scope"],
        "assurance": grantable.assurance.value,
        "authenticated_at": visitor.authenticated_at,
        "created_at": at,
        # No login session belongs to the app's device: a logout of the person does not end this grant.
        "session_id": None,
        "requested_claims": {},
        "organisation_kvk": visitor.organisation_kvk,
        "managed": False,
        "resource": "",
    }


async def _journal_grant(
    session: AsyncSession,
    visitor: Visitor,
    pending: PendingBackchannelRequest,
    grantable: ConsentChoice,
    grant_id: str,
    *,
    at: datetime,
) -> None:
    representation = grantable.representation
    line = NewJournalLine(
        act=JournalAct.GRANT_VERLEEND,
        outcome=JournalOutcome.DONE,
        reason="toestemming_gegeven",
        actor_id=visitor.person_id,
        capacity="self" if representation is None else representation.capacity,
        client_id=pending.client.client_id,
        for_person_id=visitor.person_id if representation is None else representation.vertegenwoordigde_id,
        machtiging_id=None if representation is None else representation.machtiging_id,
        object_kind="grant",
        object_id=grant_id,
        on_behalf_of=None if representation is None else representation.organisation_id,
        facts={"balie": True},
    )
    await record(session, line, at=at)
