"""Journal lines of verifications: one for each question, with the id of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from machtiging.audit.access_history.line_place import JournalLinePlace
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine
from machtiging.kernel.errors import Refusal
from machtiging.kernel.ids import PersonId
from machtiging.verification.rules import VerificationAnswer

YES, NO = "ja", "nee"


@dataclass(frozen=True, slots=True)
class AskingAgency:
    """The agency that asks: by its software (`client_id`), or an employee on the portal."""

    oin: str
    client_id: str | None = None
    employee_id: PersonId | None = None
    organisation_id: UUID | None = None


def describe_answer(agency: AskingAgency, answer: VerificationAnswer) -> NewJournalLine:
    """Describe an answered question. The line is about the represented party, if there is one."""
    question = answer.question
    facts: dict[str, Any] = {
        "afzender": agency.oin,
        "dienst": question.dienst,
        "doel": question.purpose.value,
        "kenmerken": " ".join(sorted(question.identifiers)),
        "antwoord": answer.is_yes,
    }
    if question.act is not None:
        facts["handeling"] = question.act.value
    if question.as_of is not None:
        facts["op"] = question.as_of.isoformat()
    if answer.holder_id is not None:
        facts["gemachtigde"] = str(answer.holder_id)
    return NewJournalLine(
        JournalAct.VERIFICATIE_GEVRAAGD,
        JournalOutcome.DONE,
        YES if answer.is_yes else NO,
        actor_id=agency.employee_id,
        client_id=agency.client_id,
        for_person_id=answer.represented_id,
        machtiging_id=None if answer.authority is None else answer.authority.machtiging_id,
        object_kind="dienst",
        object_id=f"{agency.oin}/{question.dienst}",
        policy_digest=answer.policy_digest,
        facts=facts,
        on_behalf_of=agency.organisation_id,
    )


def describe_refused_question(agency: AskingAgency, refusal: Refusal) -> NewJournalLine:
    """Describe a refused question. It was not looked up, so it is about nobody."""
    return NewJournalLine(
        JournalAct.VERIFICATIE_GEVRAAGD,
        JournalOutcome.REFUSED,
        refusal.code,
        actor_id=agency.employee_id,
        client_id=agency.client_id,
        facts={"afzender": agency.oin},
        on_behalf_of=agency.organisation_id,
    )


def is_answer_to(oin: str, place: JournalLinePlace) -> bool:
    """Return True if this line is an answer to this agency."""
    is_answer = place.act == JournalAct.VERIFICATIE_GEVRAAGD and place.outcome == JournalOutcome.DONE
    return is_answer and place.facts.get("afzender") == oin
