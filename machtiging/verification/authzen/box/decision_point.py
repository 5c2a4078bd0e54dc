"""The decision point of the box for one call of one agency (AuthZEN 1.0, NL GOV AuthZEN)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from machtiging.access.entitlements.rules import VerificationQuestion
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.verification.authzen.box.call import BoxCall
from machtiging.verification.authzen.box.questions import BoxQuestion, BoxResource, read_box_question
from machtiging.verification.authzen.box.search import NOT_ENTITLED, search_box
from machtiging.verification.authzen.box.verdicts import BoxVerdict
from machtiging.verification.authzen.rules import AuthzenDecision, AuthzenEvaluation, AuthzenSearch, SearchResults
from machtiging.verification.rules import NO_VALID_MACHTIGING

UNKNOWN_QUESTION, OTHER_DIENST = "onbekende_vraag", "dienst_niet_van_u"


class BoxDecisionPoint:
    """Decides the questions of one call, and keeps their journal lines until the end."""

    def __init__(self, call: BoxCall) -> None:
        self._call = call

    async def load_facts(self, evaluations: Sequence[AuthzenEvaluation]) -> None:
        """Load what these questions need. Raises NotAllowed `afnemer_niet_actief`."""
        questions = [one for one in map(_read_if_valid, evaluations) if one is not None]
        await self._call.load_facts(questions, VerificationQuestion.EVALUATE)

    async def evaluate(self, evaluation: AuthzenEvaluation) -> AuthzenDecision:
        """Decide one question whose facts are loaded. Raises InvalidInput as `read_box_question`."""
        call, question = self._call, read_box_question(evaluation)
        entitlement = await call.load_entitlement()
        if question is None:
            return self._refuse(UNKNOWN_QUESTION)
        diensten = entitlement.select_entitled(question, call.facts, VerificationQuestion.EVALUATE)
        if not diensten and question.resource is BoxResource.BERICHT:
            # One answer to the caller: there is no such letter, or not of this agency, or not for it to ask.
            return self._refuse(NOT_ENTITLED, reason=NO_VALID_MACHTIGING)
        if not diensten:
            is_own = bool(entitlement.find_diensten(question, call.facts))
            return self._refuse(NOT_ENTITLED if is_own else OTHER_DIENST)
        verdict = call.decide_question(question, diensten)
        answer_id = call.add_answer_line(question, verdict, diensten)
        is_enforcing = bool(entitlement.select_entitled(question, call.facts, VerificationQuestion.SEARCH_LETTERS))
        context = _describe_context(verdict, answer_id, is_enforcing=is_enforcing)
        return AuthzenDecision(decision=verdict.is_allowed, context=context)

    async def record_decisions(self) -> None:
        """Write one journal line for each question."""
        await self._call.record_lines()

    async def search(self, search: AuthzenSearch, after: str, limit: int) -> SearchResults:
        """Return one page of what evaluates to true. Raises as `load_facts` and `evaluate`."""
        return await search_box(self._call, search, after, limit)

    def _refuse(self, code: str, *, reason: str | None = None) -> AuthzenDecision:
        answer_id = self._call.add_refusal_line(NotAllowed(code))
        return AuthzenDecision(decision=False, context={"evaluation_id": str(answer_id), "reason": reason or code})


def _read_if_valid(evaluation: AuthzenEvaluation) -> BoxQuestion | None:
    """Read a question to load its facts. An invalid one is refused when it is decided."""
    try:
        return read_box_question(evaluation)
    except InvalidInput:
        return None


def _describe_context(verdict: BoxVerdict, answer_id: UUID, *, is_enforcing: bool) -> Mapping[str, Any]:
    """Describe an answer. Its exact reason is for the enforcement point of the box only."""
    context: dict[str, Any] = {"evaluation_id": str(answer_id)}
    if verdict.is_allowed:
        return context
    if verdict.step_up is None:
        return context | {"reason": verdict.reason if is_enforcing else NO_VALID_MACHTIGING}
    acr = verdict.step_up.acr
    obligation = {"id": "hoger-inloggen", "type": "step-up", "properties": {"acr_value": acr}}
    return context | {"reason": verdict.reason, "acr_values": acr, "obligations": [obligation]}
