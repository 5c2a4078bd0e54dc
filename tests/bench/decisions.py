"""Part 1: one decision, ours (new and cached) beside cedarpy and plain Casbin."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import casbin
from casbin.model import Model

from machtiging.access.policy_decision import PolicyAllowed
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import COLUMN_ENUMS, PolicyRow, read_casbin_model, read_policy_rows
from machtiging.access.policy_request import PolicyRequest, iterate_policy_requests
from tests.bench import rounds
from tests.bench.cedar import Cedar, request
from tests.bench.rounds import Goal, MeasurementFailed

T = TypeVar("T")
_SEED = 2
_COLD = Goal("<= 1.00 x cedarpy", at_most=1.0)
_WARM = Goal("<= 0.05 x cedarpy", at_most=0.05)


class StockCasbin:
    """The same model and rows in `casbin.Enforcer`, without anything of ours around it."""

    def __init__(self, directory: Path, rows: tuple[PolicyRow, ...]) -> None:
        model = Model()
        model.load_model_from_text(read_casbin_model(directory))
        model["p"]["p"].policy = [
            [row.id, *(row.column_values(column) for column in COLUMN_ENUMS), row.eft] for row in rows
        ]
        self._enforcer = casbin.Enforcer(model)

    def allows(self, question: PolicyRequest) -> bool:
        return bool(self._enforcer.enforce(*question.casbin_values()))


def sample(size: int) -> list[PolicyRequest]:
    """Different questions in which all facts hold. Those are the dearest, since no engine can stop early."""
    asked = [q for q in iterate_policy_requests() if q.in_force and q.covered and q.act_given and q.chain_complete]
    return random.Random(_SEED).sample(asked, size)


def _microseconds(answer: Callable[[T], object], questions: Sequence[T]) -> float:
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        for question in questions:
            answer(question)
        return (time.perf_counter() - begin) / len(questions) * 1e6
    finally:
        gc.enable()


def _refuse_to_compare_different_answers(directory: Path, questions: list[PolicyRequest]) -> None:
    """Speed beside another engine says something only when it gives the same answers."""
    rows = read_policy_rows(directory)
    ours, cedar, stock = Policy.load(directory), Cedar(rows), StockCasbin(directory, rows)
    for question in questions:
        answers = {
            isinstance(ours.decide(question), PolicyAllowed),
            cedar.allows(request(question)),
            stock.allows(question),
        }
        if len(answers) != 1:
            raise MeasurementFailed(f"the engines disagree about {question}")


async def measure(directory: Path, *, quick: bool) -> list[rounds.Row]:
    """The rows of the table about decisions."""
    questions = sample(200 if quick else 1000)
    _refuse_to_compare_different_answers(directory, questions)
    rows = read_policy_rows(directory)
    cedar, stock = Cedar(rows), StockCasbin(directory, rows)
    warm = Policy.load(directory)
    prepared = [request(question) for question in questions]  # outside the timing, in Cedar's favour
    for question in questions:
        warm.decide(question)

    async def first_time() -> float:
        return _microseconds(Policy.load(directory).decide, questions)  # a fresh one remembers nothing

    async def remembered() -> float:
        return _microseconds(warm.decide, questions)

    async def by_cedar() -> float:
        return _microseconds(cedar.allows, prepared)

    async def by_stock() -> float:
        return _microseconds(stock.allows, questions)

    count = 3 if quick else 11
    cold_us, warm_us, cedar_us, stock_us = await rounds.interleave(count, [first_time, remembered, by_cedar, by_stock])
    part, unit = "decision", "µs"
    return [
        rounds.compare(part, "asked for the first time", unit, cold_us, "cedarpy", cedar_us, _COLD),
        rounds.compare(part, "asked before (memo)", unit, warm_us, "cedarpy", cedar_us, _WARM),
        rounds.compare(part, "asked for the first time", unit, cold_us, "stock pycasbin", stock_us),
    ]
