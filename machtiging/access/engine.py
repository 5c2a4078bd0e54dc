"""Ask Casbin, once per question. Built at the start from `policies/`, never changed afterwards.

The rows are static and a Question is a closed value, so an answer that was given once holds for as long as this object
lives: the memo is exact, not stale. The machtiging itself is never remembered here; it became facts in the Question.
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
    """Casbin with the matcher parsed once. Stock Casbin parses it again for every question."""

    _parsed: SimpleEval | None = None

    def _get_expression(self, expr: str, functions: dict[str, Any] | None = None) -> SimpleEval:
        if self._parsed is None:
            self._parsed = super()._get_expression(expr, functions)
        return self._parsed


class Policy:
    """The policy as it stood when the service started. `digest` names it in every journal line."""

    def __init__(self, model: str, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self.digest = _digest(model, self.rows)
        self._enforcers = {key: _enforcer(model, rows) for key, rows in _shelves(self.rows).items()}
        self._answers: dict[Question, Decision] = {}

    @classmethod
    def load(cls, directory: Path) -> Policy:
        """Read the directory. Raises Fault `beleid_onleesbaar` or `beleid_leeg`: no service without a sound policy."""
        return cls(read_model(directory), read_rows(directory))

    def decide(self, question: Question) -> Decision:
        """The answer to one question. Whatever goes wrong while deciding is a refusal, and is not remembered."""
        answer = self._answers.get(question)
        if answer is not None:
            return answer
        try:
            answer = self._ask(question)
        except Exception:  # noqa: BLE001 (a decision that cannot be made is a no; the guard journals it)
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
    """The rows by capacity and act. A row on another shelf could not match, so leaving it out only saves time."""
    shelves: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for key in product(sorted(row.capacity), sorted(row.act)):
            shelves.setdefault(key, []).append(row)
    return shelves


def _enforcer(model_text: str, rows: Sequence[Row]) -> _Enforcer:
    model = Model()
    model.load_model_from_text(model_text)
    # Cells become sets of plain words, so that `in` compares whole words and never parts of them.
    model["p"]["p"].policy = [[row.id, *(row.words(column) for column in WORDS), row.eft] for row in rows]
    enforcer = _Enforcer(model)
    enforcer.logger = logging.Logger("nowhere", logging.CRITICAL + 1)  # Casbin logs what was asked; this one is silent
    return enforcer


def _digest(model: str, rows: Sequence[Row]) -> str:
    text = "\n".join([model, *sorted(row.canonical() for row in rows)])
    return hashlib.sha256(text.encode()).hexdigest()
