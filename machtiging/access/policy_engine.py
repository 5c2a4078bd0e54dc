"""The Casbin policy engine, built once at startup from `policies/` and never changed.

Rows are static and a PolicyRequest is a closed value, so decisions can be cached for the life of the process. A
machtiging is never cached here: it enters as facts of the PolicyRequest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import casbin
from casbin.model import Model
from casbin.util import SimpleEval

from machtiging.access.policy_decision import (
    DECISION_FAILED,
    DENIED_BY_POLICY_ROW,
    NO_MATCHING_POLICY_ROW,
    PolicyAllowed,
    PolicyDecision,
    PolicyDenied,
)
from machtiging.access.policy_file import COLUMN_ENUMS, PolicyContent, PolicyRow, read_casbin_model, read_policy_rows
from machtiging.access.policy_request import PolicyRequest


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """A Casbin enforcer that parses the matcher once instead of once per request."""

    _cached_matcher: SimpleEval | None = None

    def _get_expression(self, expr: str, functions: dict[str, Any] | None = None) -> SimpleEval:
        if self._cached_matcher is None:
            self._cached_matcher = super()._get_expression(expr, functions)
        return self._cached_matcher


class Policy:
    """The policy as loaded at startup; `digest` identifies it in every journal line."""

    def __init__(self, model: str, rows: Sequence[PolicyRow]) -> None:
        self.rows = tuple(rows)
        self.content = PolicyContent(model, self.rows)
        self.digest = self.content.compute_digest()
        self._enforcers = {
            key: _build_enforcer(model, rows) for key, rows in _group_rows_by_capacity_and_act(self.rows).items()
        }
        self._decision_cache: dict[PolicyRequest, PolicyDecision] = {}

    @classmethod
    def load(cls, directory: Path) -> Policy:
        """Read the policy directory.

        Raises Fault `beleid_onleesbaar` or `beleid_leeg`: the service does not start without a valid policy.
        """
        return cls(read_casbin_model(directory), read_policy_rows(directory))

    def decide(self, policy_request: PolicyRequest) -> PolicyDecision:
        """Decide one policy request. An error while deciding is a denial and is not cached."""
        answer = self._decision_cache.get(policy_request)
        if answer is not None:
            return answer
        try:
            answer = self._enforce_request(policy_request)
        except Exception:  # noqa: BLE001 (fail closed; the guard journals it)
            return PolicyDenied(None, DECISION_FAILED)
        self._decision_cache[policy_request] = answer
        return answer

    def _enforce_request(self, policy_request: PolicyRequest) -> PolicyDecision:
        enforcer = self._enforcers.get((policy_request.capacity, policy_request.act))
        if enforcer is None:
            return PolicyDenied(None, NO_MATCHING_POLICY_ROW)
        allowed, row = enforcer.enforce_ex(*policy_request.casbin_values())
        if allowed is True and row:
            return PolicyAllowed(row[0])
        return PolicyDenied(row[0], DENIED_BY_POLICY_ROW) if row else PolicyDenied(None, NO_MATCHING_POLICY_ROW)


def _group_rows_by_capacity_and_act(rows: Sequence[PolicyRow]) -> dict[tuple[str, str], list[PolicyRow]]:
    """Group the rows by capacity and act, to evaluate fewer rows per request.

    A row of another group cannot match, so the decision is the same.
    """
    shelves: dict[tuple[str, str], list[PolicyRow]] = {}
    for row in rows:
        for key in product(sorted(row.capacity), sorted(row.act)):
            shelves.setdefault(key, []).append(row)
    return shelves


def _build_enforcer(model_text: str, rows: Sequence[PolicyRow]) -> _Enforcer:
    model = Model()
    model.load_model_from_text(model_text)
    # Cells become sets, so that `in` compares whole words and never substrings.
    model["p"]["p"].policy = [
        [row.id, *(row.column_values(column) for column in COLUMN_ENUMS), row.eft] for row in rows
    ]
    enforcer = _Enforcer(model)
    enforcer.logger = logging.Logger("nowhere", logging.CRITICAL + 1)  # Casbin would log every request
    return enforcer
