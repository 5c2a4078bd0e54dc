"""The rows of `policies/` in Cedar, for the engine that is compared with ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cedarpy import Decision, Entities, PolicySet, is_authorized

from machtiging.access.policy_file import COLUMN_ENUMS, PolicyRow
from machtiging.access.policy_request import FACT_FIELDS, PolicyRequest

_KEYWORD = {"allow": "permit", "deny": "forbid"}
# Capacity and act stand in the head of a policy, where Cedar passes over a policy cheaply.
_IN_BODY = [name for name in COLUMN_ENUMS if name not in ("act", "capacity")]
_CONTEXT = [*_IN_BODY, *FACT_FIELDS]


def translated(rows: Iterable[PolicyRow]) -> str:
    """One Cedar policy per row and capacity."""
    return "\n".join(_policy(row, principal) for row in rows for principal in _principals(row))


def _principals(row: PolicyRow) -> list[str]:
    if len(row.capacity) == len(COLUMN_ENUMS["capacity"]):
        return ["principal"]
    return [f"principal is {capacity.capitalize()}" for capacity in sorted(row.capacity)]


def _policy(row: PolicyRow, principal: str) -> str:
    acts = ", ".join(f'Action::"{act}"' for act in sorted(row.act))
    tests = [
        _one_of(name, sorted(row.column_values(name)))
        for name in _IN_BODY
        if len(row.column_values(name)) < len(COLUMN_ENUMS[name])
    ]
    tests += [f"context.{fact}" for fact in FACT_FIELDS]
    return f"{_KEYWORD[row.eft]} ({principal}, action in [{acts}], resource) when {{ {' && '.join(tests)} }};"


def _one_of(name: str, words: list[str]) -> str:
    if len(words) == 1:
        return f'context.{name} == "{words[0]}"'
    return f"{json.dumps(words)}.contains(context.{name})"


def request(question: PolicyRequest) -> dict[str, Any]:
    """The request as Cedar takes it. Its context as JSON text, which cedarpy reads faster than a dict."""
    values = dict(zip(question.__dataclass_fields__, question.casbin_values(), strict=True))
    return {
        "principal": f'{question.capacity.value.capitalize()}::"p"',
        "action": f'Action::"{question.act.value}"',
        "resource": 'Bericht::"b"',
        "context": json.dumps({name: values[name] for name in _CONTEXT}),
    }


class Cedar:
    """cedarpy with the policies and the (empty) entities parsed once."""

    def __init__(self, rows: Iterable[PolicyRow]) -> None:
        self._policies = PolicySet.from_str(translated(rows))
        self._entities = Entities.from_json_str("[]")

    def allows(self, prepared: dict[str, Any]) -> bool:
        """Cedar's answer to a request that was prepared beforehand."""
        return is_authorized(prepared, self._policies, self._entities).decision is Decision.Allow
