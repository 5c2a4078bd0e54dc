"""Commit counter of the current request, for truthful error messages.

A COMMIT without an answer may have succeeded (PostgreSQL `08007 transaction_resolution_unknown`). Then the error page
must not say that nothing has changed.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class CommitCount:
    """The number of commits that succeeded or may have. A certain rollback is subtracted."""

    possible: int = 0


_current: ContextVar[CommitCount | None] = ContextVar("commits", default=None)


def begin_count() -> None:
    """Start the count for the current request."""
    _current.set(CommitCount())


def count_commit() -> None:
    """Count a commit, before it is sent."""
    if (count := _current.get()) is not None:
        count.possible += 1


def discount_commit() -> None:
    """Subtract a commit after the database has rolled it back."""
    if (count := _current.get()) is not None:
        count.possible -= 1


def nothing_committed() -> bool:
    """Return True if the current request certainly committed nothing. False outside a request."""
    count = _current.get()
    return count is not None and count.possible == 0
