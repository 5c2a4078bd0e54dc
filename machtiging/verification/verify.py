"""Answer the questions of an agency on the Authority, and journal each.

The number of statements does not depend on the number of questions, nor on what is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.entitlements.engine import Entitlements
from machtiging.access.entitlements.rules import EntitlementRequest, IdentifierKind, VerificationQuestion
from machtiging.access.policy_decision import PolicyDenied
from machtiging.access.verdict import DecideFunction
from machtiging.agencies.queries import AgencyView, DienstView, find_active_agency
from machtiging.audit.journal import record_all
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.errors import InvalidInput, Message, NotAllowed, NotInForce, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.message_catalogue import CatalogueLabels
from machtiging.verification.code_questions import limit_separate_lookups, save_code_answers, use_code
from machtiging.verification.dienst_evaluation import DienstEvaluation, evaluate_dienst
from machtiging.verification.journal_lines import AskingAgency, describe_answer, describe_refused_question
from machtiging.verification.moments import Moment, find_holder, load_past_moment, load_present_moment
from machtiging.verification.parties import ResolvedParties, resolve_parties, save_pseudonyms
from machtiging.verification.rules import (
    PartyReference,
    Question,
    Verification,
    VerificationAnswer,
    VerificationResult,
)

_IDENTIFIER_LABELS: Mapping[IdentifierKind, str] = CatalogueLabels("identifier", IdentifierKind)


@dataclass(frozen=True, slots=True)
class VerificationContext:
    """The parts that a verification needs beside the database."""

    keyring: KeyRing
    decide: DecideFunction
    policy_digest: str
    entitlements: Entitlements


async def verify_questions(
    session: AsyncSession,
    context: VerificationContext,
    agency: AskingAgency,
    questions: Sequence[Question],
    *,
    at: datetime,
) -> list[VerificationResult]:
    """Answer the questions in their order. One that is refused holds up no other.

    Each becomes one journal line in this transaction. Raises NotAllowed `afnemer_niet_actief`.
    """
    catalogue = await find_active_agency(session, agency.oin)
    if catalogue is None:
        raise NotAllowed("afnemer_niet_actief")
    entitled = [
        one if isinstance(one, Refusal) else _check_entitlement(context.entitlements, catalogue, one, at)
        for one in limit_separate_lookups(questions)
    ]
    used = [await use_code(session, context.keyring, agency, one, at=at) for one in entitled]
    admitted = [one.question for one in used if isinstance(one.question, Verification)]
    parties = await resolve_parties(session, context.keyring, agency.oin, _list_references(admitted))
    moments = await _load_moments(session, context, admitted, parties, at)
    results = [_answer(catalogue, one.question, parties, moments, at) for one in used]
    await _journal_results(session, agency, results, at)
    await save_code_answers(session, context.keyring, catalogue.name, zip(used, results, strict=True), at=at)
    await _save_pseudonyms_of_yes(session, context.keyring, agency, results, at)
    return results


def _check_entitlement(
    entitlements: Entitlements, catalogue: AgencyView, question: Verification, at: datetime
) -> Question:
    """Return the question, or the refusal if the agency may not ask it."""
    if _find_dienst(catalogue, question) is None:
        return InvalidInput("dienst_niet_van_u", fields={"dienst": Message("dienst_niet_van_u")})
    if question.as_of is not None and question.as_of > at:
        return InvalidInput("op_in_toekomst", fields={"op": Message("op_in_toekomst")})
    for identifier in sorted(question.identifiers):
        request = EntitlementRequest(
            catalogue.oin, VerificationQuestion.VERIFY, question.dienst, question.purpose, identifier, own_dienst=True
        )
        decision = entitlements.decide(request)
        if isinstance(decision, PolicyDenied):
            private = f"{decision.reason}: {decision.policy_row_id}, {identifier}"
            return NotAllowed(
                "niet_bevoegd", params={"identifier": Message(f"identifier.{identifier}")}, private=private
            )
    return question


def _find_dienst(catalogue: AgencyView, question: Verification) -> DienstView | None:
    return next((one for one in catalogue.diensten if question.dienst in (one.code, one.scope_key)), None)


def _list_references(questions: Iterable[Verification]) -> Iterable[PartyReference]:
    for question in questions:
        yield from (one for one in (question.vertegenwoordigde, question.gemachtigde) if one is not None)


_Moments = Mapping[datetime | None, Moment | Refusal]


async def _load_moments(
    session: AsyncSession,
    context: VerificationContext,
    questions: Sequence[Verification],
    parties: ResolvedParties,
    at: datetime,
) -> _Moments:
    """Load what the questions are about, by instant. None is now, which is always loaded."""
    by_instant: dict[datetime, list[Verification]] = {}
    for question in questions:
        if question.as_of is not None:
            by_instant.setdefault(question.as_of, []).append(question)
    now = [one for one in questions if one.as_of is None]
    moments: dict[datetime | None, Moment | Refusal] = {
        None: await load_present_moment(session, context.decide, context.policy_digest, now, parties, at=at)
    }
    for as_of, those in by_instant.items():
        try:
            moments[as_of] = await load_past_moment(session, those, parties, as_of, at=at)
        except NotInForce as refusal:  # the policy of then
            moments[as_of] = refusal
    return moments


def _answer(
    catalogue: AgencyView, question: Question, parties: ResolvedParties, moments: _Moments, at: datetime
) -> VerificationResult:
    if isinstance(question, Refusal):
        return question
    moment, dienst = moments[question.as_of], _find_dienst(catalogue, question)
    if isinstance(moment, Refusal) or dienst is None:
        return moment if isinstance(moment, Refusal) else InvalidInput("dienst_niet_van_u")
    try:
        fitting = moment.find_fitting(question, parties)
    except NotInForce as refusal:  # its history
        return refusal
    instant = question.as_of or at
    evaluated = [(evaluate_dienst(moment.decide, one, dienst, instant), one) for one in fitting]
    best = max(evaluated, key=lambda pair: _rank(question, *pair), default=None)
    allowed = best if best is not None and _allows(question, best[0]) else None
    return VerificationAnswer(
        id=uuid7(),
        question=question,
        answered_at=at,
        represented_id=_find_represented(question, parties, fitting),
        holder_id=None if allowed is None else find_holder(allowed[1]),
        authority=None if allowed is None else allowed[1],
        levels={} if allowed is None else allowed[0].levels,
        policy_digest=moment.policy_digest,
    )


def _rank(question: Verification, evaluation: DienstEvaluation, authority: Authority) -> tuple[bool, int, datetime]:
    return _allows(question, evaluation), len(evaluation.levels), authority.ends_at


def _allows(question: Verification, evaluation: DienstEvaluation) -> bool:
    return evaluation.is_allowed if question.act is None else question.act in evaluation.levels


def _find_represented(question: Verification, parties: ResolvedParties, fitting: Sequence[Authority]) -> UUID | None:
    """Return the party whose journal shows the question; None for nobody."""
    if fitting:
        return fitting[0].vertegenwoordigde_id
    found = frozenset() if question.vertegenwoordigde is None else parties[question.vertegenwoordigde]
    return next(iter(found)) if len(found) == 1 else None


async def _journal_results(
    session: AsyncSession, agency: AskingAgency, results: Sequence[VerificationResult], at: datetime
) -> None:
    lines = [
        (describe_refused_question(agency, one), uuid7())
        if isinstance(one, Refusal)
        else (describe_answer(agency, one), one.id)
        for one in results
    ]
    await record_all(session, lines, at=at)


async def _save_pseudonyms_of_yes(
    session: AsyncSession,
    keyring: KeyRing,
    agency: AskingAgency,
    results: Sequence[VerificationResult],
    at: datetime,
) -> None:
    parties = {
        party_id
        for one in results
        if isinstance(one, VerificationAnswer) and one.is_yes
        for party_id in (one.represented_id, one.holder_id)
        if party_id is not None
    }
    await save_pseudonyms(session, keyring, agency.oin, parties, at=at)
