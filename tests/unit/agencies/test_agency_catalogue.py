"""The catalogue as data: agencies with their diensten, themes and sensitivities."""

from itertools import product

import pytest

from machtiging.agencies.catalogue import CATALOGUE, find_catalogue_oin
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.kernel.oin import Oin

DIENSTEN = [(name, entry) for (name, _), entries in CATALOGUE.items() for entry in entries]


def test_catalogue_has_twelve_agencies_with_two_to_four_diensten():
    assert len(CATALOGUE) >= 12
    assert all(2 <= len(entries) <= 4 for entries in CATALOGUE.values())


def test_every_oin_is_a_unique_test_oin():
    oins = [oin for _, oin in CATALOGUE]
    assert len(set(oins)) == len(oins)
    assert all(Oin(oin).value.startswith("00000099") for oin in oins)


def test_dienst_code_is_unique_per_agency():
    for entries in CATALOGUE.values():
        assert len({entry.code for entry in entries}) == len(entries)


def test_every_theme_and_sensitivity_occurs():
    assert {entry.theme for _, entry in DIENSTEN} == set(Theme)
    assert {entry.sensitivity for _, entry in DIENSTEN} == set(Sensitivity)


@pytest.mark.parametrize(("name", "entry"), [(n, e) for n, e in DIENSTEN if e.theme is Theme.ZORG])
def test_dienst_about_health_is_never_gewoon(name, entry):
    assert entry.sensitivity is not Sensitivity.GEWOON


def test_unknown_agency_has_no_oin():
    with pytest.raises(KeyError):
        find_catalogue_oin("Ministerie van Rare Loopjes")


@pytest.mark.parametrize(("one", "other"), list(product(Sensitivity, Sensitivity)))
def test_sensitivities_are_ordered(one, other):
    order = ["gewoon", "gevoelig", "vertrouwelijk"]
    assert one.is_at_most(other) is (order.index(one) <= order.index(other))
