"""Occasions and states of a hand-over, and its period. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

# Then the citizen is told that nobody reads.
HANDOVER_PERIOD = timedelta(days=14)


class HandoverOccasion(StrEnum):
    """The reason that clients are handed over. No act makes `ILLNESS` yet; `CHANGE` is one in a team."""

    DEPARTURE = "vertrek"
    ILLNESS = "ziekte"
    CHANGE = "wissel"


class ItemState(StrEnum):
    """The state of a client in a hand-over. `DROPPED`: not needed any more, without an assignment."""

    WAITING = "wacht"
    ASSIGNED = "toegewezen"
    DROPPED = "vervallen"
