"""The person's decision on a CIBA request: approval writes a grant, denial ends the request.

One decision per request, by its own person.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.delegation.rules import OTHER_ORGANISATION
from machtiging.identity.session import Visitor, hold
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, LevelTooLow, NotAllowed, NotAuthenticated, NotFound
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.oauth import queries
from machtiging.oauth.authorize.agree import Agreement, agree
from machtiging.oauth.ciba.queries import Request, waiting_for
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.tables import SEALED_BACKCHANNEL_REQUEST, SEALED_GRANT, BackchannelRequest, OAuthGrant
from machtiging.storage.row_mac import reseal, seal

_REQUEST: Table = BackchannelRequest.__table__  # type: ignore[attr-defined]
_GRANT: Table = OAuthGrant.__table__  # type: ignore[attr-defined]
_ID = re.compile(r"[0-9a-f]{64}")


class Decision(StrEnum):
    """The three buttons of the page. The values travel in the form and the redirect."""

    AGREE = "akkoord"
    REFUSE = "weigeren"
    NOT_MINE = "niet_gevraagd"


_REASONS = {Decision.REFUSE: "geweigerd_door_gebruiker", Decision.NOT_MINE: "niet_zelf_gevraagd"}


async def decide(session: AsyncSession, visitor: Visitor, asked: str, decision: Decision, *, at: datetime) -> None:
    """Carry out the decision, once. The same decision again has no effect.

    Raises NotFound `verzoek_onbekend` (also for somebody else's), Conflict `al_besloten`, `verzoek_verlopen` or
    `kan_niet_meer`, LevelTooLow `niveau_te_laag`, NotAllowed `andere_organisatie`, NotAuthenticated when the session
    has ended.
    """
    if _ID.fullmatch(asked) is None:
        raise InvalidInput("verzoek_vormfout", "Dit formulier klopt niet. Laad de pagina opnieuw.")
    # Ending the sessions and consents of the person waits for this lock, or came first.
    if not await hold(session, visitor):
        raise NotAuthenticated("niet_ingelogd", "Log eerst in.")
    waiting = next((one for one in await waiting_for(session, visitor.person_id, at) if one.id == asked), None)
    if waiting is None:
        await _again(session, visitor, asked, decision, at)
    elif decision is Decision.AGREE:
        await _approve(session, visitor, waiting, at)
    elif not await _deny(session, visitor, waiting, _REASONS[decision], at):
        await _again(session, visitor, asked, decision, at)


async def _approve(session: AsyncSession, visitor: Visitor, waiting: Request, at: datetime) -> None:
    # Lock order everywhere: the client first. A suspension waits for this lock, or came first.
    if not await queries.hold_client(session, waiting.client.client_id):
        await _refused(session, visitor, "client_onbekend", at)
        _gone()
    agreement = await _agreement(session, visitor, waiting, at)
    grant = _grant(visitor, waiting, agreement, at)
    both = await session.begin_nested()
    await session.execute(insert(_GRANT), seal(session, SEALED_GRANT, grant))
    # One statement decides, so that of two concurrent decisions only the first counts.
    saying_yes = update(_REQUEST).where(*_mine(visitor.person_id, waiting.id), _REQUEST.c.expires_at > at)
    answer = {"state": "approved", "grant_id": grant["id"]}
    answer = reseal(session, SEALED_BACKCHANNEL_REQUEST, waiting.row, answer)
    saying_yes = saying_yes.values(answer).returning(_REQUEST.c.client_id)
    if await session.scalar(saying_yes) is None:
        await both.rollback()
        await _again(session, visitor, waiting.id, Decision.AGREE, at)
        return
    await both.commit()
    await _witness(session, visitor, waiting, agreement, str(grant["id"]), at=at)


async def _agreement(session: AsyncSession, visitor: Visitor, waiting: Request, at: datetime) -> Agreement:
    """Resolve the access to grant. End the request when it cannot be granted.

    Raises LevelTooLow, Conflict, NotAllowed.
    """
    try:
        return await agree(session, visitor, waiting.parameters, hold=True, at=at)
    except OAuthRefusal as refusal:
        if refusal.code == OTHER_ORGANISATION:  # stays pending: she can log in for the other one
            await _refused(session, visitor, refusal.code, at)
            raise NotAllowed(
                refusal.code, "Log voor deze vraag in via de organisatie van deze machtiging."
            ) from refusal
        if (level := level_wanted(visitor, waiting, refusal)) is not None:
            await _refused(session, visitor, refusal.code, at)
            say = f"Log voor deze vraag in met het niveau {level.value}."
            raise LevelTooLow(refusal.code, say, level=level.value, acr=level.acr) from refusal
        await _deny(session, visitor, waiting, refusal.code, at)
        _gone()


def level_wanted(visitor: Visitor, waiting: Request, refusal: OAuthRefusal) -> Assurance | None:
    """Find the level for a step-up login; None when another login would not help."""
    if refusal.error is not Wire.UNMET_AUTHENTICATION_REQUIREMENTS:
        return None
    known = {level.acr: level for level in Assurance}
    asked = waiting.parameters.get("acr_values", "").split()
    above = [known[one] for one in asked if one in known and not visitor.assurance.reaches(known[one])]
    return min(above, key=list(Assurance).index, default=None)


def _gone() -> NoReturn:
    raise Conflict("kan_niet_meer", "Deze toestemming kan niet meer worden gegeven. De vraag is gesloten.")


async def _deny(session: AsyncSession, visitor: Visitor, waiting: Request, reason: str, at: datetime) -> bool:
    """End the request and journal the reason. False when it was decided before."""
    saying_no = update(_REQUEST).where(*_mine(visitor.person_id, waiting.id)).values(state="denied")
    if await session.scalar(saying_no.returning(_REQUEST.c.client_id)) is None:
        return False
    line = Line(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=Outcome.REFUSED,
        reason=reason,
        actor_id=visitor.person_id,
        client_id=waiting.client.client_id,
        for_person_id=visitor.person_id,
        facts={"verdacht": True} if reason == _REASONS[Decision.NOT_MINE] else {},
    )
    await record(session, line, at=at)
    return True


async def _again(session: AsyncSession, visitor: Visitor, asked: str, decision: Decision, at: datetime) -> None:
    """Accept a repeated decision that is the same as the first one.

    Raises NotFound, Conflict.
    """
    hers = (_REQUEST.c.request_hash == bytes.fromhex(asked), _REQUEST.c.person_id == visitor.person_id)
    state: str | None = await session.scalar(select(_REQUEST.c.state).where(*hers))
    agreed = decision is Decision.AGREE
    if (agreed and state in ("approved", "used")) or (not agreed and state == "denied"):
        return
    if state is None:
        await _refused(session, visitor, "verzoek_onbekend", at)
        raise NotFound("verzoek_onbekend", "Deze vraag kennen wij niet.")
    if state in ("pending", "expired"):
        await _refused(session, visitor, "verzoek_verlopen", at)
        raise Conflict("verzoek_verlopen", "Deze vraag is verlopen. Laat de balie het opnieuw vragen.")
    await _refused(session, visitor, "al_besloten", at)
    raise Conflict("al_besloten", "U heeft over deze vraag al besloten.")


async def _refused(session: AsyncSession, visitor: Visitor, reason: str, at: datetime) -> None:
    line = Line(JournalAct.VERZOEK_GEWEIGERD, Outcome.REFUSED, reason, actor_id=visitor.person_id)
    await record(session, line, at=at)


def _mine(person_id: PersonId, asked: str) -> tuple[ColumnElement[bool], ...]:
    named = _REQUEST.c.request_hash == bytes.fromhex(asked)
    return named, _REQUEST.c.person_id == person_id, _REQUEST.c.state == "pending"


def _grant(visitor: Visitor, waiting: Request, agreement: Agreement, at: datetime) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "client_id": waiting.client.client_id,
        "person_id": visitor.person_id,
        "machtiging_id": None if agreement.machtiging is None else agreement.machtiging.id,
        "authorization_details": agreement.details,
        "scope": waiting.parameters["scope"],
        "assurance": agreement.assurance.value,
        "authenticated_at": visitor.authenticated_at,
        "created_at": at,
        # No login session belongs to the app's device: a logout of the person does not end this grant.
        "session_id": None,
        "requested_claims": {},
        "organisation_kvk": visitor.organisation_kvk,
        "managed": False,
        "resource": "",
    }


async def _witness(
    session: AsyncSession, visitor: Visitor, waiting: Request, agreement: Agreement, grant_id: str, *, at: datetime
) -> None:
    held = agreement.machtiging
    line = Line(
        act=JournalAct.GRANT_VERLEEND,
        outcome=Outcome.DONE,
        reason="toestemming_gegeven",
        actor_id=visitor.person_id,
        capacity="self" if held is None else held.capacity,
        client_id=waiting.client.client_id,
        for_person_id=visitor.person_id if held is None else held.vertegenwoordigde_id,
        machtiging_id=None if held is None else held.id,
        object_kind="grant",
        object_id=grant_id,
        facts={"balie": True},
    )
    await record(session, line, at=at)
