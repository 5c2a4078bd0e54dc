"""Validation of the terms that a citizen may offer, and of the accepting login. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from machtiging.agencies.queries import AgencyView
from machtiging.agencies.rules import Theme
from machtiging.delegation.chain import remaining_themes
from machtiging.delegation.rules import ACTS_TO_GIVE, CAPACITIES_TO_CHOOSE, Capacity, Limits, Scope, missing_acts
from machtiging.kernel.clock import day_in_the_netherlands
from machtiging.kernel.errors import NotAllowed
from machtiging.kernel.period import Period
from machtiging.kernel.text import plain_line

# "From today" starts at midnight, so the start may be up to a day ago. It may be at most 90 days ahead.
_PAST = timedelta(days=1)
_AHEAD = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an offer."""

    capacity: Capacity
    purpose: str
    legal_ground: str
    scope: Scope
    period: Period


class Problem(NamedTuple):
    """One problem in the terms: its field, the code of the refusal, and the sentence."""

    field: str
    code: str
    public: str


def tidy(terms: Terms) -> Terms:
    """Return the terms with free text normalised and stripped."""
    return replace(terms, purpose=_tidy(terms.purpose), legal_ground=_tidy(terms.legal_ground))


def _tidy(text: str) -> str:
    try:
        return plain_line(text)
    except ValueError:
        return text


def _line(text: str, shortest: int) -> bool:
    """Check for one plain line of `min_length` to 200 characters."""
    try:
        return shortest <= len(plain_line(text)) <= 200
    except ValueError:
        return False


def problems_of(terms: Terms, limits: Limits, at: datetime) -> list[Problem]:
    """Return every problem in the terms alone. Fields are named as in MachtigingTerms, MachtigingScope and Period."""
    last_day = terms.period.last_day
    capacity, letters_from = terms.capacity, terms.scope.letters_from
    found = [
        (capacity not in CAPACITIES_TO_CHOOSE, "capacity", "hoedanigheid_niet_te_kiezen", "Dit kunt u niet kiezen."),
        (not _line(terms.purpose, 3), "purpose", "doel_ongeldig", "Schrijf uw doel in 3 tot 200 tekens op één regel."),
        (not _line(terms.legal_ground, 1), "legal_ground", "grondslag_ongeldig", "Noem de grondslag op één regel."),
        *_wrong_acts(terms.scope),
        *_wrong_themes(terms.scope),
        (letters_from > last_day, "letters_from", "brieven_vanaf_te_laat", "Deze dag ligt na de einddatum."),
        *_wrong_period(terms.period, limits, at),
    ]
    return [Problem(field, code, public) for wrong, field, code, public in found if wrong]


def _wrong_acts(scope: Scope) -> list[tuple[bool, str, str, str]]:
    """Check the acts. A missing prerequisite is a problem and is not added silently."""
    together = "Wie mag downloaden moet ook mogen lezen, en wie mag lezen moet ook de lijst mogen zien."
    return [
        (not scope.acts, "acts", "handeling_ontbreekt", "Kies wat uw gemachtigde mag doen."),
        (not scope.acts <= ACTS_TO_GIVE, "acts", "handeling_niet_te_geven", "Dit kunt u alleen zelf doen."),
        (bool(missing_acts(scope.acts)), "acts", "handelingen_horen_bij_elkaar", together),
    ]


def _wrong_themes(scope: Scope) -> list[tuple[bool, str, str, str]]:
    return [
        (not _known_themes(scope), "themes", "thema_onbekend", "Dit onderwerp kennen wij niet."),
        (not remaining_themes(scope), "themes", "niets_over", "Zo blijft er geen onderwerp over."),
    ]


def _known_themes(scope: Scope) -> bool:
    return all(isinstance(theme, Theme) for theme in (scope.themes or frozenset()) | scope.excluded_themes)


def _wrong_period(period: Period, limits: Limits, at: datetime) -> list[tuple[bool, str, str, str]]:
    longest = f"Een machtiging duurt hoogstens {limits.longest}."
    latest_day = limits.latest_day(day_in_the_netherlands(period.starts_at))
    return [
        (period.starts_at < at - _PAST, "starts_at", "begin_in_het_verleden", "De begindatum is al voorbij."),
        (period.starts_at > at + _AHEAD, "starts_at", "begin_te_ver_weg", "Begin binnen 90 dagen."),
        (period.ends_at <= at, "ends_at", "periode_voorbij", "De einddatum is al voorbij."),
        (period.last_day > latest_day, "ends_at", "periode_te_lang", longest),
    ]


def check_taker(capacity: Capacity, kvk: str | None) -> None:
    """Require that the login fits the offered capacity (`kvk` None: a private person).

    Raises NotAllowed `alleen_voor_organisatie` or `alleen_voor_naaste`.
    """
    if capacity is Capacity.PROFESSIONAL and kvk is None:
        public = "Deze machtiging is voor een hulpverlener van een organisatie. Log in via uw organisatie. "
        public += "Helpt u als familie of bekende? Vraag dan om een nieuwe machtiging."
        raise NotAllowed("alleen_voor_organisatie", public)
    if capacity is Capacity.RELATIVE and kvk is not None:
        public = "Deze machtiging is voor familie of een bekende. Log in als uzelf, en niet via uw organisatie. "
        public += "Helpt u voor uw werk? Vraag dan om een nieuwe machtiging."
        raise NotAllowed("alleen_voor_naaste", public)


def unknown_in(agencies: Sequence[AgencyView], scope: Scope) -> list[Problem]:
    """Return problems for unknown or inconsistent afzenders and diensten."""
    oins = {agency.oin for agency in agencies}
    keys = {dienst.key for agency in agencies for dienst in agency.diensten}
    afzenders, diensten = scope.afzenders, scope.diensten
    beside = afzenders is not None and any(key.split("/")[0] not in afzenders for key in diensten or ())
    found = [
        (afzenders == frozenset(), "afzenders", "afzender_ontbreekt", "Kies minstens één afzender."),
        (diensten == frozenset(), "diensten", "dienst_ontbreekt", "Kies minstens één dienst."),
        (not (afzenders or frozenset()) <= oins, "afzenders", "afzender_onbekend", "Deze afzender kennen wij niet."),
        (not (diensten or frozenset()) <= keys, "diensten", "dienst_onbekend", "Deze dienst kennen wij niet."),
        (beside, "diensten", "dienst_van_andere_afzender", "Deze dienst hoort niet bij de afzenders die u koos."),
    ]
    return [Problem(field, code, public) for wrong, field, code, public in found if wrong]
