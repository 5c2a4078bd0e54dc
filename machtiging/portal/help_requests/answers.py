"""The answers of the wizard for a help request: fields, faults and content. Pure.

The steps after the first are those of the wizard for giving, with sentences for the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machtiging.delegation.help_requests.creation import RequestedHelp
from machtiging.delegation.help_requests.rules import RequestWords
from machtiging.delegation.terms import MAX_LINE_LENGTH, is_helper_name, is_purpose
from machtiging.identity.form_drafts import DraftAnswers
from machtiging.message_catalogue import get_sentence
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving import answers as giving
from machtiging.portal.giving.answers import (
    PRESET_SELECTIONS,
    GivingFacts,
    GivingStep,
    LetterSelection,
    ReadingAnswers,
    form_of_step,
    list_steps,
)

STEP_FIELDS: Mapping[GivingStep, tuple[str, ...]] = {
    **giving.STEP_FIELDS,
    GivingStep.WHO: ("voor", "ik", "doel"),
}
# Sentences of the wizard for giving that speak of "your helper", by field: here the helper reads them.
_FAULT_KEYS: Mapping[str, str] = {
    "keuze": "requests.letters.missing",
    "bestaand": "requests.reading.existing_missing",
    "gevoelig": "requests.reading.sensitive_missing",
    "bijlagen": "requests.reading.attachments_missing",
}


def read_words(sent: SubmittedForm) -> RequestWords | None:
    """Read step 1; None with all faults noted."""
    for_whom = _read_name(sent, "voor", "requests.who.for_whom_missing")
    own_name = _read_name(sent, "ik", "requests.who.name_missing")
    missing = get_sentence("requests.who.purpose_missing")
    purpose = sent.read_text("doel", max_length=MAX_LINE_LENGTH, missing=missing)
    if not is_purpose(purpose):
        sent.add_fault("doel", missing)
    return None if sent.faults else RequestWords(for_whom, own_name, purpose)


def _read_name(sent: SubmittedForm, field: str, missing_key: str) -> str:
    missing = get_sentence(missing_key)
    name = sent.read_text(field, max_length=MAX_LINE_LENGTH, missing=missing)
    if not is_helper_name(name):
        sent.add_fault(field, missing)
    return name


def read_step(step: GivingStep, sent: SubmittedForm, facts: GivingFacts) -> Any:
    """Read the answers of one step; None with all faults noted in the form."""
    if step is GivingStep.WHO:
        return read_words(sent)
    found = giving.read_step(step, sent, facts)
    for field, key in _FAULT_KEYS.items():
        if field in sent.faults:
            sent.faults[field] = get_sentence(key)
    if "duur" in sent.faults and not sent.first_value("duur"):
        sent.faults["duur"] = get_sentence("requests.period.missing")
    return found


def find_incomplete_step(answers: DraftAnswers, facts: GivingFacts) -> GivingStep | None:
    """Return the first step with missing or invalid answers; None if all are complete."""
    for step in list_steps(answers):
        if step is not GivingStep.CHECK and read_step(step, form_of_step(answers, step), facts) is None:
            return step
    return None


def build_content(answers: DraftAnswers, facts: GivingFacts) -> RequestedHelp | None:
    """Build the content of the request; None while a step is incomplete."""
    if find_incomplete_step(answers, facts) is not None:
        return None
    read = {
        step: read_step(step, form_of_step(answers, step), facts)
        for step in list_steps(answers)
        if step is not GivingStep.CHECK
    }
    reading: ReadingAnswers = read[GivingStep.READING]
    selection: LetterSelection = read.get(GivingStep.OWN_CHOICE) or PRESET_SELECTIONS[read[GivingStep.LETTERS]]
    scope = giving.build_scope(selection, reading)
    return RequestedHelp(read[GivingStep.WHO], scope, read[GivingStep.PERIOD])
