"""The days of a stand-in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.period import Period

MAX_STAND_IN_DAYS = 42


@dataclass(frozen=True, slots=True)
class StandInRequest:
    """A requested stand-in, from the first day until and including the last."""

    absent_id: UUID
    replacement_id: UUID
    first_day: date
    last_day: date


def build_period(request: StandInRequest, at: datetime) -> Period:
    """Build the period, from now or from midnight of the first day.

    Raises InvalidInput `vervanging_omgekeerd` for an end before the begin, `vervanging_in_verleden`, and
    `vervanging_te_lang` for more than 42 days.
    """
    if request.last_day < request.first_day:
        raise InvalidInput("vervanging_omgekeerd")
    if request.first_day < to_dutch_date(at):
        raise InvalidInput("vervanging_in_verleden")
    if (request.last_day - request.first_day).days >= MAX_STAND_IN_DAYS:
        raise InvalidInput("vervanging_te_lang", params={"limit": MAX_STAND_IN_DAYS})
    starts_at = end_of_day(request.first_day - timedelta(days=1))
    return Period(max(at, starts_at), end_of_day(request.last_day))
