"""The part of the answer form that agrees to less. Pure.

Another preset, fewer letters, an earlier last day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.help_requests.rules import HelpRequest, open_themes
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, MachtigingScope
from machtiging.message_catalogue import get_sentence
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.giving.answers import LetterPreset
from machtiging.portal.labels import label_themes

NO_OLDER_LETTERS, NO_ATTACHMENTS, NO_SENSITIVE_LETTERS = "oudere", "bijlagen", "gevoelige"
_FIELDS = ("minder", "zonder", "einde_dag", "einde_maand", "einde_jaar")
# The themes of each preset that can be narrower than a request.
_PRESET_THEMES: Mapping[LetterPreset, frozenset[Theme]] = {
    LetterPreset.ALL_BUT_MEDICAL: frozenset(Theme) - {Theme.ZORG},
    LetterPreset.TAX_AND_BENEFITS: frozenset({Theme.BELASTINGEN, Theme.TOESLAGEN}),
}


class LessAgreed(NamedTuple):
    """The narrowing that the citizen chose. `themes`: the themes that stay, None for all."""

    narrowing: Narrowing
    themes: frozenset[Theme] | None


def has_narrowing(sent: SubmittedForm) -> bool:
    """Return True if anything was filled in to agree to less."""
    return any(sent.first_value(field) for field in _FIELDS)


def list_presets(scope: MachtigingScope) -> list[tuple[str, str, str]]:
    """List the presets that leave less than was requested, with what they leave."""
    words = {
        LetterPreset.ALL_BUT_MEDICAL: get_sentence("giving.letters.all_but_medical"),
        LetterPreset.TAX_AND_BENEFITS: get_sentence("giving.letters.tax_and_benefits"),
    }
    requested = open_themes(scope)
    return [
        (preset.value, words[preset], ", ".join(label_themes(requested & themes)))
        for preset, themes in _PRESET_THEMES.items()
        if requested & themes and not requested <= themes
    ]


def list_takings(scope: MachtigingScope, today: date) -> list[tuple[str, str]]:
    """List what else can be left out."""
    takings = [
        (NO_OLDER_LETTERS, get_sentence("requests.decide.without_older"), scope.letters_from < today),
        (NO_ATTACHMENTS, get_sentence("requests.decide.without_attachments"), Act.DOWNLOAD in scope.acts),
        (
            NO_SENSITIVE_LETTERS,
            get_sentence("requests.decide.without_sensitive"),
            scope.highest_sensitivity is not Sensitivity.GEWOON,
        ),
    ]
    return [(value, words) for value, words, is_there in takings if is_there]


def read_narrowing(sent: SubmittedForm, found: HelpRequest, today: date) -> LessAgreed | None:
    """Read what is left out. None with all faults noted; a wider choice is a fault."""
    themes = _read_preset(sent, found.scope)
    removed = sent.read_choices("zonder", {value for value, _ in list_takings(found.scope, today)})
    last_day = None
    if any(sent.first_value(f"einde_{part}") for part in ("dag", "maand", "jaar")):
        last_day = sent.read_date("einde", missing=get_sentence("giving.period.day_missing"))
    if last_day is not None and last_day < today:
        sent.add_fault("einde", get_sentence("giving.period.day_past"))
    if last_day is not None and last_day > found.last_day:
        sent.add_fault("einde", get_sentence("requests.decide.later_day"))
    if not sent.faults and not has_narrowing(sent):
        sent.add_fault("minder", get_sentence("requests.decide.nothing_less"))
    if sent.faults:
        return None
    narrowing = Narrowing(
        last_day=last_day,
        highest_sensitivity=Sensitivity.GEWOON if NO_SENSITIVE_LETTERS in removed else Sensitivity.VERTROUWELIJK,
        letters_from=today if NO_OLDER_LETTERS in removed else date.min,
        acts=GRANTABLE_ACTS - {Act.DOWNLOAD} if NO_ATTACHMENTS in removed else GRANTABLE_ACTS,
    )
    return LessAgreed(narrowing, themes)


def _read_preset(sent: SubmittedForm, scope: MachtigingScope) -> frozenset[Theme] | None:
    chosen = sent.first_value("minder")
    if not chosen:
        return None
    if chosen not in {value for value, _, _ in list_presets(scope)}:
        sent.add_fault("minder", get_sentence("requests.decide.not_less"))
        return None
    return open_themes(scope) & _PRESET_THEMES[LetterPreset(chosen)]
