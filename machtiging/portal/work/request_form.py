"""The form of a request to a new client: templates, fields, faults and content. Pure.

The fields are those of the wizard for giving. A template fills them in, and every one can be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from machtiging.agencies.bundles import Bundle
from machtiging.agencies.queries import AgencyView
from machtiging.agencies.rules import Theme
from machtiging.delegation.help_requests.bundles import apply_bundle
from machtiging.delegation.help_requests.creation import RequestedHelp
from machtiging.delegation.help_requests.rules import RequestWords
from machtiging.delegation.terms import MAX_LINE_LENGTH, is_helper_name, is_purpose
from machtiging.kernel.errors import InvalidInput
from machtiging.message_catalogue import CatalogueLabels, describe_fields, describe_refusal, get_sentence
from machtiging.organisations.rules import Ceiling
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving import answers as giving
from machtiging.portal.giving.answers import (
    ALL,
    CUSTOM_END,
    DURATIONS,
    NO,
    ONE_YEAR,
    PAST_YEAR,
    YES,
    GivingFacts,
    LetterSelection,
)


class RequestTemplate(StrEnum):
    """A template of a request."""

    TAX_RETURN = "aangifte"
    BENEFITS = "toeslagen"
    DEBTS = "schulden"
    OWN = "zelf"


@dataclass(frozen=True, slots=True)
class _TemplateTerms:
    """The subjects and the days of a template. None: not filled in."""

    themes: frozenset[Theme] | None
    days: str | None


_TERMS: Mapping[RequestTemplate, _TemplateTerms] = {
    RequestTemplate.TAX_RETURN: _TemplateTerms(frozenset({Theme.BELASTINGEN, Theme.TOESLAGEN}), "30"),
    RequestTemplate.BENEFITS: _TemplateTerms(frozenset({Theme.TOESLAGEN, Theme.INKOMEN}), "90"),
    RequestTemplate.DEBTS: _TemplateTerms(frozenset(Theme) - {Theme.ZORG}, "180"),
    RequestTemplate.OWN: _TemplateTerms(None, None),
}
TEMPLATE_LABELS: Mapping[RequestTemplate, str] = CatalogueLabels("work.new.template", RequestTemplate)
TEMPLATE_TEXTS: Mapping[RequestTemplate, str] = CatalogueLabels("work.new.about", RequestTemplate)
_PURPOSES: Mapping[RequestTemplate, str] = CatalogueLabels(
    "work.new.purpose", (RequestTemplate.TAX_RETURN, RequestTemplate.BENEFITS, RequestTemplate.DEBTS)
)
# Code and version of the bundle: "schulden/2".
BUNDLE_FIELD = "bundel"
_MAX_DIGITS = 6
_EVERYTHING = LetterSelection(None, None, frozenset())
# The field of the form for a field of the content.
_FIELDS = MappingProxyType(
    {
        "afzenders": "organisaties",
        "themes": "themas",
        "highest_sensitivity": "gevoelig",
        "last_day": "duur",
        "purpose": "doel",
        "letters_from": "bestaand",
        "ends_at": "duur",
    }
)
_FAULT_KEYS: Mapping[str, str] = {
    "bestaand": "requests.reading.existing_missing",
    "gevoelig": "requests.reading.sensitive_missing",
    "bijlagen": "requests.reading.attachments_missing",
}


def list_themes(ceiling: Ceiling) -> list[Theme]:
    """List the subjects that the organisation may ask."""
    return [theme for theme in Theme if ceiling.themes is None or theme in ceiling.themes]


def list_durations(ceiling: Ceiling) -> list[str]:
    """List the numbers of days that the organisation may ask."""
    return [value for value in DURATIONS if int(value) <= ceiling.days]


def list_templates(ceiling: Ceiling) -> list[RequestTemplate]:
    """List the templates of which the ceiling leaves something."""
    may = frozenset(list_themes(ceiling))
    return [one for one in RequestTemplate if (themes := _TERMS[one].themes) is None or themes & may]


def prefill(template: RequestTemplate, ceiling: Ceiling) -> dict[str, str | list[str]]:
    """Return the values with which the form of a template begins, never above the ceiling."""
    terms, values = _TERMS[template], dict[str, str | list[str]]()
    if terms.themes is not None:
        values |= {"doel": _PURPOSES[template], "organisaties": ALL, "bestaand": PAST_YEAR}
        values |= {"gevoelig": NO, "bijlagen": YES}
        values["themas"] = [theme.value for theme in list_themes(ceiling) if theme in terms.themes]
    if terms.days in list_durations(ceiling):
        values["duur"] = terms.days or ""
    return values


def list_bundle_letters(bundle: Bundle, agencies: list[AgencyView]) -> list[tuple[str, list[str]]]:
    """List the senders of a bundle with the names of their diensten."""
    found = [
        (agency.name, [dienst.name for dienst in agency.diensten if dienst.scope_key in bundle.diensten])
        for agency in agencies
    ]
    return [(name, diensten) for name, diensten in found if diensten]


def read_content(
    sent: SubmittedForm, facts: GivingFacts, ceiling: Ceiling, bundle: Bundle | None, agencies: list[AgencyView]
) -> RequestedHelp | None:
    """Read the whole form; None with all faults noted. A bundle takes the place of senders and subjects."""
    words = _read_words(sent)
    selection = _EVERYTHING if bundle is not None else giving.read_own_choice(sent, facts)
    reading = giving.read_reading(sent, facts)
    last_day = giving.read_end(sent, facts)
    for field, key in _FAULT_KEYS.items():
        if field in sent.faults and not sent.first_value(field):
            sent.faults[field] = get_sentence(key)
    if sent.faults or selection is None or reading is None or last_day is None:
        return None
    scope = giving.build_scope(selection, reading)
    if bundle is not None:
        return apply_bundle(RequestedHelp(words, scope, last_day), bundle, _read_version(sent), agencies)
    if scope.afzenders is None:  # all senders that the organisation may ask
        scope = replace(scope, afzenders=ceiling.afzenders)
    return RequestedHelp(words, scope, last_day)


def _read_version(sent: SubmittedForm) -> int:
    """Read the version of the bundle that the form showed. 0 is never published."""
    number = sent.first_value(BUNDLE_FIELD).partition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < _MAX_DIGITS else 0


def _read_words(sent: SubmittedForm) -> RequestWords:
    for_whom = _read_line(sent, "voor", "work.new.for_whom_missing")
    if not is_helper_name(for_whom):
        sent.add_fault("voor", get_sentence("work.new.for_whom_missing"))
    purpose = _read_line(sent, "doel", "requests.who.purpose_missing")
    if not is_purpose(purpose):
        sent.add_fault("doel", get_sentence("requests.who.purpose_missing"))
    return RequestWords(for_whom, "", purpose)


def _read_line(sent: SubmittedForm, field: str, missing_key: str) -> str:
    return sent.read_text(field, max_length=MAX_LINE_LENGTH, missing=get_sentence(missing_key))


def add_refusal(sent: SubmittedForm, refusal: InvalidInput) -> None:
    """Note a refusal of the content at the fields that it is about."""
    for field, sentence in describe_fields(refusal).items():
        sent.add_fault(_FIELDS.get(field, "doel"), sentence)
    if not sent.faults:
        sent.add_fault("doel", describe_refusal(refusal))


def describe_duration(value: str) -> str:
    """Return a number of days in words."""
    return (
        get_sentence("giving.period.one_year")
        if value == ONE_YEAR
        else get_sentence("giving.period.days", n=int(value))
    )


OWN_DAY = CUSTOM_END
