"""The commits of the request under way, so that an error message claims no more than is known.

A COMMIT whose answer was lost may have been carried out (PostgreSQL `08007 transaction_resolution_unknown`).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class CommitCount:
    """Commits that were carried out or may have been; those that were certainly rolled back are taken off again."""

    possible: int = 0


_current: ContextVar[CommitCount | None] = ContextVar("commits", default=None)


def begin_count() -> None:
    """Start counting, for one request and all that is done in it."""
    _current.set(CommitCount())


def count_commit() -> None:
    """Count a commit before it is sent."""
    if (count := _current.get()) is not None:
        count.possible += 1


def discount_commit() -> None:
    """Take a commit off again which the database has refused: it was rolled back."""
    if (count := _current.get()) is not None:
        count.possible -= 1


def nothing_committed() -> bool:
    """Return True when it is certain that this request has changed nothing; outside a count nothing is certain."""
    count = _current.get()
    return count is not None and count.possible == 0
