"""The Casbin policy engine, built once at startup from `policies/` and never changed.

Rows are static and a PolicyRequest is a closed value, so decisions can be cached for the life of the process. A
machtiging is never cached here: it enters as facts of the PolicyRequest.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import casbin
from casbin.model import Model
from casbin.util import SimpleEval

from machtiging.access.decision import DENIED_BY_ROW, FAILED, NO_ROW, Allowed, Decision, Refused
from machtiging.access.policy_file import WORDS, Row, read_model, read_rows
from machtiging.access.question import Question


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """A Casbin enforcer that parses the matcher once instead of once per request."""

    _parsed: SimpleEval | None = None

    def _get_expression(self, expr: str, functions: dict[str, Any] | None = None) -> SimpleEval:
        if self._parsed is None:
            self._parsed = super()._get_expression(expr, functions)
        return self._parsed


class Policy:
    """The policy as loaded at startup; `digest` identifies it in every journal line."""

    def __init__(self, model: str, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self.digest = _digest(model, self.rows)
        self._enforcers = {key: _enforcer(model, rows) for key, rows in _shelves(self.rows).items()}
        self._answers: dict[Question, Decision] = {}

    @classmethod
    def load(cls, directory: Path) -> Policy:
        """Read the policy directory.

        Raises Fault `beleid_onleesbaar` or `beleid_leeg`: the service does not start without a valid policy.
        """
        return cls(read_model(directory), read_rows(directory))

    def decide(self, question: Question) -> Decision:
        """Decide one policy request. An error while deciding is a denial and is not cached."""
        answer = self._answers.get(question)
        if answer is not None:
            return answer
        try:
            answer = self._ask(question)
        except Exception:  # noqa: BLE001 (fail closed; the guard journals it)
            return Refused(None, FAILED)
        self._answers[question] = answer
        return answer

    def _ask(self, question: Question) -> Decision:
        enforcer = self._enforcers.get((question.capacity, question.act))
        if enforcer is None:
            return Refused(None, NO_ROW)
        allowed, row = enforcer.enforce_ex(*question.values())
        if allowed is True and row:
            return Allowed(row[0])
        return Refused(row[0], DENIED_BY_ROW) if row else Refused(None, NO_ROW)


def _shelves(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group the rows by capacity and act, to evaluate fewer rows per request.

    A row of another group cannot match, so the decision is the same.
    """
    shelves: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for key in product(sorted(row.capacity), sorted(row.act)):
            shelves.setdefault(key, []).append(row)
    return shelves


def _enforcer(model_text: str, rows: Sequence[Row]) -> _Enforcer:
    model = Model()
    model.load_model_from_text(model_text)
    # Cells become sets, so that `in` compares whole words and never substrings.
    model["p"]["p"].policy = [[row.id, *(row.words(column) for column in WORDS), row.eft] for row in rows]
    enforcer = _Enforcer(model)
    enforcer.logger = logging.Logger("nowhere", logging.CRITICAL + 1)  # Casbin would log every request
    return enforcer


def _digest(model: str, rows: Sequence[Row]) -> str:
    text = "\n".join([model, *sorted(row.canonical() for row in rows)])
    return hashlib.sha256(text.encode()).hexdigest()
