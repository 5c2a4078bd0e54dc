"""Validation of the terms that a citizen may offer, and of the accepting login. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from machtiging.agencies.queries import AgencyView
from machtiging.agencies.rules import Theme
from machtiging.delegation.chain import effective_themes
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


@dataclass(frozen=True, slots=True)
class MachtigingTerms:
    """The terms of an offer."""

    capacity: Capacity
    purpose: str
    legal_ground: str
    scope: MachtigingScope
    period: Period


class TermsProblem(NamedTuple):
    """One problem in the terms: its field, the code of the refusal, and the sentence."""

    field: str
    code: str
    public: str


def normalise_terms(terms: MachtigingTerms) -> MachtigingTerms:
    """Return the terms with free text normalised and stripped."""
    return replace(terms, purpose=_normalise_line(terms.purpose), legal_ground=_normalise_line(terms.legal_ground))


def _normalise_line(text: str) -> str:
    try:
        return require_plain_line(text)
    except ValueError:
        return text


def _is_single_line(text: str, min_length: int) -> bool:
    """Check for one plain line of `min_length` to 200 characters."""
    try:
        return min_length <= len(require_plain_line(text)) <= 200
    except ValueError:
        return False


def find_terms_problems(terms: MachtigingTerms, limits: MachtigingLimits, at: datetime) -> list[TermsProblem]:
    """Return every problem in the terms alone. Fields are named as in MachtigingTerms, MachtigingScope and Period."""
    last_day = terms.period.last_day
    capacity, letters_from = terms.capacity, terms.scope.letters_from
    found = [
        (capacity not in SELECTABLE_CAPACITIES, "capacity", "hoedanigheid_niet_te_kiezen", "Dit kunt u niet kiezen."),
        (
            not _is_single_line(terms.purpose, 3),
            "purpose",
            "doel_ongeldig",
            "Schrijf uw doel in 3 tot 200 tekens op één regel.",
        ),
        (
            not _is_single_line(terms.legal_ground, 1),
            "legal_ground",
            "grondslag_ongeldig",
            "Noem de grondslag op één regel.",
        ),
        *_check_acts(terms.scope),
        *_check_themes(terms.scope),
        (letters_from > last_day, "letters_from", "brieven_vanaf_te_laat", "Deze dag ligt na de einddatum."),
        *_check_period(terms.period, limits, at),
    ]
    return [TermsProblem(field, code, public) for wrong, field, code, public in found if wrong]


def _check_acts(scope: MachtigingScope) -> list[tuple[bool, str, str, str]]:
    """Check the acts. A missing prerequisite is a problem and is not added silently."""
    together = "Wie mag downloaden moet ook mogen lezen, en wie mag lezen moet ook de lijst mogen zien."
    return [
        (not scope.acts, "acts", "handeling_ontbreekt", "Kies wat uw gemachtigde mag doen."),
        (not scope.acts <= GRANTABLE_ACTS, "acts", "handeling_niet_te_geven", "Dit kunt u alleen zelf doen."),
        (bool(find_missing_acts(scope.acts)), "acts", "handelingen_horen_bij_elkaar", together),
    ]


def _check_themes(scope: MachtigingScope) -> list[tuple[bool, str, str, str]]:
    return [
        (not _are_themes_valid(scope), "themes", "thema_onbekend", "Dit onderwerp kennen wij niet."),
        (not effective_themes(scope), "themes", "niets_over", "Zo blijft er geen onderwerp over."),
    ]


def _are_themes_valid(scope: MachtigingScope) -> bool:
    return all(isinstance(theme, Theme) for theme in (scope.themes or frozenset()) | scope.excluded_themes)


def _check_period(period: Period, limits: MachtigingLimits, at: datetime) -> list[tuple[bool, str, str, str]]:
    longest = f"Een machtiging duurt hoogstens {limits.maximum_duration_text}."
    latest_day = limits.latest_end_date(to_dutch_date(period.starts_at))
    return [
        (
            period.starts_at < at - _MAX_START_IN_PAST,
            "starts_at",
            "begin_in_het_verleden",
            "De begindatum is al voorbij.",
        ),
        (period.starts_at > at + _MAX_START_AHEAD, "starts_at", "begin_te_ver_weg", "Begin binnen 90 dagen."),
        (period.ends_at <= at, "ends_at", "periode_voorbij", "De einddatum is al voorbij."),
        (period.last_day > latest_day, "ends_at", "periode_te_lang", longest),
    ]


def require_eligible_login(capacity: Capacity, kvk: str | None) -> None:
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


def find_unknown_catalogue_keys(agencies: Sequence[AgencyView], scope: MachtigingScope) -> list[TermsProblem]:
    """Return problems for unknown or inconsistent afzenders and diensten."""
    oins = {agency.oin for agency in agencies}
    keys = {dienst.scope_key for agency in agencies for dienst in agency.diensten}
    afzenders, diensten = scope.afzenders, scope.diensten
    beside = afzenders is not None and any(key.split("/")[0] not in afzenders for key in diensten or ())
    found = [
        (afzenders == frozenset(), "afzenders", "afzender_ontbreekt", "Kies minstens één afzender."),
        (diensten == frozenset(), "diensten", "dienst_ontbreekt", "Kies minstens één dienst."),
        (not (afzenders or frozenset()) <= oins, "afzenders", "afzender_onbekend", "Deze afzender kennen wij niet."),
        (not (diensten or frozenset()) <= keys, "diensten", "dienst_onbekend", "Deze dienst kennen wij niet."),
        (beside, "diensten", "dienst_van_andere_afzender", "Deze dienst hoort niet bij de afzenders die u koos."),
    ]
    return [TermsProblem(field, code, public) for wrong, field, code, public in found if wrong]
