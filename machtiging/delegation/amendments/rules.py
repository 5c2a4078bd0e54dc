"""Rules of amendments by the giver: narrower at once, or longer with the same scope. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.authority.chain import intersect_scopes
from machtiging.delegation.rules import (
    EMERGENCY_STOP,
    GRANTABLE_ACTS,
    Act,
    Machtiging,
    MachtigingLimits,
    MachtigingScope,
    MachtigingState,
)
from machtiging.kernel.clock import AMSTERDAM, end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.period import Period


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A narrowing: what stays after it. None, or no excluded themes, takes nothing away."""

    last_day: date | None = None
    afzenders: frozenset[str] | None = None
    excluded_themes: frozenset[Theme] = frozenset()
    highest_sensitivity: Sensitivity = Sensitivity.VERTROUWELIJK
    letters_from: date = date.min
    acts: frozenset[Act] = GRANTABLE_ACTS


def narrow_scope(scope: MachtigingScope, narrowing: Narrowing) -> MachtigingScope:
    """Return what both the scope and the narrowing cover. So the result is never wider."""
    both = intersect_scopes(
        scope,
        MachtigingScope(
            afzenders=narrowing.afzenders,
            diensten=None,
            themes=None,
            excluded_themes=narrowing.excluded_themes,
            highest_sensitivity=narrowing.highest_sensitivity,
            letters_from=narrowing.letters_from,
            acts=narrowing.acts,
        ),
    )
    if both.diensten is None or both.afzenders is None:
        return both
    return replace(both, diensten=frozenset(key for key in both.diensten if key.split("/")[0] in both.afzenders))


def narrow_period(period: Period, last_day: date | None, at: datetime) -> Period:
    """Return the period with an earlier end, if the day is earlier. Raises InvalidInput `einddatum_te_vroeg`."""
    if last_day is None or last_day >= period.last_day:
        return period
    ends_at = end_of_day(last_day)
    if ends_at <= max(at, period.starts_at):
        raise InvalidInput("einddatum_te_vroeg")
    return Period(period.starts_at, ends_at)


def require_something_left(scope: MachtigingScope, period: Period) -> None:
    """Require that a letter can still fall under it. Raises InvalidInput `niets_over`."""
    themes = (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes
    empty = frozenset() in (scope.afzenders, scope.diensten, scope.letters, themes, scope.acts)
    if empty or scope.letters_from > period.last_day:
        raise InvalidInput("niets_over")


def require_extendable(machtiging: Machtiging, at: datetime) -> None:
    """Require a machtiging that was accepted and is not over.

    Raises Conflict `machtiging_beeindigd`, `machtiging_verlopen`, `noodstop` or `machtiging_kan_dit_niet`.
    """
    if machtiging.state is MachtigingState.ENDED:
        raise Conflict("machtiging_beeindigd")
    if machtiging.state is MachtigingState.OFFERED or machtiging.needs_confirmation:
        raise Conflict("machtiging_kan_dit_niet")
    if at >= machtiging.period.ends_at:
        raise Conflict("machtiging_verlopen")
    if machtiging.stopped_at is not None:
        raise Conflict(EMERGENCY_STOP)


def extend_period(period: Period, last_day: date, limits: MachtigingLimits, at: datetime) -> Period:
    """Return the period up to a later day, counted from today. An earlier day changes nothing.

    Raises InvalidInput `periode_te_lang`.
    """
    if last_day <= period.last_day:
        return period
    today = to_dutch_date(at)
    if last_day > limits.latest_end_date(today):
        raise InvalidInput("periode_te_lang", params={"duration": limits.maximum_duration_text})
    begins_today = datetime.combine(today, time(), AMSTERDAM)
    return Period(max(period.starts_at, begins_today), end_of_day(last_day))
