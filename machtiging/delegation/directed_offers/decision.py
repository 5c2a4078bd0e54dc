"""Accept or refuse an offer to one organisation, as its teamleider or organisatiebeheerder."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.delegation.assignments.queries import load_present_employee
from machtiging.delegation.assignments.rules import (
    ActingLeader,
    EmployeeLogin,
    require_leading_role,
    require_recognition,
)
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.directed_offers.queries import compute_offer_end
from machtiging.delegation.rules import (
    Machtiging,
    MachtigingAction,
    MachtigingState,
    require_substantial_assurance,
    resolve_transition,
)
from machtiging.delegation.statutory.precedence import require_no_measure
from machtiging.delegation.transition import (
    JOURNAL_ACT_BY_ACTION,
    ActionRecord,
    apply_transition,
    journal_and_notify,
    lock_machtiging,
)
from machtiging.kernel.errors import ROW_INVALID, Conflict, NotAllowed, NotFound, Refusal
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.rules import require_minimum_level

OFFER_EXPIRED = "aanbod_verlopen"


async def accept_directed_offer(
    session: AsyncSession, login: EmployeeLogin, machtiging_id: MachtigingId, *, at: datetime
) -> Machtiging:
    """Accept an offer for the organisation. Nobody reads yet: it is assigned afterwards. Repeating it changes nothing.

    Raises NotFound `machtiging_onbekend` also for an offer to others, NotAllowed `geen_medewerker`,
    `alleen_voor_teamleider`, `niveau_te_laag`, `rij_ongeldig` or as `require_recognition`, NotAllowed
    `aanbod_kan_niet_meer` under a measure of a court, Conflict `aanbod_verlopen` or as `rules.resolve_transition`. A
    refusal is journalled too.
    """
    return await _decide(session, login, machtiging_id, MachtigingAction.ACCEPT, at)


async def refuse_directed_offer(
    session: AsyncSession, login: EmployeeLogin, machtiging_id: MachtigingId, *, at: datetime
) -> Machtiging:
    """Refuse an offer for the organisation. Also a suspended one can. Raises as `accept_directed_offer`."""
    return await _decide(session, login, machtiging_id, MachtigingAction.REFUSE, at)


async def _decide(
    session: AsyncSession, login: EmployeeLogin, machtiging_id: MachtigingId, action: MachtigingAction, at: datetime
) -> Machtiging:
    leader: ActingLeader | None = None
    authority: Authority | None = None
    try:
        leader = await load_present_employee(session, login, at=at)
        _require_may_decide(leader, login, action)
        if action is MachtigingAction.ACCEPT:
            await _require_no_measure(session, machtiging_id, leader, at)
        await lock_machtiging(session, machtiging_id)
        authority = await load_authority(session, machtiging_id, at=at)
        offer = _require_own_offer(authority, leader)
        if _is_done(offer, action):
            return offer
        if action is MachtigingAction.ACCEPT and at >= compute_offer_end(offer):
            raise Conflict(OFFER_EXPIRED)
        transition = resolve_transition(offer, action, at)
        values = {
            "gemachtigde_id": leader.organisation.id,
            "accepted_at": at,
            "accepted_assurance": login.assurance,
        }
        result = await apply_transition(
            session, offer, transition, values if action is MachtigingAction.ACCEPT else {}, at=at
        )
        if result is None:  # impossible while the row is locked
            raise Conflict("machtiging_kan_dit_niet")
    except Refusal as refusal:
        await _journal_refusal(session, login, leader, authority, action, refusal, at)
        raise
    after = await load_authority(session, machtiging_id, at=at)
    if after is None:
        raise NotFound("machtiging_onbekend")
    await journal_and_notify(session, ActionRecord(action, login.person_id, after, result), at=at)
    return result.machtiging


def _require_may_decide(leader: ActingLeader, login: EmployeeLogin, action: MachtigingAction) -> None:
    require_leading_role(leader.employee)
    if action is MachtigingAction.ACCEPT:
        require_recognition(leader.organisation)
        require_substantial_assurance(login.assurance)
    require_minimum_level(leader.organisation.ceiling.minimum_level, login.assurance)


async def _require_no_measure(
    session: AsyncSession, machtiging_id: MachtigingId, leader: ActingLeader, at: datetime
) -> None:
    """Require that no measure closes this offer. Locks the giver before the machtiging, as every act does.

    Raises NotAllowed `aanbod_kan_niet_meer`; the journal has the exact reason, which is the giver's.
    """
    authority = await load_authority(session, machtiging_id, at=at)
    if authority is None or authority.root.offered_to != leader.organisation.id:
        return  # refused as unknown below
    offer = authority.root
    try:
        await require_no_measure(session, offer.vertegenwoordigde_id, offer.capacity, offer.scope, at=at)
    except Conflict as refusal:
        raise NotAllowed("aanbod_kan_niet_meer", private=refusal.code) from None


def _require_own_offer(authority: Authority | None, leader: ActingLeader) -> Machtiging:
    """Return the offer to the own organisation. Raises NotFound `machtiging_onbekend`, NotAllowed `rij_ongeldig`."""
    if authority is None or authority.root.offered_to != leader.organisation.id or len(authority.links) > 1:
        raise NotFound("machtiging_onbekend", private="bestaat_niet" if authority is None else "niet_van_u")
    if not authority.is_authentic:
        raise NotAllowed(ROW_INVALID)
    return authority.root


def _is_done(offer: Machtiging, action: MachtigingAction) -> bool:
    """Return True if a colleague, or an earlier press, did the same."""
    if action is MachtigingAction.ACCEPT:
        return offer.accepted_at is not None and offer.state is not MachtigingState.ENDED
    return offer.accepted_at is None and offer.state is MachtigingState.ENDED


async def _journal_refusal(
    session: AsyncSession,
    login: EmployeeLogin,
    leader: ActingLeader | None,
    authority: Authority | None,
    action: MachtigingAction,
    refusal: Refusal,
    at: datetime,
) -> None:
    line = NewJournalLine(
        act=JOURNAL_ACT_BY_ACTION[action],
        outcome=JournalOutcome.REFUSED,
        reason=refusal.private or refusal.code,
        actor_id=login.person_id,
        capacity=None if leader is None else leader.capacity,
        for_person_id=None if authority is None else authority.vertegenwoordigde_id,
        machtiging_id=None if authority is None else authority.machtiging_id,
        on_behalf_of=None if leader is None else leader.organisation.id,
    )
    await record(session, line, at=at)
