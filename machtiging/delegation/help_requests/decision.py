"""The answer of the citizen to a help request: agree, agree to less, or refuse. Once, and final.

An agreement makes the machtiging by the same rules as an offer and its acceptance. The relative accepted it when he
made the request, with the assurance of his login then. What he may read is decided at every access, as always.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.help_requests.journal_lines import journal_request
from machtiging.delegation.help_requests.queries import load_opened_request, update_request
from machtiging.delegation.help_requests.rules import (
    REQUEST_ALREADY_ANSWERED,
    HelpRequest,
    HelpRequestState,
    build_terms,
    require_waiting,
)
from machtiging.delegation.offer import Giver, derive_offer_id, insert_offer, require_valid_terms
from machtiging.delegation.rules import (
    Machtiging,
    MachtigingAction,
    MachtigingLimits,
    require_substantial_assurance,
    resolve_transition,
)
from machtiging.delegation.state_lines import describe_authentic_states
from machtiging.delegation.suspension.emergency_stop import require_no_emergency_stop
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.delegation.terms import MachtigingTerms
from machtiging.delegation.transition import apply_transition, notification_facts
from machtiging.kernel.errors import Conflict, Fault, NotFound, Refusal
from machtiging.kernel.ids import PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification

# Returns the terms that the citizen agrees to. They are those of the request, or narrower.
ChooseTerms = Callable[[MachtigingTerms], MachtigingTerms]


async def agree_to_help_request(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    citizen: Giver,
    request_id: UUID,
    choose_terms: ChooseTerms,
    *,
    at: datetime,
) -> Machtiging:
    """Make the machtiging for exactly this requester, journal it and notify both.

    Raises NotFound `hulpvraag_onbekend`, NotAllowed `niveau_te_laag`, Conflict `noodstop` or as
    `rules.require_waiting`, InvalidInput as `offer.offer_machtiging` or `rules.narrow_terms`. A refusal is journalled.
    """
    act = JournalAct.HULPVRAAG_TOEGESTAAN
    request = await load_opened_request(session, keyring, request_id, citizen.person_id, lock=True)
    try:
        waiting = _require_answerable(request, at)
        require_substantial_assurance(citizen.assurance)
        require_substantial_assurance(waiting.requester_assurance)
        await require_no_emergency_stop(session, citizen.person_id)
        terms = await require_valid_terms(session, limits, choose_terms(build_terms(waiting, at)), at=at)
    except Refusal as refusal:
        await journal_request(session, act, citizen.person_id, request, refusal.code, at=at)
        raise
    machtiging, facts = await _insert_accepted(session, keyring, citizen, waiting, terms, at)
    changes = {"state": HelpRequestState.AGREED, "decided_at": at, "machtiging_id": machtiging.id}
    await update_request(session, waiting.id, changes)
    await journal_request(session, act, citizen.person_id, waiting, at=at, machtiging_id=machtiging.id, facts=facts)
    await _notify_both(session, machtiging, waiting.requester_id, at)
    return machtiging


async def _insert_accepted(
    session: AsyncSession,
    keyring: KeyRing,
    citizen: Giver,
    request: HelpRequest,
    terms: MachtigingTerms,
    at: datetime,
) -> tuple[Machtiging, dict[str, Any]]:
    """Insert the machtiging and accept it for the requester. Returns it with the states of its rows.

    Raises Conflict `hulpvraag_al_beantwoord` if this request has a machtiging: an older row was put back.
    """
    giver = Giver(citizen.person_id, citizen.assurance, f"hulpvraag/{request.id}")
    offered = await insert_offer(session, derive_offer_id(keyring, giver), giver, terms, at=at)
    if offered is None:
        act = JournalAct.HULPVRAAG_TOEGESTAAN
        await journal_request(session, act, citizen.person_id, request, REQUEST_ALREADY_ANSWERED, at=at)
        raise Conflict(REQUEST_ALREADY_ANSWERED)
    accepted = {
        "gemachtigde_id": request.requester_id,
        "accepted_at": at,
        "accepted_assurance": request.requester_assurance,
    }
    transition = resolve_transition(offered.machtiging, MachtigingAction.ACCEPT, at)
    result = await apply_transition(session, offered.machtiging, transition, accepted, at=at)
    if result is None:
        raise Fault("machtiging_ontbreekt", private="an offer of this transaction cannot be accepted")
    rows = [(SEALED_MACHTIGING, result.row), (SEALED_AGREEMENT, offered.agreement)]
    return result.machtiging, await describe_authentic_states(session, citizen.person_id, rows)


async def refuse_help_request(
    session: AsyncSession, keyring: KeyRing, citizen_id: PersonId, request_id: UUID, *, at: datetime
) -> None:
    """Refuse a request and notify the requester, without a name. Repeating it changes nothing.

    Raises NotFound `hulpvraag_onbekend`, Conflict as `rules.require_waiting`. A refusal is journalled.
    """
    act = JournalAct.HULPVRAAG_GEWEIGERD
    request = await load_opened_request(session, keyring, request_id, citizen_id, lock=True)
    if request is not None and request.state is HelpRequestState.REFUSED:
        return
    try:
        waiting = _require_answerable(request, at)
    except Refusal as refusal:
        await journal_request(session, act, citizen_id, request, refusal.code, at=at)
        raise
    await update_request(session, waiting.id, {"state": HelpRequestState.REFUSED, "decided_at": at})
    await journal_request(session, act, citizen_id, waiting, at=at)
    await enqueue_notification(session, waiting.requester_id, NotificationKind.HULPVRAAG_GEWEIGERD, {}, at=at)


def _require_answerable(request: HelpRequest | None, at: datetime) -> HelpRequest:
    if request is None:
        raise NotFound("hulpvraag_onbekend")
    require_waiting(request, at)
    return request


async def _notify_both(session: AsyncSession, machtiging: Machtiging, requester_id: PersonId, at: datetime) -> None:
    facts = notification_facts(machtiging, requester_id)
    giver_id = machtiging.vertegenwoordigde_id
    await enqueue_notification(session, giver_id, NotificationKind.HULPVRAAG_TOEGESTAAN_DOOR_U, facts, at=at)
    await enqueue_notification(session, requester_id, NotificationKind.HULPVRAAG_TOEGESTAAN, facts, at=at)
