"""Coverage: nothing and everything are recognised, whatever answers lead there."""

import pytest

from machtiging.access.listing_preview import preview_listing
from machtiging.agencies.catalogue import CATALOGUE
from machtiging.agencies.queries import AgencyView, DienstView
from machtiging.agencies.rules import Theme
from machtiging.portal.giving.answers import build_terms
from machtiging.portal.giving.coverage import Coverage, find_coverage
from tests.builders.applications import load_policy
from tests.builders.portal import make_offer_answers
from tests.unit.portal.test_offer_form import FACTS, NOON

AGENCIES = [
    AgencyView(oin, name, tuple(DienstView(oin, one.code, one.name, one.theme, one.sensitivity) for one in entries))
    for (name, oin), entries in CATALOGUE.items()
]
ALL_THEMES = [theme.value for theme in Theme]
ALL_SENDERS = {"organisaties": "alle", "afzenders": []}
CAK, CIZ, CBR = "00000099000000005000", "00000099000000014000", "00000099000000007000"
CASES = {
    "the careful presets": ({"keuze": "behalve-medisch"}, Coverage.PART),
    "tax": ({"keuze": "belasting", "gevoelig": "ja"}, Coverage.PART),
    "all themes of all senders, sensitive too": (
        {**ALL_SENDERS, "themas": ALL_THEMES, "gevoelig": "ja"},
        Coverage.EVERYTHING,
    ),
    "every sender ticked by name": (
        {"afzenders": [agency.oin for agency in AGENCIES], "themas": ALL_THEMES, "gevoelig": "ja"},
        Coverage.EVERYTHING,
    ),
    "all but sensitive": ({**ALL_SENDERS, "themas": ALL_THEMES, "gevoelig": "nee"}, Coverage.PART),
    "a sender with only sensitive letters": (
        {"afzenders": [CAK], "themas": ALL_THEMES, "gevoelig": "nee"},
        Coverage.NOTHING,
    ),
    "a sender with only confidential letters": (
        {"afzenders": [CIZ], "themas": ALL_THEMES, "gevoelig": "ja"},
        Coverage.NOTHING,
    ),
    "a theme that the sender does not write about": ({"afzenders": [CBR], "themas": ["pensioen"]}, Coverage.NOTHING),
}


@pytest.mark.parametrize("capacity", ["relative", "professional"])
@pytest.mark.parametrize(("changes", "coverage"), CASES.values(), ids=CASES.keys())
def test_coverage_of_answers_is_found(changes, coverage, capacity):
    terms = build_terms(make_offer_answers(soort=capacity, **changes), FACTS)
    assert terms is not None
    preview = preview_listing(load_policy(), terms.capacity, terms.scope)
    assert find_coverage(AGENCIES, preview, NOON) is coverage
