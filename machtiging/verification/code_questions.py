"""Questions with a code: use the code up, and keep the answer for its maker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.kernel.errors import InvalidInput, Refusal
from machtiging.verification.codes.consumption import consume_code, save_answer
from machtiging.verification.codes.rules import CodeAsker, VerificationCode
from machtiging.verification.journal_lines import AskingAgency
from machtiging.verification.rules import (
    MAX_CODES_PER_CALL,
    MAX_MOMENTS_PER_CALL,
    Question,
    Verification,
    VerificationAnswer,
    VerificationResult,
)


@dataclass(frozen=True, slots=True)
class QuestionWithCode:
    """A question, with the code that was used up for it."""

    question: Question
    code: VerificationCode | None = None


def limit_separate_lookups(questions: Sequence[Question]) -> list[Question]:
    """Refuse codes and past instants beyond the limit of one call."""
    codes, moments, limited = 0, set[datetime](), list[Question]()
    for question in questions:
        refusal = None
        if isinstance(question, Verification) and question.code is not None:
            codes += 1
            if codes > MAX_CODES_PER_CALL:
                refusal = InvalidInput("te_veel_codes", params={"n": MAX_CODES_PER_CALL})
        elif isinstance(question, Verification) and question.as_of is not None and question.as_of not in moments:
            if len(moments) >= MAX_MOMENTS_PER_CALL:
                refusal = InvalidInput("te_veel_momenten", params={"n": MAX_MOMENTS_PER_CALL})
            else:
                moments.add(question.as_of)
        limited.append(refusal or question)
    return limited


async def use_code(
    session: AsyncSession, keyring: KeyRing, agency: AskingAgency, question: Question, *, at: datetime
) -> QuestionWithCode:
    """Use up the code of a question. A code that does not work gives its refusal, which must commit."""
    if isinstance(question, Refusal) or question.code is None:
        return QuestionWithCode(question)
    asker = CodeAsker(agency.oin, agency.employee_id, agency.organisation_id, agency.client_id)
    purpose, dienst = question.purpose.value, question.dienst.rpartition("/")[2]
    try:
        used = await consume_code(session, keyring, asker, purpose, dienst, question.code, at=at)
    except Refusal as refusal:
        return QuestionWithCode(refusal)
    return QuestionWithCode(replace(question, machtiging_id=used.machtiging_id), used)


async def save_code_answers(
    session: AsyncSession,
    keyring: KeyRing,
    agency_name: str,
    answered: Iterable[tuple[QuestionWithCode, VerificationResult]],
    *,
    at: datetime,
) -> None:
    """Save the answer of each used code, and tell its maker and the represented party."""
    for with_code, result in answered:
        if with_code.code is not None and isinstance(result, VerificationAnswer):
            await save_answer(
                session, keyring, with_code.code, result.id, is_yes=result.is_yes, agency_name=agency_name, at=at
            )
