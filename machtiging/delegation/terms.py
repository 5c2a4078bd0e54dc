"""Validation of the terms that a citizen may offer, and of the accepting login. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from machtiging.agencies.queries import AgencyView
from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import (
    GRANTABLE_ACTS,
    SELECTABLE_CAPACITIES,
    Capacity,
    MachtigingLimits,
    MachtigingScope,
    find_missing_acts,
)
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import NotAllowed
from machtiging.kernel.period import Period
from machtiging.kernel.text import require_plain_line

# "From today" starts at midnight, so the start may be up to a day ago. It may be at most 90 days ahead.
_MAX_START_IN_PAST = timedelta(days=1)
_MAX_START_AHEAD = timedelta(days=90)
# What a giver writes in her own words, in characters. "Jo" is a name.
MIN_PURPOSE_LENGTH, MIN_NAME_LENGTH, MAX_LINE_LENGTH = 3, 2, 120


@dataclass(frozen=True, slots=True)
class MachtigingTerms:
    """The terms of an offer. `helper_name`: what only the giver calls the helper."""

    capacity: Capacity
    purpose: str
    legal_ground: str
    scope: MachtigingScope
    period: Period
    helper_name: str | None = None


class TermsProblem(NamedTuple):
    """One problem in the terms: the field, the reason code and the sentence parameters."""

    field: str
    code: str
    params: Mapping[str, object] = MappingProxyType({})


def normalise_terms(terms: MachtigingTerms) -> MachtigingTerms:
    """Return the terms with free text normalised and stripped."""
    name = None if terms.helper_name is None else _normalise_line(terms.helper_name)
    purpose, ground = _normalise_line(terms.purpose), _normalise_line(terms.legal_ground)
    return replace(terms, purpose=purpose, legal_ground=ground, helper_name=name)


def _normalise_line(text: str) -> str:
    try:
        return require_plain_line(text)
    except ValueError:
        return text


def _is_single_line(text: str, min_length: int, max_length: int) -> bool:
    """Check for one plain line of this length."""
    try:
        return min_length <= len(require_plain_line(text)) <= max_length
    except ValueError:
        return False


def is_purpose(text: str) -> bool:
    """Check for one plain line of the length of a purpose."""
    return _is_single_line(text, MIN_PURPOSE_LENGTH, MAX_LINE_LENGTH)


def is_helper_name(text: str) -> bool:
    """Check for one plain line of the length of a name for the helper."""
    return _is_single_line(text, MIN_NAME_LENGTH, MAX_LINE_LENGTH)


def find_terms_problems(terms: MachtigingTerms, limits: MachtigingLimits, at: datetime) -> list[TermsProblem]:
    """Return every problem in the terms alone. Fields are named as in MachtigingTerms, MachtigingScope and Period."""
    last_day = terms.period.last_day
    capacity, letters_from = terms.capacity, terms.scope.letters_from
    name = terms.helper_name
    found = [
        (capacity not in SELECTABLE_CAPACITIES, TermsProblem("capacity", "hoedanigheid_niet_te_kiezen")),
        (name is not None and not is_helper_name(name), TermsProblem("helper_name", "naam_van_helper_ongeldig")),
        (not is_purpose(terms.purpose), TermsProblem("purpose", "doel_ongeldig")),
        (not _is_single_line(terms.legal_ground, 1, 200), TermsProblem("legal_ground", "grondslag_ongeldig")),
        *_check_acts(terms.scope),
        *_check_themes(terms.scope),
        (letters_from > last_day, TermsProblem("letters_from", "brieven_vanaf_te_laat")),
        *_check_period(terms.period, limits, at),
    ]
    return [problem for wrong, problem in found if wrong]


def _check_acts(scope: MachtigingScope) -> list[tuple[bool, TermsProblem]]:
    """Check the acts. A missing prerequisite is a problem and is not added silently."""
    return [
        (not scope.acts, TermsProblem("acts", "handeling_ontbreekt")),
        (not scope.acts <= GRANTABLE_ACTS, TermsProblem("acts", "handeling_niet_te_geven")),
        (bool(find_missing_acts(scope.acts)), TermsProblem("acts", "handelingen_horen_bij_elkaar")),
    ]


def _check_themes(scope: MachtigingScope) -> list[tuple[bool, TermsProblem]]:
    return [
        (not _are_themes_valid(scope), TermsProblem("themes", "thema_onbekend")),
        (not _effective_themes(scope), TermsProblem("themes", "niets_over")),
    ]


def _effective_themes(scope: MachtigingScope) -> frozenset[Theme]:
    return (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes


def _are_themes_valid(scope: MachtigingScope) -> bool:
    return all(isinstance(theme, Theme) for theme in (scope.themes or frozenset()) | scope.excluded_themes)


def _check_period(period: Period, limits: MachtigingLimits, at: datetime) -> list[tuple[bool, TermsProblem]]:
    longest = {"duration": limits.maximum_duration_text}
    latest_day = limits.latest_end_date(to_dutch_date(period.starts_at))
    return [
        (period.starts_at < at - _MAX_START_IN_PAST, TermsProblem("starts_at", "begin_in_het_verleden")),
        (period.starts_at > at + _MAX_START_AHEAD, TermsProblem("starts_at", "begin_te_ver_weg")),
        (period.ends_at <= at, TermsProblem("ends_at", "periode_voorbij")),
        (period.last_day > latest_day, TermsProblem("ends_at", "periode_te_lang", longest)),
    ]


def require_eligible_login(capacity: Capacity, kvk: str | None) -> None:
    """Require that the login fits the offered capacity (`kvk` None: a private person).

    Raises NotAllowed `alleen_voor_organisatie` or `alleen_voor_naaste`.
    """
    if capacity is Capacity.PROFESSIONAL and kvk is None:
        raise NotAllowed("alleen_voor_organisatie")
    if capacity is Capacity.RELATIVE and kvk is not None:
        raise NotAllowed("alleen_voor_naaste")


def find_unknown_catalogue_keys(agencies: Sequence[AgencyView], scope: MachtigingScope) -> list[TermsProblem]:
    """Return problems for unknown or inconsistent afzenders and diensten."""
    oins = {agency.oin for agency in agencies}
    keys = {dienst.scope_key for agency in agencies for dienst in agency.diensten}
    afzenders, diensten = scope.afzenders, scope.diensten
    beside = afzenders is not None and any(key.split("/")[0] not in afzenders for key in diensten or ())
    found = [
        (afzenders == frozenset(), TermsProblem("afzenders", "afzender_ontbreekt")),
        (diensten == frozenset(), TermsProblem("diensten", "dienst_ontbreekt")),
        (not (afzenders or frozenset()) <= oins, TermsProblem("afzenders", "afzender_onbekend")),
        (not (diensten or frozenset()) <= keys, TermsProblem("diensten", "dienst_onbekend")),
        (beside, TermsProblem("diensten", "dienst_van_andere_afzender")),
    ]
    return [problem for wrong, problem in found if wrong]
