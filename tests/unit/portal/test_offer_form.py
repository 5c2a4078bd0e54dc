"""The offer form: faults are reported at their field, a valid form gives terms."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from machtiging.agencies.catalogue import CATALOGUE
from machtiging.agencies.rules import Theme
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, Capacity, MachtigingLimits
from machtiging.kernel.clock import AMSTERDAM, end_of_day
from machtiging.kernel.period import Period
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.offers import read_terms
from tests.builders.portal import make_offer_form

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = MachtigingLimits(timedelta(days=365), timedelta(days=30))
OINS = {oin for _, oin in CATALOGUE}
OWN = {"duur": "eigen", "einde_dag": "1", "einde_maand": "1", "einde_jaar": "2027"}
WRONG = {
    "no capacity": ({"soort": ""}, "soort", "Kies wie u gaat helpen."),
    "a capacity that no citizen can give": ({"soort": "curator"}, "soort", "Kies wie u gaat helpen."),
    "no purpose": ({"doel": "   "}, "doel", "Schrijf op waarvoor u hulp wilt."),
    "a purpose of a whole page": ({"doel": "x" * 121}, "doel", "niet meer dan 120 tekens"),
    "a purpose with a control character": ({"doel": "post\x07"}, "doel", "Gebruik alleen gewone letters"),
    "no sender": ({"afzenders": []}, "afzenders", "Kies minstens één organisatie."),
    "an unknown sender": ({"afzenders": ["00000099999999999000"]}, "afzenders", "Kies alleen uit de lijst."),
    "an unknown theme": ({"uitgesloten": ["geheim"]}, "uitgesloten", "Kies alleen uit de lijst."),
    "a sensitivity that is not on the form": ({"gevoelig": "vertrouwelijk"}, "gevoelig", "Kies hoe persoonlijk."),
    "a day that does not exist": ({"vanaf_dag": "31"}, "vanaf", "Deze datum bestaat niet."),
    "a year of two figures": ({"vanaf_jaar": "26"}, "vanaf", "Deze datum bestaat niet."),
    "digits of another script": ({"vanaf_dag": "١"}, "vanaf", "Deze datum bestaat niet."),
    "a day of 400 digits": ({"vanaf_dag": "1" * 400}, "vanaf", "Deze datum bestaat niet."),
    "a month of 400 digits": ({"vanaf_maand": "1" * 400}, "vanaf", "Deze datum bestaat niet."),
    "a year of 400 digits": ({"vanaf_jaar": "2" * 400}, "vanaf", "Deze datum bestaat niet."),
    "a negative day": ({"vanaf_dag": "-1"}, "vanaf", "Deze datum bestaat niet."),
    "the first year there is": ({"vanaf_jaar": "0001"}, "vanaf", "Vul een jaar in van 1900"),
    "letters from tomorrow on": ({"vanaf_dag": "24", "vanaf_maand": "11"}, "vanaf", "vandaag zijn of eerder"),
    "no day at all": ({"vanaf_dag": "", "vanaf_maand": "", "vanaf_jaar": ""}, "vanaf", "Vul in vanaf welke dag"),
    "an act that no citizen can give": ({"mag": "verwijderen"}, "mag", "Kies wat de helper mag doen."),
    "no length": ({"duur": ""}, "duur", "Kies hoe lang de machtiging geldt."),
    "a length that is not offered": ({"duur": "3650"}, "duur", "Kies hoe lang de machtiging geldt."),
    "an own end that is not filled in": ({"duur": "eigen"}, "einde", "Vul de laatste dag in."),
    "an end that is over": ({**OWN, "einde_jaar": "2025"}, "einde", "al voorbij"),
    "yesterday as the end": ({**OWN, "einde_dag": "22", "einde_maand": "11", "einde_jaar": "2026"}, "einde", "voorbij"),
    "an end too far away": ({**OWN, "einde_jaar": "2028"}, "einde", "hoogstens 1 jaar"),
    "the last day there is": ({**OWN, "einde_dag": "31", "einde_maand": "12", "einde_jaar": "9999"}, "einde", "2100"),
}


def fill_form(**changes) -> SubmittedForm:
    answers = make_offer_form(**changes)
    return SubmittedForm({name: value if isinstance(value, list) else [value] for name, value in answers.items()})


@pytest.mark.parametrize(("changes", "field", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_invalid_offer_field_is_reported_at_that_field(changes, field, sentence):
    sent = fill_form(**changes)
    assert read_terms(sent, OINS, LIMITS, NOON) is None
    assert list(sent.faults) == [field]
    assert sentence in sent.faults[field]


def test_empty_offer_form_reports_every_required_field():
    sent = SubmittedForm()
    assert read_terms(sent, OINS, LIMITS, NOON) is None
    assert list(sent.faults) == ["soort", "doel", "afzenders", "gevoelig", "vanaf", "mag", "duur"]


def test_valid_offer_form_gives_terms():
    terms = read_terms(fill_form(), OINS, LIMITS, NOON)
    assert terms is not None
    assert (terms.capacity, terms.purpose) == (Capacity.RELATIVE, "post bijhouden")
    assert terms.scope.afzenders == {"00000099000000003000"}
    assert terms.scope.excluded_themes == {Theme.ZORG}
    assert terms.scope.letters_from == date(2026, 9, 1)
    assert terms.scope.acts == GRANTABLE_ACTS
    assert terms.period == Period(NOON, end_of_day(date(2027, 2, 21)))


@pytest.mark.parametrize(
    ("chosen", "acts"),
    [("lijst", {Act.LIST}), ("lezen", {Act.LIST, Act.READ}), ("downloaden", {Act.LIST, Act.READ, Act.DOWNLOAD})],
)
def test_chosen_acts_include_the_lower_acts(chosen, acts):
    terms = read_terms(fill_form(mag=chosen), OINS, LIMITS, NOON)
    assert terms is not None
    assert terms.scope.acts == acts


def test_all_afzenders_overrides_ticked_afzenders():
    terms = read_terms(fill_form(afzenders=["alle", "00000099000000003000"]), OINS, LIMITS, NOON)
    assert terms is not None
    assert terms.scope.afzenders is None


def test_period_ending_today_lasts_until_dutch_midnight():
    terms = read_terms(
        fill_form(**{**OWN, "einde_dag": "23", "einde_maand": "11", "einde_jaar": "2026"}), OINS, LIMITS, NOON
    )
    assert terms is not None
    assert terms.period.ends_at == datetime(2026, 11, 23, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "length", "last_day"),
    [
        (NOON, "30", date(2026, 12, 23)),
        (NOON, "365", date(2027, 11, 23)),
        (datetime(2027, 3, 1, 12, tzinfo=UTC), "365", date(2028, 3, 1)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), "365", date(2029, 2, 28)),
        (datetime(2026, 11, 23, 23, 30, tzinfo=UTC), "30", date(2026, 12, 24)),  # the 24th in the Netherlands
    ],
)
def test_chosen_duration_ends_at_dutch_midnight(at, length, last_day):
    terms = read_terms(fill_form(duur=length), OINS, LIMITS, at)
    assert terms is not None
    assert terms.period.last_day == last_day
    assert terms.period.ends_at.astimezone(AMSTERDAM).time() == time()


@pytest.mark.parametrize(("day", "fits"), [("1", True), ("2", False)])
def test_last_day_a_calendar_year_ahead_is_accepted_over_a_leap_day(day, fits):
    end = {"duur": "eigen", "einde_dag": day, "einde_maand": "3", "einde_jaar": "2028"}
    terms = read_terms(fill_form(**end), OINS, LIMITS, datetime(2027, 3, 1, 12, tzinfo=UTC))
    assert (terms is not None) is fits


def test_duration_over_configured_limit_is_rejected():
    sent = fill_form(duur="365")
    assert read_terms(sent, OINS, MachtigingLimits(timedelta(days=200), timedelta(days=30)), NOON) is None
    assert "hoogstens 200 dagen" in sent.faults["duur"]


def test_purpose_white_space_is_normalised():
    terms = read_terms(fill_form(doel="  post \t bijhouden\n"), OINS, LIMITS, NOON)
    assert terms is not None
    assert terms.purpose == "post bijhouden"
