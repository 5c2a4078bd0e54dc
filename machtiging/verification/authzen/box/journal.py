"""Journal lines of questions about the box, each with the id of its answer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from machtiging.audit.journal import NewJournalLine
from machtiging.delegation.rules import Act
from machtiging.verification.authzen.box.facts import BoxFacts, find_holder_id
from machtiging.verification.authzen.box.questions import BoxQuestion
from machtiging.verification.authzen.box.verdicts import BoxVerdict
from machtiging.verification.journal_lines import AskingAgency, describe_answer
from machtiging.verification.rules import Verification, VerificationAnswer

# The dienst of a question about several.
ANY_DIENST = "*"


def describe_box_answer(
    agency: AskingAgency,
    question: BoxQuestion,
    verdict: BoxVerdict,
    facts: BoxFacts,
    *,
    dienst: str,
    answer_id: UUID,
    policy_digest: str,
    at: datetime,
) -> NewJournalLine:
    """Describe an answered question as a verification: the citizen sees the same line."""
    act: Act = question.act
    represented = facts.find_represented(question)
    authority = verdict.authority if verdict.is_allowed else None
    answer = VerificationAnswer(
        id=answer_id,
        question=Verification(
            dienst=dienst,
            purpose=question.purpose,
            salt="",
            digest="",
            vertegenwoordigde=question.represented,
            gemachtigde=question.subject,
            act=act,
        ),
        answered_at=at,
        represented_id=next(iter(represented)) if len(represented) == 1 else None,
        holder_id=None if authority is None else find_holder_id(authority),
        authority=authority,
        levels={act: question.level} if verdict.is_allowed else {},
        policy_digest=policy_digest,
    )
    return describe_answer(agency, answer)
