"""The rows of `policies/` said in Cedar, as Cedar likes them best, for the engine that stands beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cedarpy import Decision, Entities, PolicySet, is_authorized

from machtiging.access.policy_file import WORDS, Row
from machtiging.access.question import FACTS, Question

_KEYWORD = {"allow": "permit", "deny": "forbid"}
# Capacity and act stand in the head of a policy, where Cedar passes over a policy cheaply.
_IN_BODY = [name for name in WORDS if name not in ("act", "capacity")]
_CONTEXT = [*_IN_BODY, *FACTS]


def translated(rows: Iterable[Row]) -> str:
    """One Cedar policy per row and capacity."""
    return "\n".join(_policy(row, principal) for row in rows for principal in _principals(row))


def _principals(row: Row) -> list[str]:
    if len(row.capacity) == len(WORDS["capacity"]):
        return ["principal"]
    return [f"principal is {capacity.capitalize()}" for capacity in sorted(row.capacity)]


def _policy(row: Row, principal: str) -> str:
    acts = ", ".join(f'Action::"{act}"' for act in sorted(row.act))
    tests = [_one_of(name, sorted(row.words(name))) for name in _IN_BODY if len(row.words(name)) < len(WORDS[name])]
    tests += [f"context.{fact}" for fact in FACTS]
    return f"{_KEYWORD[row.eft]} ({principal}, action in [{acts}], resource) when {{ {' && '.join(tests)} }};"


def _one_of(name: str, words: list[str]) -> str:
    if len(words) == 1:
        return f'context.{name} == "{words[0]}"'
    return f"{json.dumps(words)}.contains(context.{name})"


def request(question: Question) -> dict[str, Any]:
    """The request as Cedar takes it; its context as JSON text, which cedarpy reads faster than a dict."""
    values = dict(zip(question.__dataclass_fields__, question.values(), strict=True))
    return {
        "principal": f'{question.capacity.value.capitalize()}::"p"',
        "action": f'Action::"{question.act.value}"',
        "resource": 'Bericht::"b"',
        "context": json.dumps({name: values[name] for name in _CONTEXT}),
    }


class Cedar:
    """cedarpy with the policies and the (empty) entities parsed once."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._policies = PolicySet.from_str(translated(rows))
        self._entities = Entities.from_json_str("[]")

    def allows(self, prepared: dict[str, Any]) -> bool:
        """Cedar's answer to a request that was prepared beforehand."""
        return is_authorized(prepared, self._policies, self._entities).decision is Decision.Allow
