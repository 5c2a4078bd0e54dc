"""The answers of the wizard: faults are reported at their field, complete answers give terms."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from machtiging.agencies.catalogue import CATALOGUE
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, Capacity, MachtigingLimits
from machtiging.delegation.terms import find_terms_problems
from machtiging.kernel.clock import AMSTERDAM, end_of_day
from machtiging.kernel.period import Period
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving.answers import (
    FIRST_LETTER_DAY,
    GivingFacts,
    GivingStep,
    build_terms,
    find_incomplete_step,
    list_steps,
    read_step,
)
from tests.builders.portal import OFFER_STEPS, make_offer_answers, make_offer_form, make_step_form

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITS = MachtigingLimits(timedelta(days=365), timedelta(days=30))
OINS = frozenset(oin for _, oin in CATALOGUE)
FACTS = GivingFacts(OINS, LIMITS, NOON)
OWN = {"duur": "eigen", "einde_dag": "1", "einde_maand": "1", "einde_jaar": "2027"}
BELASTINGDIENST = "00000099000000003000"
WRONG = {
    "no capacity": ({"soort": ""}, "soort", "Kies wie u gaat helpen."),
    "a capacity that no citizen can give": ({"soort": "curator"}, "soort", "Kies wie u gaat helpen."),
    "no name": ({"naam": " \t"}, "naam", "hoe u uw helper noemt"),
    "a name of one letter": ({"naam": "B"}, "naam", "2 tot 120 tekens"),
    "a name of 200 characters": ({"naam": "x" * 200}, "naam", "niet meer dan 120 tekens"),
    "a name with a right-to-left override": ({"naam": "Bram\u202eexe"}, "naam", "Gebruik alleen gewone letters"),
    "a name of nothing to see": ({"naam": "\u3164\u3164"}, "naam", "Gebruik alleen gewone letters"),
    "no purpose": ({"doel": "   "}, "doel", "Schrijf in een paar woorden"),
    "a purpose of one character": ({"doel": "x"}, "doel", "Schrijf in een paar woorden"),
    "a purpose of a whole page": ({"doel": "x" * 121}, "doel", "niet meer dan 120 tekens"),
    "a purpose with a control character": ({"doel": "post\x07"}, "doel", "Gebruik alleen gewone letters"),
    "a purpose with a right-to-left mark": ({"doel": "post\u200f"}, "doel", "Gebruik alleen gewone letters"),
    "no preset": ({"keuze": ""}, "keuze", "Kies welke brieven"),
    "an unknown preset": ({"keuze": "alles"}, "keuze", "Kies welke brieven"),
    "all and some organisations": ({"organisaties": "alle"}, "organisaties", "Kies één van de twee."),
    "all nor some organisations": ({"organisaties": ""}, "organisaties", "Kies: van alle organisaties"),
    "no sender": ({"afzenders": []}, "afzenders", "Kies minstens één organisatie."),
    "an unknown sender": ({"afzenders": ["00000099999999999000"]}, "afzenders", "Kies alleen uit de lijst."),
    "no theme": ({"themas": []}, "themas", "Kies minstens één onderwerp."),
    "an unknown theme": ({"themas": ["geheim"]}, "themas", "Kies alleen uit de lijst."),
    "existing letters not answered": ({"bestaand": ""}, "bestaand", "brieven mag lezen die u al heeft"),
    "a sensitivity that is not on the form": ({"gevoelig": "vertrouwelijk"}, "gevoelig", "gevoelige brieven"),
    "attachments not answered": ({"bijlagen": ""}, "bijlagen", "bijlagen mag opslaan"),
    "no length": ({"duur": ""}, "duur", "Kies hoe lang uw helper mag lezen."),
    "a length that is not offered": ({"duur": "3650"}, "duur", "Kies hoe lang uw helper mag lezen."),
    "a day beside a length": ({"einde_dag": "1"}, "duur", "U vulde ook een laatste dag in."),
    "an own end that is not filled in": ({"duur": "eigen"}, "einde", "Vul de laatste dag in."),
    "a day that does not exist": ({**OWN, "einde_dag": "32"}, "einde", "Deze datum bestaat niet."),
    "a year of two figures": ({**OWN, "einde_jaar": "27"}, "einde", "Deze datum bestaat niet."),
    "digits of another script": ({**OWN, "einde_dag": "١"}, "einde", "Deze datum bestaat niet."),
    "a day of 400 digits": ({**OWN, "einde_dag": "1" * 400}, "einde", "Deze datum bestaat niet."),
    "a month of 400 digits": ({**OWN, "einde_maand": "1" * 400}, "einde", "Deze datum bestaat niet."),
    "a year of 400 digits": ({**OWN, "einde_jaar": "2" * 400}, "einde", "Deze datum bestaat niet."),
    "a negative day": ({**OWN, "einde_dag": "-1"}, "einde", "Deze datum bestaat niet."),
    "the first year there is": ({**OWN, "einde_jaar": "0001"}, "einde", "1900"),
    "an end in another century": ({**OWN, "einde_jaar": "1926"}, "einde", "al voorbij"),
    "an end that is over": ({**OWN, "einde_jaar": "2025"}, "einde", "al voorbij"),
    "yesterday as the end": ({**OWN, "einde_dag": "22", "einde_maand": "11", "einde_jaar": "2026"}, "einde", "voorbij"),
    "an end too far away": ({**OWN, "einde_jaar": "2028"}, "einde", "hoogstens 1 jaar"),
    "the last day there is": ({**OWN, "einde_dag": "31", "einde_maand": "12", "einde_jaar": "9999"}, "einde", "2100"),
}


def read_form(step: GivingStep, facts: GivingFacts = FACTS, **changes):
    """Read one step; returns what it gives, and its faults."""
    answers = make_step_form(step.value, **changes)
    sent = SubmittedForm({name: value if isinstance(value, list) else [value] for name, value in answers.items()})
    return read_step(step, sent, facts), sent.faults


def terms_of(facts: GivingFacts = FACTS, **changes):
    return build_terms(make_offer_answers(**changes), facts)


@pytest.mark.parametrize(("changes", "field", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_invalid_offer_answer_is_reported_at_its_field_only(changes, field, sentence):
    found = {}
    for step in OFFER_STEPS:
        value, faults = read_form(GivingStep(step), **changes)
        assert (value is None) == bool(faults)
        found |= faults
    assert list(found) == [field]
    assert sentence in found[field]


def test_empty_offer_steps_report_every_required_field():
    fields = [
        field
        for step in OFFER_STEPS
        for sent in [SubmittedForm()]
        if read_step(GivingStep(step), sent, FACTS) is None
        for field in sent.faults
    ]
    required = ["soort", "naam", "doel", "organisatie", "keuze", "organisaties", "themas", "bestaand", "gevoelig"]
    required += ["bijlagen", "duur"]
    assert fields == required


def test_complete_offer_answers_give_terms():
    terms = terms_of()
    assert terms is not None
    assert (terms.capacity, terms.purpose, terms.helper_name) == (
        Capacity.RELATIVE,
        "post bijhouden",
        "mijn zoon Bram",
    )
    assert terms.scope.afzenders == {BELASTINGDIENST}
    assert terms.scope.themes == frozenset(Theme) - {Theme.ZORG}
    assert terms.scope.excluded_themes == frozenset()
    assert terms.scope.letters_from == date(2025, 11, 23)
    assert terms.scope.acts == GRANTABLE_ACTS
    assert terms.period == Period(NOON, end_of_day(date(2027, 2, 21)))


@pytest.mark.parametrize(
    ("preset", "themes", "excluded"),
    [
        ("behalve-medisch", None, {Theme.ZORG}),
        ("belasting", {Theme.BELASTINGEN, Theme.TOESLAGEN}, set()),
    ],
)
def test_preset_gives_its_scope_whatever_was_chosen_before(preset, themes, excluded):
    terms = terms_of(keuze=preset)
    assert terms is not None
    assert terms.scope.afzenders is None
    assert (terms.scope.themes, terms.scope.excluded_themes) == (themes, excluded)


def test_own_choice_of_everything_has_no_limits():
    terms = terms_of(organisaties="alle", afzenders=[], themas=[theme.value for theme in Theme])
    assert terms is not None
    assert (terms.scope.afzenders, terms.scope.themes, terms.scope.excluded_themes) == (None, None, frozenset())


@pytest.mark.parametrize(
    ("chosen", "first_day"),
    [("nee", date(2026, 11, 23)), ("jaar", date(2025, 11, 23)), ("alles", FIRST_LETTER_DAY)],
)
def test_existing_letters_answer_gives_the_first_day(chosen, first_day):
    terms = terms_of(bestaand=chosen)
    assert terms is not None
    assert terms.scope.letters_from == first_day


@pytest.mark.parametrize(
    ("chosen", "acts"), [("nee", {Act.LIST, Act.READ}), ("ja", {Act.LIST, Act.READ, Act.DOWNLOAD})]
)
def test_attachments_answer_gives_the_acts(chosen, acts):
    terms = terms_of(bijlagen=chosen)
    assert terms is not None
    assert terms.scope.acts == acts


@pytest.mark.parametrize(("chosen", "highest"), [("nee", Sensitivity.GEWOON), ("ja", Sensitivity.GEVOELIG)])
def test_sensitive_answer_gives_the_highest_sensitivity(chosen, highest):
    terms = terms_of(gevoelig=chosen)
    assert terms is not None
    assert terms.scope.highest_sensitivity is highest


def test_step_with_answers_invalid_now_is_incomplete():
    without = GivingFacts(OINS - {BELASTINGDIENST}, LIMITS, NOON)
    assert find_incomplete_step(make_offer_answers(), without) is GivingStep.OWN_CHOICE
    assert terms_of(without) is None
    later = GivingFacts(OINS, LIMITS, NOON + timedelta(days=90))
    assert find_incomplete_step(make_offer_answers(**OWN), later) is GivingStep.PERIOD


def test_own_choice_is_a_step_only_after_that_preset():
    assert GivingStep.OWN_CHOICE in list_steps(make_offer_answers())
    assert GivingStep.OWN_CHOICE not in list_steps(make_offer_answers(keuze="belasting"))
    assert GivingStep.OWN_CHOICE not in list_steps({})


def test_period_ending_today_lasts_until_dutch_midnight():
    terms = terms_of(**{**OWN, "einde_dag": "23", "einde_maand": "11", "einde_jaar": "2026"})
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
    terms = terms_of(GivingFacts(OINS, LIMITS, at), duur=length)
    assert terms is not None
    assert terms.period.last_day == last_day
    assert terms.period.ends_at.astimezone(AMSTERDAM).time() == time()


@pytest.mark.parametrize(("day", "fits"), [("1", True), ("2", False)])
def test_last_day_a_calendar_year_ahead_is_accepted_over_a_leap_day(day, fits):
    end = {"duur": "eigen", "einde_dag": day, "einde_maand": "3", "einde_jaar": "2028"}
    terms = terms_of(GivingFacts(OINS, LIMITS, datetime(2027, 3, 1, 12, tzinfo=UTC)), **end)
    assert (terms is not None) is fits


def test_duration_over_configured_limit_is_rejected():
    shorter = GivingFacts(OINS, MachtigingLimits(timedelta(days=200), timedelta(days=30)), NOON)
    _, faults = read_form(GivingStep.PERIOD, shorter, duur="365")
    assert "hoogstens 200 dagen" in faults["duur"]


def test_purpose_and_name_white_space_is_normalised():
    terms = terms_of(doel="  post \t bijhouden\n", naam=" mijn  zoon ")
    assert terms is not None
    assert (terms.purpose, terms.helper_name) == ("post bijhouden", "mijn zoon")


@pytest.mark.parametrize("field", ["naam", "doel"])
@pytest.mark.parametrize(
    "text", ["", "x", "Jo", "één", "x" * 120, "x" * 121, "a\nb", "a\x07b", "a\u202eb", "\u3164\u3164"]
)
def test_lines_accepted_by_the_form_are_those_that_the_rules_accept(field, text):
    """White space is normalised by the form first, so a newline becomes a space there."""
    terms = terms_of()
    assert terms is not None
    plain = " ".join(text.split())
    name = "helper_name" if field == "naam" else "purpose"
    problems = {problem.field for problem in find_terms_problems(replace(terms, **{name: plain}), LIMITS, NOON)}
    _, faults = read_form(GivingStep.WHO, **{field: text})
    assert (name in problems) == (field in faults)


def test_offer_form_builder_has_all_fields():
    assert {name for names in OFFER_STEPS.values() for name in names} == set(make_offer_form())
