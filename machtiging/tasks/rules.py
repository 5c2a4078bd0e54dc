"""Kinds, states and limits of tasks. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

MAX_ITEMS_PER_TASK = 10_000
MAX_OPEN_TASKS = 10
# The wish of somebody is not carried out long after: whoever asked may think differently by then.
EXECUTION_PERIOD = timedelta(hours=24)
# Results can be read this long after the task was asked.
TASK_RETENTION = timedelta(days=30)
MAX_TRIES = 5
# The reason of an item that nobody does any more, because its task was cancelled.
CANCELLED = "taak_gestopt"
_FIRST_PAUSE = timedelta(seconds=2)


class TaskKind(StrEnum):
    """The act of each item of a task."""

    ASSIGN = "toewijzen"


class TaskItemState(StrEnum):
    """The state of one item."""

    WAITING = "wacht"
    DONE = "gedaan"
    REFUSED = "geweigerd"


def compute_retry_pause(tries: int) -> timedelta:
    """Return the pause after so many failures: it doubles."""
    pause: timedelta = _FIRST_PAUSE * 2**tries
    return pause
