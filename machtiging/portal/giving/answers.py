"""The answers of the wizard: fields of each step, faults, and terms. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import SELECTABLE_CAPACITIES, Act, Capacity, MachtigingLimits, MachtigingScope
from machtiging.delegation.terms import MAX_LINE_LENGTH, MachtigingTerms, is_helper_name, is_purpose
from machtiging.identity.form_drafts import DraftAnswers
from machtiging.kernel.clock import add_years, end_of_day, to_dutch_date
from machtiging.kernel.period import Period
from machtiging.message_catalogue import get_sentence
from machtiging.portal.forms import SubmittedForm

YES, NO = "ja", "nee"
# She hands over a code herself, and does not choose an organisation.
BY_CODE = "code"
ALL, SOME = "alle", "kiezen"
PAST_YEAR, EVERYTHING = "jaar", "alles"
CUSTOM_END, ONE_YEAR = "eigen", "365"
DURATIONS = ("30", "90", "180", ONE_YEAR)
# No letter in the box is older.
FIRST_LETTER_DAY = date(1900, 1, 1)
CONSENT_BASIS = "toestemming"


class GivingStep(StrEnum):
    """A page of the wizard. The values are in its URL."""

    WHO = "wie"
    ORGANISATION = "organisatie"
    LETTERS = "brieven"
    OWN_CHOICE = "zelf-kiezen"
    READING = "lezen"
    PERIOD = "duur"
    CHECK = "controle"


class LetterPreset(StrEnum):
    """The three choices of letters."""

    ALL_BUT_MEDICAL = "behalve-medisch"
    TAX_AND_BENEFITS = "belasting"
    OWN_CHOICE = "zelf"


STEP_COUNT = 5
STEP_NUMBERS: Mapping[GivingStep, int] = {
    GivingStep.WHO: 1,
    GivingStep.ORGANISATION: 1,
    GivingStep.LETTERS: 2,
    GivingStep.OWN_CHOICE: 2,
    GivingStep.READING: 3,
    GivingStep.PERIOD: 4,
    GivingStep.CHECK: 5,
}
STEP_FIELDS: Mapping[GivingStep, tuple[str, ...]] = {
    GivingStep.WHO: ("soort", "naam", "doel"),
    GivingStep.ORGANISATION: ("organisatie",),
    GivingStep.LETTERS: ("keuze",),
    GivingStep.OWN_CHOICE: ("organisaties", "afzenders", "themas"),
    GivingStep.READING: ("bestaand", "gevoelig", "bijlagen"),
    GivingStep.PERIOD: ("duur", "einde_dag", "einde_maand", "einde_jaar"),
    GivingStep.CHECK: (),
}


@dataclass(frozen=True, slots=True)
class GivingFacts:
    """The facts that the answers are checked against: known agencies, limits, the present instant."""

    oins: frozenset[str]
    limits: MachtigingLimits
    at: datetime

    @property
    def today(self) -> date:
        """The present day in the Netherlands."""
        return to_dutch_date(self.at)


class WhoAnswers(NamedTuple):
    """Step 1."""

    capacity: Capacity
    name: str
    purpose: str


class LetterSelection(NamedTuple):
    """Step 2: senders and themes. None means all."""

    afzenders: frozenset[str] | None
    themes: frozenset[Theme] | None
    excluded_themes: frozenset[Theme]


class ReadingAnswers(NamedTuple):
    """Step 3."""

    letters_from: date
    sensitivity: Sensitivity
    acts: frozenset[Act]


PRESET_SELECTIONS: Mapping[LetterPreset, LetterSelection] = {
    LetterPreset.ALL_BUT_MEDICAL: LetterSelection(None, None, frozenset({Theme.ZORG})),
    LetterPreset.TAX_AND_BENEFITS: LetterSelection(None, frozenset({Theme.BELASTINGEN, Theme.TOESLAGEN}), frozenset()),
}


def read_who(sent: SubmittedForm, _facts: GivingFacts) -> WhoAnswers | None:
    """Read step 1; None with all faults noted."""
    kinds = {choice.value for choice in SELECTABLE_CAPACITIES}
    capacity = sent.read_choice("soort", kinds, missing=get_sentence("giving.who.capacity_missing"))
    name = _read_line(sent, "naam", is_helper_name, "giving.who.name_missing")
    purpose = _read_line(sent, "doel", is_purpose, "giving.who.purpose_missing")
    return None if sent.faults else WhoAnswers(Capacity(capacity), name, purpose)


def read_organisation(sent: SubmittedForm, _facts: GivingFacts) -> str | None:
    """Read the chosen organisation, or `BY_CODE`; None with its fault noted. Recognition is checked when it is sent."""
    chosen = sent.first_value("organisatie")
    if chosen != BY_CODE and parse_organisation(chosen) is None:
        sent.add_fault("organisatie", get_sentence("giving.organisation.missing"))
    return None if sent.faults else chosen


def parse_organisation(chosen: str) -> UUID | None:
    """Parse the id of an organisation; None for everything else."""
    try:
        return UUID(chosen)
    except ValueError:
        return None


def find_recipient(answers: DraftAnswers) -> UUID | None:
    """Return the organisation of a draft; None if she hands over a code."""
    if GivingStep.ORGANISATION not in list_steps(answers):
        return None
    return parse_organisation(form_of_step(answers, GivingStep.ORGANISATION).first_value("organisatie"))


def _read_line(sent: SubmittedForm, field: str, is_valid: Callable[[str], bool], missing: str) -> str:
    sentence = get_sentence(missing)
    line = sent.read_text(field, max_length=MAX_LINE_LENGTH, missing=sentence)
    if not is_valid(line):
        sent.add_fault(field, sentence)
    return line


def read_preset(sent: SubmittedForm, _facts: GivingFacts) -> LetterPreset | None:
    """Read step 2; None with its fault noted."""
    preset = sent.read_choice("keuze", set(LetterPreset), missing=get_sentence("giving.letters.missing"))
    return None if sent.faults else LetterPreset(preset)


def read_own_choice(sent: SubmittedForm, facts: GivingFacts) -> LetterSelection | None:
    """Read her own choice of organisations and themes; None with all faults noted.

    "All organisations" and some of them together is a fault: the widest never wins silently.
    """
    which = sent.read_choice("organisaties", {ALL, SOME}, missing=get_sentence("giving.own_choice.which_missing"))
    senders = sent.read_choices("afzenders", facts.oins)
    if which == ALL and senders:
        sent.add_fault("organisaties", get_sentence("giving.own_choice.all_and_some"))
    if which == SOME and not senders:
        sent.add_fault("afzenders", get_sentence("giving.own_choice.senders_missing"))
    themes = sent.read_choices("themas", set(Theme), missing=get_sentence("giving.own_choice.themes_missing"))
    if sent.faults:
        return None
    chosen = frozenset(map(Theme, themes))
    return LetterSelection(
        None if which == ALL else senders, None if chosen == frozenset(Theme) else chosen, frozenset()
    )


def read_reading(sent: SubmittedForm, facts: GivingFacts) -> ReadingAnswers | None:
    """Read step 3; None with all faults noted."""
    first_days = {NO: facts.today, PAST_YEAR: add_years(facts.today, -1), EVERYTHING: FIRST_LETTER_DAY}
    existing = sent.read_choice("bestaand", first_days, missing=get_sentence("giving.reading.existing_missing"))
    sensitive = sent.read_choice("gevoelig", {YES, NO}, missing=get_sentence("giving.reading.sensitive_missing"))
    attachments = sent.read_choice("bijlagen", {YES, NO}, missing=get_sentence("giving.reading.attachments_missing"))
    if sent.faults:
        return None
    return ReadingAnswers(
        first_days[existing],
        Sensitivity.GEVOELIG if sensitive == YES else Sensitivity.GEWOON,
        frozenset({Act.LIST, Act.READ} | ({Act.DOWNLOAD} if attachments == YES else set())),
    )


def read_end(sent: SubmittedForm, facts: GivingFacts) -> date | None:
    """Read the last day; None with its fault noted. A duration counts from tomorrow, so today is extra."""
    how_long = sent.read_choice("duur", {*DURATIONS, CUSTOM_END}, missing=get_sentence("giving.period.missing"))
    typed = any(sent.first_value(f"einde_{part}") for part in ("dag", "maand", "jaar"))
    if how_long == CUSTOM_END:
        last_day = sent.read_date("einde", missing=get_sentence("giving.period.day_missing"))
        if last_day is not None and last_day < facts.today:
            sent.add_fault("einde", get_sentence("giving.period.day_past"))
    else:
        last_day = _compute_last_day(how_long, facts.today) if how_long in DURATIONS else None
        if typed:
            sent.add_fault("duur", get_sentence("giving.period.day_beside_duration"))
    if last_day is not None and last_day > facts.limits.latest_end_date(facts.today):
        longest = get_sentence("giving.period.too_long", duration=facts.limits.maximum_duration_text)
        sent.add_fault("einde" if how_long == CUSTOM_END else "duur", longest)
    return None if sent.faults else last_day


def _compute_last_day(how_long: str, today: date) -> date:
    return add_years(today, 1) if how_long == ONE_YEAR else today + timedelta(days=int(how_long))


_READERS: Mapping[GivingStep, Callable[[SubmittedForm, GivingFacts], Any]] = {
    GivingStep.WHO: read_who,
    GivingStep.ORGANISATION: read_organisation,
    GivingStep.LETTERS: read_preset,
    GivingStep.OWN_CHOICE: read_own_choice,
    GivingStep.READING: read_reading,
    GivingStep.PERIOD: read_end,
}


def read_step(step: GivingStep, sent: SubmittedForm, facts: GivingFacts) -> Any:
    """Read the answers of one step; None with all faults noted in the form."""
    return _READERS[step](sent, facts)


def list_steps(answers: DraftAnswers) -> list[GivingStep]:
    """Return the steps that this draft passes, in order."""
    skipped = set()
    if answers.get(GivingStep.LETTERS, {}).get("keuze") != [LetterPreset.OWN_CHOICE]:
        skipped.add(GivingStep.OWN_CHOICE)
    if answers.get(GivingStep.WHO, {}).get("soort") != [Capacity.PROFESSIONAL]:
        skipped.add(GivingStep.ORGANISATION)
    return [each for each in GivingStep if each not in skipped]


def find_incomplete_step(answers: DraftAnswers, facts: GivingFacts) -> GivingStep | None:
    """Return the first step with missing or invalid answers; None if all are complete."""
    for step in list_steps(answers):
        if step is not GivingStep.CHECK and read_step(step, form_of_step(answers, step), facts) is None:
            return step
    return None


def form_of_step(answers: DraftAnswers, step: GivingStep) -> SubmittedForm:
    """Return the stored answers of a step as a form."""
    return SubmittedForm({name: list(values) for name, values in answers.get(step, {}).items()})


def build_terms(answers: DraftAnswers, facts: GivingFacts) -> MachtigingTerms | None:
    """Build the terms of the machtiging; None while a step is incomplete."""
    if find_incomplete_step(answers, facts) is not None:
        return None
    read = {
        step: read_step(step, form_of_step(answers, step), facts)
        for step in list_steps(answers)
        if step is not GivingStep.CHECK
    }
    who: WhoAnswers = read[GivingStep.WHO]
    reading: ReadingAnswers = read[GivingStep.READING]
    selection: LetterSelection = read.get(GivingStep.OWN_CHOICE) or PRESET_SELECTIONS[read[GivingStep.LETTERS]]
    scope = build_scope(selection, reading)
    period = Period(facts.at, end_of_day(read[GivingStep.PERIOD]))
    return MachtigingTerms(who.capacity, who.purpose, CONSENT_BASIS, scope, period, who.name)


def build_scope(selection: LetterSelection, reading: ReadingAnswers) -> MachtigingScope:
    """Build the scope that the answers describe."""
    return MachtigingScope(
        afzenders=selection.afzenders,
        diensten=None,
        themes=selection.themes,
        excluded_themes=selection.excluded_themes,
        highest_sensitivity=reading.sensitivity,
        letters_from=reading.letters_from,
        acts=reading.acts,
    )
