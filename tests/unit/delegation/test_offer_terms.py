"""Validation of the terms that a citizen offers."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from machtiging.agencies.queries import AgencyView, DienstView
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity, MachtigingLimits
from machtiging.delegation.terms import find_terms_problems, find_unknown_catalogue_keys, normalise_terms
from machtiging.kernel.clock import end_of_day
from machtiging.kernel.errors import InvalidInput
from machtiging.kernel.period import Period
from tests.builders.keys import NOON
from tests.builders.machtiging import MACHTIGING_LIMITS, SVB, UWV, make_scope, make_terms

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
CATALOGUE = [
    AgencyView(oin, name, (DienstView(oin, "a", "A", Theme.INKOMEN, Sensitivity.GEWOON),))
    for oin, name in ((UWV, "UWV"), (SVB, "SVB"))
]


def codes(**changes):
    return [
        problem.code for problem in find_terms_problems(normalise_terms(make_terms(**changes)), MACHTIGING_LIMITS, NOON)
    ]


def lasting(start, length):
    return {"period": Period(start, start + length)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"capacity": Capacity.PROFESSIONAL},
        {"purpose": "abc"},
        {"purpose": "x" * 120},
        {"helper_name": "Jo"},
        {"helper_name": "x" * 120},
        {"purpose": "  post bijhouden, één jaar (ñ) 📬  "},
        {"acts": frozenset({Act.LIST})},
        {"acts": frozenset({Act.LIST, Act.READ})},
        lasting(NOON - DAY, 90 * DAY),
        lasting(NOON + 90 * DAY, DAY),
        lasting(NOON, 365 * DAY),
        {"period": Period(NOON, end_of_day(date(2027, 11, 23)))},
        {"letters_from": date(2027, 2, 21)},
        {"letters_from": date(1970, 1, 1)},
    ],
)
def test_valid_terms_are_accepted(changes):
    assert codes(**changes) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        *[({"capacity": c}, "hoedanigheid_niet_te_kiezen") for c in Capacity if c not in ("relative", "professional")],
        ({"purpose": ""}, "doel_ongeldig"),
        ({"purpose": "ab"}, "doel_ongeldig"),
        ({"purpose": "    ab    "}, "doel_ongeldig"),
        ({"purpose": "x" * 121}, "doel_ongeldig"),
        ({"purpose": "post\nbijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\x00bijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\x1b[31mbijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\u202ebijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\u2028bijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\u200bbijhouden"}, "doel_ongeldig"),
        ({"purpose": "post\ud800bijhouden"}, "doel_ongeldig"),
        ({"helper_name": "J"}, "naam_van_helper_ongeldig"),
        ({"helper_name": "x" * 121}, "naam_van_helper_ongeldig"),
        ({"helper_name": "Bram\u202egnp"}, "naam_van_helper_ongeldig"),
        ({"helper_name": "Bram\nVoorbeeld"}, "naam_van_helper_ongeldig"),
        ({"legal_ground": ""}, "grondslag_ongeldig"),
        ({"legal_ground": "x" * 201}, "grondslag_ongeldig"),
        ({"acts": frozenset()}, "handeling_ontbreekt"),
        ({"acts": frozenset({Act.READ})}, "handelingen_horen_bij_elkaar"),
        ({"acts": frozenset({Act.LIST, Act.DOWNLOAD})}, "handelingen_horen_bij_elkaar"),
        ({"acts": frozenset({Act.LIST, Act.READ, Act.DELETE})}, "handeling_niet_te_geven"),
        ({"acts": frozenset({Act.LIST, Act.MARK})}, "handeling_niet_te_geven"),
        ({"excluded_themes": frozenset({"sterrenkunde"})}, "thema_onbekend"),
        ({"themes": frozenset({"sterrenkunde"})}, "thema_onbekend"),
        ({"excluded_themes": frozenset(Theme)}, "niets_over"),
        ({"themes": frozenset({Theme.ZORG}), "excluded_themes": frozenset({Theme.ZORG})}, "niets_over"),
        (lasting(NOON - DAY - MOMENT, 90 * DAY), "begin_in_het_verleden"),
        (lasting(NOON + 90 * DAY + MOMENT, DAY), "begin_te_ver_weg"),
        (lasting(NOON - DAY, DAY), "periode_voorbij"),
        (lasting(NOON, 366 * DAY), "periode_te_lang"),
        ({"letters_from": date(2027, 2, 22)}, "brieven_vanaf_te_laat"),
    ],
)
def test_invalid_terms_are_rejected_with_their_code(changes, code):
    assert codes(**changes) == [code]


@pytest.mark.parametrize(
    ("starts", "last_day", "allowed"),
    [
        (date(2027, 3, 1), date(2028, 3, 1), True),  # a year with a 29 February in it
        (date(2027, 3, 1), date(2028, 3, 2), False),
        (date(2028, 2, 29), date(2029, 2, 28), True),
        (date(2028, 2, 29), date(2029, 3, 1), False),
        (date(2028, 2, 28), date(2029, 2, 28), True),
        (date(2026, 10, 25), date(2027, 10, 25), True),  # the day on which the clocks go back
        (date(2026, 11, 23), date(2027, 11, 24), False),
    ],
)
def test_period_of_365_days_allows_a_calendar_year(starts, last_day, allowed):
    at = datetime.combine(starts, time(12), UTC)
    wrong = [
        problem.code
        for problem in find_terms_problems(make_terms(period=Period(at, end_of_day(last_day))), MACHTIGING_LIMITS, at)
    ]
    assert wrong == ([] if allowed else ["periode_te_lang"])


@pytest.mark.parametrize(
    ("days", "words"),
    [(1, "1 dag"), (200, "200 dagen"), (365, "1 jaar"), (366, "1 jaar en 1 dag"), (1826, "5 jaar en 1 dag")],
)
def test_longest_period_is_written_in_years_and_days(days, words):
    assert MachtigingLimits(timedelta(days=days), timedelta(days=30)).maximum_duration_text == words


def test_reversed_period_is_rejected():
    with pytest.raises(InvalidInput, match="periode_omgekeerd"):
        Period(NOON, NOON - DAY)
    with pytest.raises(InvalidInput, match="periode_omgekeerd"):
        Period(NOON, NOON)


def test_period_without_time_zone_is_rejected():
    with pytest.raises(InvalidInput, match="periode_zonder_tijdzone"):
        Period(NOON.replace(tzinfo=None), NOON.astimezone(UTC))


def test_all_problems_are_reported_together():
    assert codes(purpose="", acts=frozenset(), **lasting(NOON - 2 * DAY, DAY / 2)) == [
        "doel_ongeldig",
        "handeling_ontbreekt",
        "begin_in_het_verleden",
        "periode_voorbij",
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"afzenders": frozenset()}, "afzender_ontbreekt"),
        ({"diensten": frozenset()}, "dienst_ontbreekt"),
        ({"afzenders": frozenset({"00000099000000999000"})}, "afzender_onbekend"),
        ({"afzenders": frozenset({UWV, "'; DROP TABLE machtiging"})}, "afzender_onbekend"),
        ({"diensten": frozenset({f"{UWV}/bestaat-niet"})}, "dienst_onbekend"),
        ({"diensten": frozenset({"a"})}, "dienst_onbekend"),
        ({"afzenders": frozenset({UWV}), "diensten": frozenset({f"{SVB}/a"})}, "dienst_van_andere_afzender"),
    ],
)
def test_afzender_or_dienst_outside_catalogue_is_rejected(changes, code):
    assert [problem.code for problem in find_unknown_catalogue_keys(CATALOGUE, make_scope(**changes))] == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"afzenders": frozenset({UWV, SVB})},
        {"afzenders": frozenset({UWV}), "diensten": frozenset({f"{UWV}/a"})},
        {"diensten": frozenset({f"{SVB}/a"})},
    ],
)
def test_afzender_and_dienst_in_catalogue_are_accepted(changes):
    assert find_unknown_catalogue_keys(CATALOGUE, make_scope(**changes)) == []
