"""Acceptance of an offer: verify the machtigingscode and the giver's birth date, then accept.

Every failure gives the same answer, costs the same work and is counted in the database. Failures are counted per code
(wrong birth date on an existing code: five, or three when only the year is known) and per helper (any failure: five an
hour). A refusal commits, so the counts persist. The exact reason is in the journal. Two cases cost no try, because they
reveal nothing: text that cannot be a code, and a code that this helper has redeemed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.assignments.insertion import InsertedAssignment, NewAssignment, insert_assignment
from machtiging.delegation.authority.holders import EmployeeAuthority, load_employee_authority
from machtiging.delegation.authority.queries import find_authority_of_holder, load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.code_check import (
    CheckAnswer,
    CheckKind,
    find_answer_error,
    select_check_kind,
)
from machtiging.delegation.code_tries import (
    RecentFailures,
    count_failed_try,
    count_recent_failures,
    require_tries_left,
)
from machtiging.delegation.machtigingscode import is_well_formed_code
from machtiging.delegation.queries import CodeWithOffer, find_code_for_update
from machtiging.delegation.rules import (
    EMERGENCY_STOP,
    OTHER_ORGANISATION,
    Machtiging,
    MachtigingAction,
    MachtigingState,
    require_substantial_assurance,
    resolve_transition,
)
from machtiging.delegation.statutory.precedence import require_no_measure
from machtiging.delegation.tables import Machtigingscode
from machtiging.delegation.terms import require_eligible_login
from machtiging.delegation.transition import ActionRecord, apply_transition, journal_and_notify
from machtiging.identity.people import both_have_bsn, load_profile
from machtiging.identity.profile_claims import Profile, profiles_match
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import DateParts
from machtiging.kernel.errors import ROW_INVALID, Conflict, InvalidInput, NotAllowed, TooMany
from machtiging.kernel.ids import PersonId, uuid7
from machtiging.kernel.readable_code import normalise_code
from machtiging.storage.columns import table_of

_CODE_TABLE = table_of(Machtigingscode)


@dataclass(frozen=True, slots=True)
class CodeHolder:
    """The person who redeems a code, with assurance and organisation (None: a private person)."""

    person_id: PersonId
    assurance: Assurance
    kvk: str | None = None


@dataclass(frozen=True, slots=True)
class _VerifiedOffer:
    """The offer of a verified code, its code row locked; or an earlier redemption.

    `already_redeemed` is True if this helper accepted or refused it earlier.
    """

    code_id: UUID
    machtiging: Machtiging
    employee: EmployeeAuthority | None = None
    already_redeemed: bool = False


async def preview_offer(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    code: str,
    answer: DateParts | CheckAnswer,
    *,
    at: datetime,
) -> Machtiging:
    """Return the offered machtiging without using the code up. Returns and raises as `accept_offer`."""
    offer = await _verify_code_and_answer(session, keyring, code_holder, (code, answer), at=at)
    if not offer.already_redeemed:
        await _require_authentic_offer(session, code_holder, offer.machtiging, at)
    return offer.machtiging


async def accept_offer(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    code: str,
    answer: DateParts | CheckAnswer,
    *,
    at: datetime,
) -> Machtiging:
    """Accept the offer. Of several helpers with the same code exactly one succeeds.

    A helper who repeats it gets the current machtiging, accepted or refused. Raises InvalidInput `code_verschreven`
    (cannot be a code; costs no try) or `code_klopt_niet` (unknown, used, expired or withdrawn code, or wrong birth
    date; not told which). Raises TooMany `te_vaak_geprobeerd`. Raises NotAllowed `niveau_te_laag`, `eigen_machtiging`,
    `alleen_voor_organisatie`, `alleen_voor_naaste`, `andere_organisatie`, `aanbod_kan_niet_meer` or `rij_ongeldig`; for
    an organisation also `medewerker_onbekend` and the codes of `stop_reasons.organisation_refusal` and
    `stop_reasons.employee_refusal`.

    For an organisation two links are made at once: the machtiging is the organisation's, and is assigned to this
    employee. The result is what this person holds.
    """
    return await redeem_code(session, keyring, code_holder, (code, answer), MachtigingAction.ACCEPT, at=at)


async def _verify_code_and_answer(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    code_and_answer: tuple[str, DateParts | CheckAnswer],
    *,
    at: datetime,
) -> _VerifiedOffer:
    """Verify a code with its answer, journal the try, and return the offer.

    Raises as `accept_offer`.
    """
    code = normalise_code(code_and_answer[0])
    failed = await _enforce_try_limit(session, code_holder, code, at)
    found = await find_code_for_update(session, keyring, code)
    if found is not None and _was_redeemed_by(found, code_holder):
        return await _return_earlier_redemption(session, code_holder, found, at)
    # For an unknown code the helper's own profile is decrypted instead, so that timing reveals nothing.
    whose = code_holder.person_id if found is None else found.machtiging.vertegenwoordigde_id
    profile = await load_profile(session, keyring, whose)
    born = None if profile is None else profile.birth_date
    word_hash = None if found is None else found.word_hash
    wrong = find_answer_error(keyring, code, word_hash, born, code_and_answer[1])
    problem = "code_onbekend" if found is None else _code_error(found, at) or wrong
    kind = None if found is None else CheckKind.WORD if word_hash is not None else select_check_kind(born)
    if found is None or problem is not None:
        await _count_and_reject_try(session, code_holder, found, problem or "", failed, kind=kind, at=at)
    employee = None
    try:
        await _require_eligible_holder(session, keyring, code_holder, found.machtiging, profile)
        if code_holder.kvk is not None:
            employee = await _require_employee(session, code_holder, code_holder.kvk, at)
    except NotAllowed as refusal:
        await _journal_try(session, code_holder, found.machtiging, refusal.code, at, kind)
        raise
    await _journal_try(session, code_holder, found.machtiging, None, at, kind)
    return _VerifiedOffer(found.code_id, found.machtiging, employee)


def _was_redeemed_by(code_row: CodeWithOffer, code_holder: CodeHolder) -> bool:
    """Return True if this helper redeemed it. Old rows have no `used_by`; then the gemachtigde is taken."""
    if code_row.used_at is None or code_row.tries_left == 0:  # see code_renewal: a replaced code has no tries left
        return False
    user = code_row.machtiging.gemachtigde_id if code_row.used_by is None else code_row.used_by
    return user is not None and user == code_holder.person_id


async def _return_earlier_redemption(
    session: AsyncSession, code_holder: CodeHolder, code_row: CodeWithOffer, at: datetime
) -> _VerifiedOffer:
    """Return the machtiging of this helper's earlier redemption.

    Raises NotAllowed `andere_organisatie`.
    """
    machtiging = code_row.machtiging
    authority = await find_authority_of_holder(session, machtiging.id, code_holder.person_id, at=at)
    if authority is not None and authority.holder_refusal(code_holder.person_id, code_holder.kvk) is not None:
        await _journal_try(session, code_holder, machtiging, OTHER_ORGANISATION, at, None)
        raise NotAllowed(OTHER_ORGANISATION, message="andere_organisatie.acceptance")
    await _journal_try(session, code_holder, machtiging, None, at, None)
    return _VerifiedOffer(code_row.code_id, machtiging if authority is None else authority.leaf, already_redeemed=True)


async def _require_eligible_holder(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    machtiging: Machtiging,
    giver_profile: Profile | None,
) -> None:
    """Require that this helper may accept: not the giver, and the right kind of login.

    Raises NotAllowed `eigen_machtiging`, also for another account of the giver, `rij_ongeldig`, or as
    `terms.require_eligible_login`.
    If both have a BSN, only the BSN decides. Otherwise two accounts are one person if both have the same name and birth
    date; a different name in each account is not detected.
    """
    giver_id = machtiging.vertegenwoordigde_id
    own = giver_id == code_holder.person_id
    if (
        not own
        and giver_profile is not None
        and not await both_have_bsn(session, keyring, giver_id, code_holder.person_id)
    ):
        profile = await load_profile(session, keyring, code_holder.person_id)
        own = profile is not None and profiles_match(profile, giver_profile)
    if own:
        raise NotAllowed("eigen_machtiging")
    require_eligible_login(machtiging.capacity, code_holder.kvk)


async def _require_employee(
    session: AsyncSession, code_holder: CodeHolder, organisation_kvk: str, at: datetime
) -> EmployeeAuthority:
    """Require that this helper is an active employee of a recognised organisation. Raises NotAllowed."""
    employee = await load_employee_authority(session, code_holder.person_id, organisation_kvk, at=at)
    if employee is None:
        raise NotAllowed("medewerker_onbekend", message="medewerker_onbekend.acceptance")
    if (code := employee.refusal(at)) is not None:
        raise NotAllowed(code, message=f"{code}.acceptance")
    return employee


async def redeem_code(
    session: AsyncSession,
    keyring: KeyRing,
    code_holder: CodeHolder,
    code_and_answer: tuple[str, DateParts | CheckAnswer],
    action: MachtigingAction,
    *,
    at: datetime,
) -> Machtiging:
    """Use the code up, apply the action (ACCEPT or REFUSE), journal it and notify. Raises as `accept_offer`.

    A helper who repeats it changes nothing, and gets the current machtiging.
    """
    offer = await _verify_code_and_answer(session, keyring, code_holder, code_and_answer, at=at)
    if offer.already_redeemed:
        return offer.machtiging
    authority = await _require_authentic_offer(session, code_holder, offer.machtiging, at)
    accepts = action is MachtigingAction.ACCEPT
    if accepts:
        await _require_no_measure(session, code_holder, offer.machtiging, at)
    unused = (_CODE_TABLE.c.id == offer.code_id, _CODE_TABLE.c.used_at.is_(None), _CODE_TABLE.c.tries_left > 0)
    using = (
        update(_CODE_TABLE).where(*unused).values(used_at=at, used_by=code_holder.person_id).returning(_CODE_TABLE.c.id)
    )
    claimed = await session.scalar(using)
    values = _build_acceptance_values(code_holder, offer.employee, at) if accepts else {}
    line = resolve_transition(offer.machtiging, action, at)
    moved = None if claimed is None else await apply_transition(session, offer.machtiging, line, values, at=at)
    if moved is None:  # the giver withdrew after the code was verified
        found = CodeWithOffer(offer.code_id, 0, at, at, None, None, offer.machtiging)
        failed = await count_recent_failures(session, code_holder.person_id, at=at)
        await _count_and_reject_try(session, code_holder, found, "net_te_laat", failed, kind=None, at=at)
    assigned = await _assign_to_holder(session, code_holder, offer.employee, moved.machtiging, at) if accepts else None
    result = moved.machtiging if assigned is None else assigned.machtiging
    authority = await load_authority(session, result.id, at=at) or authority
    more_rows = () if assigned is None else assigned.rows
    done = ActionRecord(action, code_holder.person_id, authority, moved, more_rows)
    await journal_and_notify(session, done, at=at)
    return result


async def _require_authentic_offer(
    session: AsyncSession, code_holder: CodeHolder, offer: Machtiging, at: datetime
) -> Authority:
    """Require that no row of the offer is forged. A forged one is journalled. Raises NotAllowed `rij_ongeldig`."""
    authority = await load_authority(session, offer.id, at=at)
    if authority is None or not authority.is_authentic:
        await _journal_try(session, code_holder, offer, ROW_INVALID, at, None)
        raise NotAllowed(ROW_INVALID)
    return authority


async def _require_no_measure(session: AsyncSession, code_holder: CodeHolder, offer: Machtiging, at: datetime) -> None:
    """Require that no measure closes this offer. The helper is not told which measure: that is the giver's.

    Raises NotAllowed `aanbod_kan_niet_meer`; the journal has the exact reason.
    """
    try:
        await require_no_measure(session, offer.vertegenwoordigde_id, offer.capacity, offer.scope, at=at)
    except Conflict as refusal:
        await _journal_try(session, code_holder, offer, refusal.code, at, None)
        raise NotAllowed("aanbod_kan_niet_meer", private=refusal.code) from None


async def _assign_to_holder(
    session: AsyncSession,
    code_holder: CodeHolder,
    employee: EmployeeAuthority | None,
    accepted: Machtiging,
    at: datetime,
) -> InsertedAssignment | None:
    """Assign what the organisation accepted to its accepting employee; None for a private person."""
    if employee is None:
        return None
    employee_id = employee.employee.id
    assignment = NewAssignment(employee_id, employee_id, code_holder.person_id, code_holder.assurance)
    return await insert_assignment(session, accepted, assignment, at=at)


def _build_acceptance_values(
    code_holder: CodeHolder, employee: EmployeeAuthority | None, at: datetime
) -> dict[str, Any]:
    holder_id = code_holder.person_id if employee is None else employee.organisation.id
    return {"gemachtigde_id": holder_id, "accepted_at": at, "accepted_assurance": code_holder.assurance}


async def _enforce_try_limit(session: AsyncSession, code_holder: CodeHolder, code: str, at: datetime) -> RecentFailures:
    """Enforce the assurance, the form of the code and the limit of failed tries.

    Raises NotAllowed `niveau_te_laag`, InvalidInput `code_verschreven`, TooMany.
    """
    try:
        require_substantial_assurance(code_holder.assurance)
        if not is_well_formed_code(code):
            raise InvalidInput("code_verschreven")
        return await require_tries_left(session, code_holder.person_id, at=at)
    except (NotAllowed, TooMany) as refusal:
        await _journal_try(session, code_holder, None, refusal.code, at, None)
        raise


def _code_error(code_row: CodeWithOffer, at: datetime) -> str | None:
    if code_row.used_at is not None:  # see code_renewal: a redeemed code has tries left
        return "code_gebruikt" if code_row.tries_left > 0 else "code_vervangen"
    if at >= code_row.expires_at:
        return "code_verlopen"
    if code_row.tries_left == 0:
        return "code_op"
    if code_row.machtiging.state is not MachtigingState.OFFERED:
        return "aanbod_ingetrokken"
    if code_row.machtiging.stopped_at is not None:
        return EMERGENCY_STOP
    return "periode_voorbij" if at >= code_row.machtiging.period.ends_at else None


async def _count_and_reject_try(
    session: AsyncSession,
    code_holder: CodeHolder,
    code_row: CodeWithOffer | None,
    reason: str,
    failures: RecentFailures,
    *,
    kind: CheckKind | None,
    at: datetime,
) -> NoReturn:
    """Count and journal a failed try, then raise the general refusal.

    The message tells the tries left of the helper, never those of the code: that would reveal that the code exists.
    """
    advice = await count_failed_try(session, code_holder.person_id, failures, at=at)
    code_id = uuid7() if code_row is None else code_row.code_id
    fewer = update(_CODE_TABLE).where(
        _CODE_TABLE.c.id == code_id, _CODE_TABLE.c.tries_left > 0, _CODE_TABLE.c.used_at.is_(None)
    )
    await session.execute(fewer.values(tries_left=_CODE_TABLE.c.tries_left - 1))
    await _journal_try(session, code_holder, None if code_row is None else code_row.machtiging, reason, at, kind)
    raise InvalidInput("code_klopt_niet", params={"advice": advice}, private=reason)


async def _journal_try(
    session: AsyncSession,
    code_holder: CodeHolder,
    machtiging: Machtiging | None,
    reason: str | None,
    at: datetime,
    kind: CheckKind | None,
) -> None:
    """Journal a try and the kind of check beside the code."""
    line = NewJournalLine(
        act=JournalAct.CODE_GEPROBEERD,
        outcome=JournalOutcome.ALLOWED if reason is None else JournalOutcome.REFUSED,
        reason=reason or "code_klopt",
        actor_id=code_holder.person_id,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        facts={} if kind is None else {"controle": kind.value},
    )
    await record(session, line, at=at)
