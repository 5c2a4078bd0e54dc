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
from machtiging.delegation.authority.between_parties import load_authorities_between
from machtiging.delegation.authority.rules import Authority
from machtiging.kernel.errors import InvalidInput, Message, NotAllowed, Refusal
from machtiging.kernel.ids import uuid7
from machtiging.message_catalogue import CatalogueLabels
from machtiging.verification.dienst_evaluation import DienstEvaluation, evaluate_dienst
from machtiging.verification.journal_lines import AskingAgency, describe_answer, describe_refused_question
from machtiging.verification.parties import ResolvedParties, resolve_parties, save_pseudonyms
from machtiging.verification.rules import PartyReference, Verification, VerificationAnswer

_IDENTIFIER_LABELS: Mapping[IdentifierKind, str] = CatalogueLabels("identifier", IdentifierKind)
# What an agency asks, or the refusal of something that could not be read.
Question = Verification | Refusal
VerificationResult = VerificationAnswer | Refusal


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
    checked = [
        one if isinstance(one, Refusal) else _check_entitlement(context.entitlements, catalogue, one, at)
        for one in questions
    ]
    admitted = [one for one in checked if isinstance(one, Verification)]
    parties = await resolve_parties(session, context.keyring, agency.oin, _list_references(admitted))
    found = await _load_candidates(session, admitted, parties, at)
    results = [
        one if isinstance(one, Refusal) else _answer(context, catalogue, one, parties, found, at) for one in checked
    ]
    await _journal_results(session, agency, results, at)
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


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The authorities that were loaded, by id and by represented party."""

    by_id: Mapping[UUID, Authority]
    by_represented: Mapping[UUID, Sequence[Authority]]


async def _load_candidates(
    session: AsyncSession, questions: Sequence[Verification], parties: ResolvedParties, at: datetime
) -> _Candidates:
    represented = {
        party_id for one in questions if one.vertegenwoordigde for party_id in parties[one.vertegenwoordigde]
    }
    holders = {party_id for one in questions if one.gemachtigde for party_id in parties[one.gemachtigde]}
    named = {one.machtiging_id for one in questions if one.machtiging_id is not None}
    by_represented: dict[UUID, list[Authority]] = {}
    by_id: dict[UUID, Authority] = {}
    for authority in await load_authorities_between(session, represented, holders, named, at=at):
        by_id[authority.machtiging_id] = authority
        by_represented.setdefault(authority.vertegenwoordigde_id, []).append(authority)
    return _Candidates(by_id, by_represented)


def _answer(
    context: VerificationContext,
    catalogue: AgencyView,
    question: Verification,
    parties: ResolvedParties,
    candidates: _Candidates,
    at: datetime,
) -> VerificationResult:
    dienst = _find_dienst(catalogue, question)
    if dienst is None:  # checked before
        return InvalidInput("dienst_niet_van_u")
    fitting = list(_select_fitting(question, parties, candidates))
    evaluated = [(evaluate_dienst(context.decide, one, dienst, at), one) for one in fitting]
    best = max(evaluated, key=lambda pair: _rank(question, *pair), default=None)
    is_yes = best is not None and _allows(question, best[0])
    represented = _find_represented(question, parties, fitting)
    return VerificationAnswer(
        id=uuid7(),
        question=question,
        answered_at=at,
        represented_id=represented,
        holder_id=_find_holder(best[1]) if best is not None and is_yes else None,
        authority=best[1] if best is not None and is_yes else None,
        levels=best[0].levels if best is not None and is_yes else {},
        policy_digest=context.policy_digest,
    )


def _select_fitting(question: Verification, parties: ResolvedParties, candidates: _Candidates) -> Iterable[Authority]:
    """Yield the authorities that this question is about."""
    represented = None if question.vertegenwoordigde is None else parties[question.vertegenwoordigde]
    holders = None if question.gemachtigde is None else parties[question.gemachtigde]
    if question.machtiging_id is not None:
        named = candidates.by_id.get(question.machtiging_id)
        possible = [] if named is None else [named]
    else:
        possible = [one for party_id in represented or () for one in candidates.by_represented.get(party_id, ())]
    for authority in possible:
        is_of_represented = represented is None or authority.vertegenwoordigde_id in represented
        if is_of_represented and (holders is None or _find_holder(authority) in holders):
            yield authority


def _find_holder(authority: Authority) -> UUID | None:
    """Return the holder: a person, or the organisation if no employee is named."""
    if authority.holder_id is not None:
        return authority.holder_id
    return authority.organisation_id if len(authority.links) == 1 else None


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
