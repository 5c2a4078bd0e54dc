"""Interleaved rounds (A B A B ...) and what they say. Medians, and the ratio with its smallest and largest value.

The speed of a shared machine swings by a factor of two from one second to the next. Both sides of a pair are measured
within seconds of each other, so the ratio of a pair is worth more than either figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rich.table import Table

T = TypeVar("T")


class MeasurementFailed(Exception):
    """Something answered wrongly or not at all, so there is nothing to compare."""


@dataclass(frozen=True)
class Goal:
    """The goal of a ratio: at most (smaller is better) or at least."""

    text: str
    at_most: float | None = None
    at_least: float | None = None

    def reached(self, value: float) -> bool:
        if self.at_most is not None:
            return value <= self.at_most
        return self.at_least is not None and value >= self.at_least


@dataclass(frozen=True)
class Row:
    """One line of the table. Without `beside` it is a figure that stands alone, and `ratio` is empty."""

    part: str
    what: str
    unit: str
    ours: float
    beside: str = ""
    theirs: float | None = None
    ratio: tuple[float, float, float] | None = None
    goal: str = ""
    reached: bool | None = None
    rounds: int = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    part: str, what: str, unit: str, ours: list[float], beside: str, theirs: list[float], goal: Goal | None = None
) -> Row:
    """Our figures over theirs, pair by pair."""
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    middle = statistics.median(ratios)
    return Row(
        part=part,
        what=what,
        unit=unit,
        ours=statistics.median(ours),
        beside=beside,
        theirs=statistics.median(theirs),
        ratio=(middle, min(ratios), max(ratios)),
        goal=goal.text if goal else "",
        reached=goal.reached(middle) if goal else None,
        rounds=len(ratios),
    )


async def interleave(rounds: int, sides: list[Callable[[], Awaitable[T]]]) -> list[list[T]]:
    """Run every side once per round, after one round that does not count. The order turns round every time."""
    for side in sides:
        await side()
    results: list[list[T]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for index in order:
            results[index].append(await sides[index]())
    return results


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def build_table(rows: list[Row]) -> Table:
    """The rows as a table for a terminal."""
    table = Table(title="Ours beside others: medians, and the ratio ours / theirs with its smallest and largest value")
    for name in ("part", "what", "unit", "beside"):
        table.add_column(name)
    for name in ("ours", "theirs", "ratio", "min - max"):
        table.add_column(name, justify="right")
    table.add_column("goal")
    for row in rows:
        theirs = "" if row.theirs is None else _number(row.theirs)
        ratio, spread = "", ""
        if row.ratio is not None:
            ratio, spread = f"{row.ratio[0]:.3g}", f"{row.ratio[1]:.3g} - {row.ratio[2]:.3g}"
        goal = row.goal and f"{row.goal}: {'reached' if row.reached else 'NOT reached'}"
        table.add_row(row.part, row.what, row.unit, row.beside, _number(row.ours), theirs, ratio, spread, goal)
    return table
