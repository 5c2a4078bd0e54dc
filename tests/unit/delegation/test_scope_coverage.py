"""Berichten inside and outside the scope of a machtiging, with the reason."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import scope_violation
from machtiging.kernel.clock import to_dutch_date
from tests.builders.machtiging import CAK, SVB, UWV, draw_envelopes, draw_scopes, make_envelope, make_scope

REASONS = {
    "afzender_niet_afgesproken",
    "dienst_niet_afgesproken",
    "thema_niet_afgesproken",
    "thema_uitgesloten",
    "te_gevoelig",
    "te_oud",
}


def test_unlimited_scope_covers_bericht():
    assert scope_violation(make_scope(), make_envelope()) is None


@pytest.mark.parametrize(
    ("agreed", "letter", "reason"),
    [
        ({"afzenders": frozenset({SVB})}, {}, "afzender_niet_afgesproken"),
        ({"diensten": frozenset({f"{UWV}/wia-uitkering"})}, {}, "dienst_niet_afgesproken"),
        # the same dienst code of another agency is another dienst
        ({"diensten": frozenset({f"{SVB}/ww-uitkering"})}, {}, "dienst_niet_afgesproken"),
        ({"themes": frozenset({Theme.WONEN})}, {}, "thema_niet_afgesproken"),
        ({"excluded_themes": frozenset({Theme.INKOMEN})}, {}, "thema_uitgesloten"),
        # excluded wins from included
        (
            {"themes": frozenset({Theme.INKOMEN}), "excluded_themes": frozenset({Theme.INKOMEN})},
            {},
            "thema_uitgesloten",
        ),
        ({"highest_sensitivity": Sensitivity.GEWOON}, {"sensitivity": Sensitivity.GEVOELIG}, "te_gevoelig"),
        ({"highest_sensitivity": Sensitivity.GEVOELIG}, {"sensitivity": Sensitivity.VERTROUWELIJK}, "te_gevoelig"),
        ({"letters_from": date(2026, 11, 24)}, {}, "te_oud"),
        # several at once: the first in the order above is reported
        ({"afzenders": frozenset({SVB}), "letters_from": date(2027, 1, 1)}, {}, "afzender_niet_afgesproken"),
        ({}, {"published_at": datetime(2019, 12, 31, 22, 59, tzinfo=UTC)}, "te_oud"),
    ],
)
def test_bericht_outside_scope_has_its_reason(agreed, letter, reason):
    assert scope_violation(make_scope(**agreed), make_envelope(**letter)) == reason


def test_empty_afzenders_cover_no_bericht():
    assert (
        scope_violation(make_scope(afzenders=frozenset()), make_envelope(afzender=CAK)) == "afzender_niet_afgesproken"
    )


def test_letters_from_date_is_a_dutch_day():
    """Half past midnight in Amsterdam on 1 January is still the year before in UTC."""
    letter = make_envelope(published_at=datetime(2019, 12, 31, 23, 30, tzinfo=UTC))
    assert scope_violation(make_scope(letters_from=date(2020, 1, 1)), letter) is None


@given(draw_scopes(), draw_envelopes())
def test_bericht_is_covered_only_if_every_limit_holds(scope, letter):
    holds = (
        (scope.afzenders is None or letter.afzender in scope.afzenders)
        and (scope.diensten is None or f"{letter.afzender}/{letter.dienst}" in scope.diensten)
        and (scope.themes is None or letter.theme in scope.themes)
        and letter.theme not in scope.excluded_themes
        and list(Sensitivity).index(letter.sensitivity) <= list(Sensitivity).index(scope.highest_sensitivity)
        and to_dutch_date(letter.published_at) >= scope.letters_from
    )
    reason = scope_violation(scope, letter)
    assert (reason is None) is holds
    assert reason is None or reason in REASONS
