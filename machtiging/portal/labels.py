"""Labels and sentences for states, acts, themes and reasons, in the language of the request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.code_check import CheckKind
from machtiging.delegation.rules import Act, Capacity, EffectiveState, EndReason
from machtiging.message_catalogue import CatalogueLabels, get_sentence

STANDING_LABELS: Mapping[EffectiveState, str] = CatalogueLabels("labels.standing", EffectiveState)

# The way it ended, if known.
ENDED_LABELS: Mapping[EndReason, str] = CatalogueLabels("labels.ended", EndReason)

CAPACITY_LABELS: Mapping[Capacity, str] = CatalogueLabels("labels.capacity", Capacity)

THEME_LABELS: Mapping[Theme, str] = CatalogueLabels("labels.theme", Theme)

SENSITIVITY_LABELS: Mapping[Sensitivity, str] = CatalogueLabels("labels.sensitivity", Sensitivity)

ACT_LABELS: Mapping[Act, str] = CatalogueLabels("labels.act", Act)

# Phrases for journal acts, as the end of "<name> ...".
JOURNAL_ACT_PHRASES: Mapping[str, str] = CatalogueLabels(
    "labels.journal",
    (
        "aanlevering:ontvangen",
        "bericht:lijst",
        "bericht:lezen",
        "bericht:downloaden",
        "bericht:markeren",
        "bericht:noteren",
        "bericht:notitie_intrekken",
        "bericht:verwijderen",
        "machtiging:aangeboden",
        "machtiging:aangenomen",
        "machtiging:geweigerd",
        "machtiging:gepauzeerd",
        "machtiging:hervat",
        "machtiging:ingetrokken",
        "machtiging:teruggegeven",
        "machtiging:bekeken",
        "machtiging:beperkt",
        "machtiging:lezers",
        "machtiging:organisatie_gestopt",
        "machtiging:verlengd",
        "machtiging:geregistreerd",
        "machtiging:vervallen",
        "registergebeurtenis:ontvangen",
        "machtiging:verlenging_gevraagd",
        "machtiging:verlenging_geweigerd",
        "hulpvraag:geopend",
        "hulpvraag:gesteld",
        "hulpvraag:geweigerd",
        "hulpvraag:ingetrokken",
        "hulpvraag:toegestaan",
        "noodstop:aangezet",
        "noodstop:opgeheven",
        "toewijzing:afgewezen",
        "toewijzing:bevestigd",
        "toewijzing:gemaakt",
        "toewijzing:in_taak",
        "toewijzing:lijst",
        "toewijzing:taak_gestopt",
        "toewijzing:vervallen",
        "toewijzing:voorgesteld",
        "toewijzing:beeindigd",
        "controlecode:gemaakt",
        "controlecode:geprobeerd",
        "controlecode:ingetrokken",
        "code:geprobeerd",
        "code:vernieuwd",
        "login:gelukt",
        "login:mislukt",
        "sessie:beeindigd",
        "sessie:bekeken",
        "grant:geweigerd",
        "grant:verleend",
        "grant:beeindigd",
        "token:uitgegeven",
        "token:ingetrokken",
        "token:geweigerd",
        "verzoek:gedaan",
        "verzoek:geweigerd",
        "dossier:bevestigd",
        "dossier:gevraagd",
        "dossier:ingezien",
        "verificatie:gevraagd",
    ),
)

# Phrases for acts of an app by itself, as the end of "De app <name> ...".
APP_ACT_PHRASES: Mapping[str, str] = CatalogueLabels(
    "labels.app",
    ("grant:beeindigd",),
)

# Phrases for refused acts.
REFUSED_ACT_PHRASES: Mapping[str, str] = CatalogueLabels(
    "labels.refused",
    (
        "bericht:lijst",
        "bericht:lezen",
        "bericht:downloaden",
        "bericht:markeren",
        "bericht:noteren",
        "bericht:notitie_intrekken",
        "bericht:verwijderen",
        "machtiging:aangeboden",
        "machtiging:aangenomen",
        "machtiging:geweigerd",
        "machtiging:gepauzeerd",
        "machtiging:hervat",
        "machtiging:ingetrokken",
        "machtiging:teruggegeven",
        "machtiging:bekeken",
        "machtiging:beperkt",
        "machtiging:lezers",
        "machtiging:organisatie_gestopt",
        "machtiging:geregistreerd",
        "machtiging:vervallen",
        "machtiging:verlengd",
        "machtiging:verlenging_gevraagd",
        "machtiging:verlenging_geweigerd",
        "toewijzing:afgewezen",
        "toewijzing:bevestigd",
        "toewijzing:gemaakt",
        "toewijzing:in_taak",
        "toewijzing:lijst",
        "toewijzing:taak_gestopt",
        "toewijzing:vervallen",
        "toewijzing:voorgesteld",
        "toewijzing:beeindigd",
        "verificatie:gevraagd",
        "controlecode:gemaakt",
        "controlecode:geprobeerd",
        "controlecode:ingetrokken",
        "code:geprobeerd",
        "code:vernieuwd",
        "grant:geweigerd",
        "token:geweigerd",
        "verzoek:gedaan",
        "sessie:beeindigd",
        "sessie:bekeken",
        "verzoek:geweigerd",
        "hulpvraag:geopend",
        "hulpvraag:gesteld",
        "hulpvraag:geweigerd",
        "hulpvraag:ingetrokken",
        "hulpvraag:toegestaan",
        "noodstop:aangezet",
        "dossier:bevestigd",
        "dossier:gevraagd",
        "dossier:ingezien",
        "noodstop:opgeheven",
    ),
)

# Only on the card of the giver: the guard refuses each login with `niveau_te_laag`.
MACHTIGING_LEVEL_TOO_LOW = "niveau_van_machtiging_te_laag"
REASON_SENTENCES: Mapping[str, str] = CatalogueLabels(
    "labels.reason",
    (
        "afzender_niet_afgesproken",
        "dienst_niet_afgesproken",
        "thema_niet_afgesproken",
        "thema_uitgesloten",
        "te_gevoelig",
        "te_oud",
        "brief_niet_afgesproken",
        "bericht_van_ander",
        "bericht_bestaat_niet",
        "machtiging_niet_van_token",
        "machtiging_onbekend",
        "beleid_verbiedt",
        "beleid_kent_dit_niet",
        "handeling_niet_toegestaan",
        "machtiging_niet_genoemd",
        "toegang_beeindigd_tijdens_downloaden",
        "niveau_te_laag",
        "niveau_van_machtiging_te_laag",
        "machtiging_beeindigd",
        "machtiging_verlopen",
        "machtiging_gepauzeerd",
        "noodstop",
        "machtiging_niet_begonnen",
        "machtiging_al_aangenomen",
        "machtiging_niet_aangenomen",
        "machtiging_niet_van_u",
        "organisatie_niet_erkend",
        "organisatie_opgeschort",
        "erkenning_ingetrokken",
        "medewerker_niet_actief",
        "medewerker_vertrokken",
        "medewerker_geen_hulpverlener",
        "medewerker_niet_afgesproken",
        "medewerker_onbekend",
        "geen_lid_van_het_team",
        "vervanging_voorbij",
        "toewijzing_aan_client_zelf",
        "niet_toegewezen",
        "keten_ongeldig",
        "rij_ongeldig",
        "toewijzing_beeindigd",
        "toewijzing_verlopen",
        "toewijzing_gepauzeerd",
        "toewijzing_niet_begonnen",
        "toewijzing_niet_bevestigd",
        "andere_organisatie",
        "token_verlopen",
        "token_ingetrokken",
        "token_voor_ander_gebruik",
        "scope_ontbreekt",
        "machtiging_geldt_niet",
        "token_gebonden",
        "dpop_andere_sleutel",
        "dpop_ontbreekt",
        "dpop_hergebruikt",
        "certificaat_ontbreekt",
        "certificaat_anders",
        "geboortedatum_klopt_niet",
        "controlewoord_klopt_niet",
        "code_gebruikt",
        "code_ingetrokken",
        "code_van_andere_afzender",
        "code_voor_ander_doel",
        "code_voor_andere_dienst",
        "code_machtiging_geldt_niet",
        "code_dekt_niets",
        "controlecode_niet_open",
        "te_veel_controlecodes",
        "te_veel_controlecodes_vandaag",
        "code_vervangen",
        "code_al_vernieuwd",
        "code_verlopen",
        "code_op",
        "aanbod_ingetrokken",
        "alleen_voor_organisatie",
        "alleen_voor_naaste",
        "aanbod_al_gemaakt",
        "eigen_machtiging",
        "te_vaak_geprobeerd",
        "te_veel_notities",
        "eigen_hulpvraag",
        "code_onbekend",
        "hulpvraag_al_beantwoord",
        "hulpvraag_ingetrokken",
        "hulpvraag_niet_smaller",
        "hulpvraag_van_ander",
        "hulpvraag_verlopen",
        "te_veel_hulpvragen",
        "te_veel_open_hulpvragen",
        "niets_te_verlengen",
        "verlenging_al_beantwoord",
        "verlenging_onbekend",
    ),
)
CHECK_KIND_LABELS: Mapping[str, str] = CatalogueLabels("labels.check", CheckKind)


def describe_reason(code: str) -> str:
    """Return the sentence for a reason code; a general one for an unknown code."""
    return REASON_SENTENCES[code] if code in REASON_SENTENCES else get_sentence("labels.reason_other")


def describe_stop(code: str, *, is_giver: bool) -> str:
    """Describe to the giver or to the helper why the machtiging gives nothing now."""
    if is_giver:
        return get_sentence("labels.stop.giver", reason=describe_reason(code))
    return get_sentence(f"{code}.reading")


def describe_act(act: str, *, refused: bool, sender: str | None = None, by_app: bool = False) -> str:
    """Describe a performed or refused act, as the end of "<name> ...".

    `sender`: the afzender of the letter.
    """
    if by_app and not refused and act in APP_ACT_PHRASES:
        return APP_ACT_PHRASES[act]
    phrases, other = (
        (REFUSED_ACT_PHRASES, "labels.refused_other") if refused else (JOURNAL_ACT_PHRASES, "labels.journal_other")
    )
    words = phrases[act] if act in phrases else get_sentence(other)
    for thing in (get_sentence("labels.letter"), get_sentence("labels.attachment")):
        if sender is not None and thing in words:
            return words.replace(thing, get_sentence("labels.thing_from", thing=thing, sender=sender), 1)
    return words


def describe_check_kind(facts: object) -> str:
    """Describe the check beside the code, from a journal line's facts; empty if absent."""
    kind = facts.get("controle") if isinstance(facts, Mapping) else None
    if not isinstance(kind, str) or kind not in CHECK_KIND_LABELS:
        return ""
    return " " + get_sentence("labels.checked_with", check=CHECK_KIND_LABELS[kind])


def describe_answer(facts: object) -> str:
    """Describe the answer to an agency, from the facts of a line; empty without."""
    answer = facts.get("antwoord") if isinstance(facts, Mapping) else None
    if not isinstance(answer, bool):
        return ""
    return get_sentence("labels.answer_yes" if answer else "labels.answer_no")


def label_acts(granted_acts: Iterable[Act]) -> list[str]:
    """Return the acts as phrases, in a natural order."""
    wanted = set(granted_acts)
    return [phrase for act, phrase in ACT_LABELS.items() if act in wanted]


def label_themes(chosen_themes: Iterable[Theme]) -> list[str]:
    """Return the themes as words, in a fixed order."""
    wanted = set(chosen_themes)
    return [word for theme, word in THEME_LABELS.items() if theme in wanted]


def join_phrases(words: Iterable[str]) -> str:
    """Join phrases to an enumeration: "a, b en c"."""
    parts = list(words)
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + f" {get_sentence('labels.and')} " + parts[-1]


class CompletedAction(StrEnum):
    """The action just completed, for a message on the next page. Values travel in the URL."""

    ACCEPTED = "aangenomen"
    REFUSED = "geweigerd"
    WITHDRAWN = "ingetrokken"
    PAUSED = "gepauzeerd"
    RESUMED = "hervat"
    GIVEN_BACK = "teruggegeven"
    NARROWED = "beperkt"
    EXTENDED = "verlengd"
    READERS_CHOSEN = "lezers"
    AGREED = "toegestaan"
    APP_STOPPED = "app-gestopt"
    APP_WAS_STOPPED = "app-was-gestopt"


CONFIRMATION_TEXTS: Mapping[CompletedAction, str] = CatalogueLabels("labels.confirmation", CompletedAction)


def describe_completed_action(code: str | None) -> str | None:
    """Return the message for `gedaan` in the URL; None for an unknown value."""
    return CONFIRMATION_TEXTS[CompletedAction(code)] if code in set(CompletedAction) else None
