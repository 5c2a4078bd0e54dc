"""Decide a question about the box on its facts, as the guard decides (`access.verdict`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from machtiging.access.actor import Actor
from machtiging.access.verdict import AccessTarget, DecideFunction, evaluate_access
from machtiging.agencies.queries import DienstView
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import PersonId
from machtiging.verification.authzen.box.facts import BoxFacts
from machtiging.verification.authzen.box.questions import BoxQuestion, BoxResource
from machtiging.verification.dienst_evaluation import build_dienst_target, build_holder_actor, evaluate_dienst
from machtiging.verification.rules import NO_VALID_MACHTIGING


@dataclass(frozen=True, slots=True)
class BoxVerdict:
    """The decision. `step_up`: the level of a new login that would be enough. `reason`: the exact code of a denial."""

    is_allowed: bool
    reason: str = ""
    authority: Authority | None = None
    step_up: Assurance | None = None


class BoxEvaluator:
    """Decides questions of one agency on loaded facts. `diensten` are those that the question may be about."""

    def __init__(self, decide: DecideFunction, facts: BoxFacts, at: datetime) -> None:
        self._decide = decide
        self._facts = facts
        self._at = at

    def evaluate(self, question: BoxQuestion, diensten: Sequence[DienstView]) -> BoxVerdict:
        """Decide one question at the level of the login. A denial says if a higher one is enough."""
        verdicts = [self._evaluate_level(question, diensten, question.level)]
        for level in Assurance if not verdicts[0].is_allowed else ():
            if level.is_at_least(question.level) and level is not question.level:
                higher = self._evaluate_level(question, diensten, level)
                if higher.is_allowed:
                    return BoxVerdict(is_allowed=False, reason="niveau_te_laag", step_up=level)
        return verdicts[0]

    def _evaluate_level(self, question: BoxQuestion, diensten: Sequence[DienstView], level: Assurance) -> BoxVerdict:
        reason = NO_VALID_MACHTIGING
        for verdict in self._iterate_verdicts(question, diensten, level):
            if verdict.is_allowed:
                return verdict
            reason = verdict.reason
        return BoxVerdict(is_allowed=False, reason=reason)

    def _iterate_verdicts(
        self, question: BoxQuestion, diensten: Sequence[DienstView], level: Assurance
    ) -> Iterator[BoxVerdict]:
        for authority in self._facts.find_authorities(question):
            if authority.holder_id is None:
                yield from self._evaluate_organisation(question, diensten, authority, level)
                continue
            actor = build_holder_actor(authority, authority.holder_id, level)
            yield from self._evaluate_actor(question, diensten, actor, authority)
        # The citizen herself, in her own box.
        for person_id in self._facts.find_own_boxes(question):
            own = Actor(PersonId(person_id), None, level, frozenset(Act), None, None)
            yield from self._evaluate_actor(question, diensten, own, None)

    def _evaluate_actor(
        self, question: BoxQuestion, diensten: Sequence[DienstView], actor: Actor, authority: Authority | None
    ) -> Iterator[BoxVerdict]:
        for target in self._list_targets(question, diensten, actor):
            verdict = evaluate_access(self._decide, actor, question.act, target, self._at)
            yield BoxVerdict(verdict.refusal is None, verdict.reason, authority)

    def _list_targets(self, question: BoxQuestion, diensten: Sequence[DienstView], actor: Actor) -> list[AccessTarget]:
        if question.resource is BoxResource.BERICHT:
            letter = self._facts.find_letter(question)
            return [] if letter is None else [letter]
        return [build_dienst_target(actor.vertegenwoordigde_id, dienst, self._at) for dienst in diensten]

    def _evaluate_organisation(
        self, question: BoxQuestion, diensten: Sequence[DienstView], authority: Authority, level: Assurance
    ) -> Iterator[BoxVerdict]:
        """Decide for an organisation itself. It opens no letter: one of its employees does."""
        for dienst in diensten if question.resource is BoxResource.DIENST else ():
            evaluation = evaluate_dienst(self._decide, authority, dienst, self._at)
            lowest = evaluation.levels.get(question.act)
            is_allowed = lowest is not None and level.is_at_least(lowest)
            yield BoxVerdict(is_allowed, evaluation.reason or "niveau_te_laag", authority)
