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
from machtiging.delegation.assignments.insertion import NewAssignment, insert_assignment
from machtiging.delegation.authority.holders import EmployeeAuthority, load_colleague_authority
from machtiging.delegation.authority.stop_reasons import StopCode
from machtiging.delegation.help_requests.journal_lines import journal_request
from machtiging.delegation.help_requests.queries import load_opened_request, update_request
from machtiging.delegation.help_requests.rules import (
    REQUEST_ALREADY_ANSWERED,
    HelpRequest,
    HelpRequestState,
    build_terms,
    cut_to_ceiling,
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
from machtiging.delegation.statutory.precedence import require_no_measure
from machtiging.delegation.suspension.emergency_stop import require_no_emergency_stop
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING
from machtiging.delegation.terms import MachtigingTerms
from machtiging.delegation.transition import apply_transition, notification_facts
from machtiging.kernel.errors import Conflict, Fault, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import PersonId
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.rules import require_minimum_level

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

    For an organisation also the assignment to the employee who asked. Raises NotFound `hulpvraag_onbekend`, NotAllowed
    `niveau_te_laag` or as `require_asking_employee`, Conflict `noodstop` or as `require_no_measure` and
    `rules.require_waiting`, InvalidInput as `offer.offer_machtiging` or `rules.narrow_terms`. A refusal is journalled.
    """
    act, acting = JournalAct.HULPVRAAG_TOEGESTAAN, None
    request = await load_opened_request(session, keyring, request_id, citizen.person_id, lock=True)
    try:
        waiting = _require_answerable(request, at)
        require_substantial_assurance(citizen.assurance)
        require_substantial_assurance(waiting.requester_assurance)
        await require_no_emergency_stop(session, citizen.person_id)
        requested = build_terms(waiting, at)
        if waiting.organisation_id is not None:
            acting = await require_asking_employee(session, waiting, at=at, lock=True)
            ceiling = acting.organisation.ceiling
            require_minimum_level(ceiling.minimum_level, citizen.assurance)
            requested = cut_to_ceiling(requested, ceiling)
        terms = await require_valid_terms(session, limits, choose_terms(requested), at=at)
        await require_no_measure(session, citizen.person_id, terms.capacity, terms.scope, at=at)
    except Refusal as refusal:
        await journal_request(session, act, citizen.person_id, request, refusal.code, at=at)
        raise
    machtiging, facts, waits = await _insert_accepted(session, keyring, citizen, waiting, terms, at, acting)
    changes = {"state": HelpRequestState.AGREED, "decided_at": at, "machtiging_id": machtiging.id}
    await update_request(session, waiting.id, changes)
    await journal_request(session, act, citizen.person_id, waiting, at=at, machtiging_id=machtiging.id, facts=facts)
    await _notify_parties(session, machtiging, waiting.requester_id, acting if waits else None, at)
    return machtiging


async def _insert_accepted(
    session: AsyncSession,
    keyring: KeyRing,
    citizen: Giver,
    request: HelpRequest,
    terms: MachtigingTerms,
    at: datetime,
    acting: EmployeeAuthority | None,
) -> tuple[Machtiging, dict[str, Any], bool]:
    """Insert the machtiging and accept it for the requester. Returns it with the states of its rows.

    For an organisation it is the organisation's, and is assigned to the employee who asked. The third is True if that
    waits for a second person.

    Raises Conflict `hulpvraag_al_beantwoord` if this request has a machtiging: an older row was put back.
    """
    giver = Giver(citizen.person_id, citizen.assurance, f"hulpvraag/{request.id}")
    offered = await insert_offer(session, derive_offer_id(keyring, giver), giver, terms, at=at)
    if offered is None:
        act = JournalAct.HULPVRAAG_TOEGESTAAN
        await journal_request(session, act, citizen.person_id, request, REQUEST_ALREADY_ANSWERED, at=at)
        raise Conflict(REQUEST_ALREADY_ANSWERED)
    accepted = {
        "gemachtigde_id": request.requester_id if acting is None else acting.organisation.id,
        "accepted_at": at,
        "accepted_assurance": request.requester_assurance,
    }
    transition = resolve_transition(offered.machtiging, MachtigingAction.ACCEPT, at)
    result = await apply_transition(session, offered.machtiging, transition, accepted, at=at)
    if result is None:
        raise Fault("machtiging_ontbreekt", private="an offer of this transaction cannot be accepted")
    rows, waits = [(SEALED_MACHTIGING, result.row), (SEALED_AGREEMENT, offered.agreement)], False
    if acting is not None:
        employee_id, requester = acting.employee.id, (request.requester_id, request.requester_assurance)
        assignment = NewAssignment(employee_id, employee_id, *requester)
        assigned = await insert_assignment(session, result.machtiging, assignment, at=at)
        rows, waits = [*rows, *assigned.rows], assigned.is_proposed
    return result.machtiging, await describe_authentic_states(session, citizen.person_id, rows), waits


async def require_asking_employee(
    session: AsyncSession, request: HelpRequest, *, at: datetime, lock: bool = False
) -> EmployeeAuthority:
    """Require that the employee who asked may help clients of the organisation now. Returns both.

    Raises NotAllowed `medewerker_vertrokken`, or as `stop_reasons.organisation_refusal` and `employee_refusal`;
    LevelTooLow if the login of the employee does not reach the minimum of the organisation any more.
    """
    found = None
    if request.organisation_id is not None and request.employee_id is not None:
        found = await load_colleague_authority(session, request.organisation_id, request.employee_id, at=at, lock=lock)
    if found is None or found.employee.person_id != request.requester_id:
        raise NotAllowed(StopCode.EMPLOYEE_DEPARTED, message="medewerker_vertrokken.request")
    if (code := found.refusal(at)) is not None:
        raise NotAllowed(code, message=f"{code}.request")
    if not request.requester_assurance.is_at_least(found.organisation.ceiling.minimum_level):
        raise NotAllowed("niveau_te_laag", message="niveau_te_laag.request")
    return found


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


async def _notify_parties(
    session: AsyncSession,
    machtiging: Machtiging,
    requester_id: PersonId,
    unconfirmed: EmployeeAuthority | None,
    at: datetime,
) -> None:
    """Notify both; only the citizen while the assignment of this employee is not confirmed."""
    giver_id = machtiging.vertegenwoordigde_id
    if unconfirmed is not None:
        facts = notification_facts(machtiging, None) | {"organisation": unconfirmed.organisation.name}
        await enqueue_notification(session, giver_id, NotificationKind.AANGENOMEN_DOOR_ORGANISATIE, facts, at=at)
        return
    facts = notification_facts(machtiging, requester_id)
    await enqueue_notification(session, giver_id, NotificationKind.HULPVRAAG_TOEGESTAAN_DOOR_U, facts, at=at)
    await enqueue_notification(session, requester_id, NotificationKind.HULPVRAAG_TOEGESTAAN, facts, at=at)
