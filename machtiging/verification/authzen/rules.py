"""The information model of AuthZEN 1.0 (section 5) and the semantics of a batch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

MAX_EVALUATIONS = 1000
DEFAULT_PAGE_SIZE = MAX_PAGE_SIZE = 100


class EvaluationsSemantic(StrEnum):
    """The semantics of a batch (section 7.1.2.1): all, or until the first denial or permission."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, answer: AuthzenDecision) -> bool:
        """Return True if this answer ends the batch."""
        stops_at = {self.DENY_ON_FIRST_DENY: False, self.PERMIT_ON_FIRST_PERMIT: True}
        return stops_at.get(self) is answer.decision


class SearchKind(StrEnum):
    """The entity that a search looks for. Each has an endpoint of its own (section 8)."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class AuthzenEntity:
    """A subject or a resource. `id` is empty for the entity that a search looks for."""

    type: str
    id: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)

    def to_json_object(self) -> dict[str, Any]:
        """Return the entity with its properties as a JSON object."""
        return {"type": self.type, "id": self.id, "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True)
class AuthzenAction:
    """An action. `name` is empty in an action search."""

    name: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)

    def to_json_object(self) -> dict[str, Any]:
        """Return the action with its properties as a JSON object."""
        return {"name": self.name, "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True)
class AuthzenEvaluation:
    """One question (section 6.1): may this subject do this action on this resource."""

    subject: AuthzenEntity
    action: AuthzenAction
    resource: AuthzenEntity
    context: Mapping[str, Any] = field(default_factory=dict)

    def to_json_object(self) -> dict[str, Any]:
        """Return the question as a JSON object, without members that we do not know."""
        return {
            "subject": self.subject.to_json_object(),
            "action": self.action.to_json_object(),
            "resource": self.resource.to_json_object(),
            "context": dict(self.context),
        }


@dataclass(frozen=True, slots=True)
class AuthzenDecision:
    """The answer to one question (section 5.5)."""

    decision: bool
    context: Mapping[str, Any] = field(default_factory=dict)

    def to_json_object(self) -> dict[str, Any]:
        """Return the decision as a JSON object. An empty context is left out."""
        return {"decision": self.decision} | ({"context": dict(self.context)} if self.context else {})


@dataclass(frozen=True, slots=True)
class AuthzenSearch:
    """A search: the question without the entity that is looked for."""

    kind: SearchKind
    question: AuthzenEvaluation


@dataclass(frozen=True, slots=True)
class SearchResults:
    """One page of results: ids of entities, or names of actions, in ascending order."""

    keys: Sequence[str]
    is_last: bool
    context: Mapping[str, Any] = field(default_factory=dict)


class DecisionPoint(Protocol):
    """A party that decides: the box, or a tenant from a folder. One object serves one call."""

    async def load_facts(self, evaluations: Sequence[AuthzenEvaluation]) -> None:
        """Load what these questions need, together. Called once, before the first is decided."""

    async def evaluate(self, evaluation: AuthzenEvaluation) -> AuthzenDecision:
        """Decide one question. An unknown subject, resource or action is denied."""

    async def record_decisions(self) -> None:
        """Record the decisions of this call. Called once, after the last is decided."""

    async def search(self, search: AuthzenSearch, after: str, limit: int) -> SearchResults:
        """Return at most `limit` keys after the key `after`. An unknown type gives none."""
