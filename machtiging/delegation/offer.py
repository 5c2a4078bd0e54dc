"""Offers: a citizen offers a machtiging and receives its machtigingscode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import load_active_agencies
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.agreements import insert_agreement
from machtiging.delegation.code_check import (
    TRIES_BY_CHECK_KIND,
    CheckKind,
    generate_check_word,
    index_check_word,
    select_check_kind,
)
from machtiging.delegation.helper_names import insert_helper_name
from machtiging.delegation.machtigingscode import CODE_INDEX_PURPOSE, format_code, generate_code
from machtiging.delegation.queries import load_machtiging, machtiging_table
from machtiging.delegation.rules import (
    Capacity,
    Channel,
    Machtiging,
    MachtigingLimits,
    MachtigingState,
    require_substantial_assurance,
)
from machtiging.delegation.state_lines import describe_states
from machtiging.delegation.statutory.precedence import require_no_measure
from machtiging.delegation.suspension.emergency_stop import require_no_emergency_stop
from machtiging.delegation.tables import SEALED_AGREEMENT, SEALED_MACHTIGING, Machtigingscode
from machtiging.delegation.terms import (
    MachtigingTerms,
    find_terms_problems,
    find_unknown_catalogue_keys,
    normalise_terms,
)
from machtiging.delegation.transition import notification_facts
from machtiging.identity.people import load_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, Message, NotAllowed
from machtiging.kernel.ids import MachtigingId, PersonId, uuid7
from machtiging.notifications.outbox import enqueue_notification
from machtiging.notifications.texts import NotificationKind
from machtiging.organisations.register import load_leader_ids, load_recognised_organisation
from machtiging.storage.row_mac import seal_row

# The version of the text that the giver agrees to on the page. A changed meaning needs a new one. Since version 2 the
# organisation of a professional may let a colleague help.
TEXT_VERSIONS = {Capacity.RELATIVE: "1", Capacity.PROFESSIONAL: "2"}

OFFER_REPEATED = "aanbod_al_gemaakt"
ORGANISATION_CANNOT_ACCEPT = "organisatie_kan_niet_aannemen"

__all__ = [
    "OFFER_REPEATED",
    "ORGANISATION_CANNOT_ACCEPT",
    "Giver",
    "InsertedOffer",
    "MachtigingTerms",
    "OfferResult",
    "create_code",
    "derive_offer_id",
    "insert_offer",
    "journal_repeated_offer",
    "offer_machtiging",
    "require_valid_terms",
]


@dataclass(frozen=True, slots=True)
class Giver:
    """The person who offers, with assurance, and the one-time key of the form, if any.

    `business_id`: of a director, the business in whose name. `businesses.giving` decides that it may be.
    """

    person_id: PersonId
    assurance: Assurance
    idempotency_key: str | None = None
    business_id: PersonId | None = None

    @property
    def party_id(self) -> PersonId:
        """The represented party: the person, or the business of a director."""
        return self.person_id if self.business_id is None else self.business_id


@dataclass(frozen=True, slots=True)
class OfferResult:
    """The offer, its code, and a check word if needed. Both are shown only once.

    `code` is "" for an offer to one organisation: that accepts it without a code.
    """

    machtiging_id: MachtigingId
    code: str
    check_word: str | None = None


async def offer_machtiging(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    giver: Giver,
    terms: MachtigingTerms,
    *,
    at: datetime,
    offered_to: UUID | None = None,
) -> OfferResult:
    """Insert the offer and create its code.

    With `offered_to`, only that organisation can accept it, and there is no code.

    Raises NotAllowed `niveau_te_laag`, Conflict `noodstop`, `organisatie_kan_niet_aannemen` for an organisation that is
    not recognised now, or as `require_no_measure`. Raises InvalidInput with the code of the first problem, and the
    sentence of every problem in `fields` (named as in MachtigingTerms, MachtigingScope and Period). Raises Conflict
    `aanbod_al_gemaakt` if this giver made an offer with the same form key before, whatever its state is now.
    """
    await _require_eligible_giver(session, giver, at)
    terms = await require_valid_terms(session, limits, terms, at=at)
    await _require_no_measure(session, giver, terms, at)
    if offered_to is not None:
        await _require_recognised(session, giver, offered_to, at)
    offer_id = derive_offer_id(keyring, giver)
    offered = await insert_offer(session, offer_id, giver, terms, at=at, offered_to=offered_to)
    if offered is None:
        await journal_repeated_offer(session, giver, at=at)
        raise Conflict(OFFER_REPEATED)
    machtiging = offered.machtiging
    if terms.helper_name is not None:
        await insert_helper_name(session, keyring, giver.party_id, machtiging.id, terms.helper_name)
    await _journal_offer(session, giver, JournalOutcome.DONE, "aangeboden", offered, at=at)
    await _notify_of_offer(session, machtiging, at)
    if offered_to is not None:
        return OfferResult(machtiging.id, "")
    return await create_code(session, keyring, limits, machtiging, at=at)


async def _notify_of_offer(session: AsyncSession, offer: Machtiging, at: datetime) -> None:
    """Notify the giver, and those who lead the organisation that can accept it."""
    facts, giver_id = notification_facts(offer, None), offer.vertegenwoordigde_id
    await enqueue_notification(session, giver_id, NotificationKind.AANGEBODEN_DOOR_U, facts, at=at)
    if offer.offered_to is not None:
        for leader_id in await load_leader_ids(session, offer.offered_to, at=at):
            await enqueue_notification(session, leader_id, NotificationKind.AANBOD_VOOR_ORGANISATIE, facts, at=at)


async def require_valid_terms(
    session: AsyncSession, limits: MachtigingLimits, terms: MachtigingTerms, *, at: datetime
) -> MachtigingTerms:
    """Return the terms with free text normalised. Raises InvalidInput as `offer_machtiging`."""
    terms = normalise_terms(terms)
    problems = [
        *find_terms_problems(terms, limits, at),
        *find_unknown_catalogue_keys(await load_active_agencies(session), terms.scope),
    ]
    if problems:
        fields = {problem.field: Message(problem.code, problem.params) for problem in reversed(problems)}
        raise InvalidInput(problems[0].code, params=problems[0].params, fields=fields)
    return terms


async def journal_repeated_offer(session: AsyncSession, giver: Giver, *, at: datetime) -> None:
    """Journal the refusal of an offer whose form key was used before."""
    await _journal_offer(session, giver, JournalOutcome.REFUSED, OFFER_REPEATED, None, at=at)


def derive_offer_id(keyring: KeyRing, giver: Giver) -> UUID:
    """Derive the offer id from giver and form key, so that a double submit conflicts.

    The primary key lets only one insert through. The id is keyed, so nobody else can compute it. It is a version 5 UUID
    (RFC 9562 section 5.5), since it comes from a name. Without a form key it is a new version 7 UUID.
    """
    if giver.idempotency_key is None:
        return uuid7()
    index = keyring.blind_index("aanbod", f"{giver.party_id}:{giver.idempotency_key}")
    return UUID(bytes=index[:16], version=5)


class InsertedOffer(NamedTuple):
    """An inserted offer, its agreement, and the states of both rows for the journal."""

    machtiging: Machtiging
    agreement: Mapping[str, Any]
    states: Mapping[str, Any]


async def insert_offer(
    session: AsyncSession,
    offer_id: UUID,
    giver: Giver,
    terms: MachtigingTerms,
    *,
    at: datetime,
    offered_to: UUID | None = None,
) -> InsertedOffer | None:
    """Insert the offer with its first agreement, and return it; None if the id exists.

    Waits for a concurrent insert of the same id. The caller has checked giver and terms.
    """
    values = _build_offer_values(offer_id, giver, terms, at) | {"offered_to": offered_to}
    table = machtiging_table()
    sealed = seal_row(session, SEALED_MACHTIGING, values)
    inserted = insert(table).values(sealed).on_conflict_do_nothing(index_elements=[table.c.id]).returning(table)
    row = (await session.execute(inserted)).mappings().one_or_none()
    if row is None:
        return None
    agreement = await insert_agreement(session, _build_agreement_values(offer_id, giver, terms, at))
    rows = [(SEALED_MACHTIGING, row), (SEALED_AGREEMENT, agreement)]
    states = await describe_states(session, values["vertegenwoordigde_id"], rows)
    offered = await load_machtiging(session, values["id"])
    return None if offered is None else InsertedOffer(offered, agreement, states)


async def _require_eligible_giver(session: AsyncSession, giver: Giver, at: datetime) -> None:
    try:
        require_substantial_assurance(giver.assurance)
        await require_no_emergency_stop(session, giver.party_id)
    except (NotAllowed, Conflict) as refusal:
        await _journal_offer(session, giver, JournalOutcome.REFUSED, refusal.code, None, at=at)
        raise


async def _require_no_measure(session: AsyncSession, giver: Giver, terms: MachtigingTerms, at: datetime) -> None:
    try:
        await require_no_measure(session, giver.party_id, terms.capacity, terms.scope, at=at)
    except Conflict as refusal:
        await _journal_offer(session, giver, JournalOutcome.REFUSED, refusal.code, None, at=at)
        raise


async def _require_recognised(session: AsyncSession, giver: Giver, organisation_id: UUID, at: datetime) -> None:
    if await load_recognised_organisation(session, organisation_id, at=at) is None:
        await _journal_offer(session, giver, JournalOutcome.REFUSED, ORGANISATION_CANNOT_ACCEPT, None, at=at)
        raise Conflict(ORGANISATION_CANNOT_ACCEPT)


async def create_code(
    session: AsyncSession, keyring: KeyRing, limits: MachtigingLimits, offered: Machtiging, *, at: datetime
) -> OfferResult:
    """Create a code for this offer, with a check word if needed.

    A check word is needed if too little of the birth date is known. Only their blind indexes are stored.
    """
    profile = await load_profile(session, keyring, offered.vertegenwoordigde_id)
    kind = select_check_kind(None if profile is None else profile.birth_date)
    code, word = generate_code(), generate_check_word() if kind is CheckKind.WORD else None
    values = {
        "id": uuid7(),
        "machtiging_id": offered.id,
        "code_hash": keyring.blind_index(CODE_INDEX_PURPOSE, code),
        "word_hash": None if word is None else index_check_word(keyring, code, word),
        "tries_left": TRIES_BY_CHECK_KIND[kind],
        "created_at": at,
        "expires_at": min(at + limits.code_lifetime, offered.period.ends_at),
        "used_at": None,
    }
    await session.execute(insert(Machtigingscode).values(values))
    return OfferResult(offered.id, format_code(code), word)


async def _journal_offer(
    session: AsyncSession,
    giver: Giver,
    outcome: JournalOutcome,
    reason: str,
    offered: InsertedOffer | None,
    *,
    at: datetime,
) -> None:
    line = NewJournalLine(
        act=JournalAct.MACHTIGING_AANGEBODEN,
        outcome=outcome,
        reason=reason,
        actor_id=giver.person_id,
        capacity=Capacity.SELF if giver.business_id is None else Capacity.DIRECTOR,
        for_person_id=giver.party_id,
        on_behalf_of=giver.business_id,
        machtiging_id=None if offered is None else offered.machtiging.id,
        facts={} if offered is None else offered.states,
    )
    await record(session, line, at=at)


def _to_sorted_list(words: frozenset[str] | None) -> list[str] | None:
    return None if words is None else sorted(words)


def _build_offer_values(offer_id: UUID, giver: Giver, terms: MachtigingTerms, at: datetime) -> dict[str, Any]:
    return {
        "id": offer_id,
        "vertegenwoordigde_id": giver.party_id,
        "capacity": terms.capacity,
        "purpose": terms.purpose,
        "legal_ground": terms.legal_ground,
        "state": MachtigingState.OFFERED,
        "agreement_number": 1,
        "offered_at": at,
    }


def _build_agreement_values(offer_id: UUID, giver: Giver, terms: MachtigingTerms, at: datetime) -> dict[str, Any]:
    scope = terms.scope
    return {
        "machtiging_id": offer_id,
        "number": 1,
        "afzenders": _to_sorted_list(scope.afzenders),
        "diensten": _to_sorted_list(scope.diensten),
        "themes": _to_sorted_list(scope.themes),
        "excluded_themes": _to_sorted_list(scope.excluded_themes),
        "highest_sensitivity": scope.highest_sensitivity,
        "letters_from": scope.letters_from,
        "letters": None if scope.letters is None else sorted(scope.letters),
        "acts": _to_sorted_list(scope.acts),
        "assurance": giver.assurance,
        "starts_at": terms.period.starts_at,
        "ends_at": terms.period.ends_at,
        "excluded_team_ids": [],
        "channel": Channel.ONLINE,
        "text_version": TEXT_VERSIONS[terms.capacity],
        "agreed_by": giver.person_id,
        "agreed_at": at,
        "needs_confirmation": False,
    }
