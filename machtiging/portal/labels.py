"""Labels and sentences in plain Dutch for states, acts, themes and reasons. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.code_check import CheckKind
from machtiging.delegation.rules import Act, Capacity, EffectiveState, EndReason
from machtiging.message_catalogue import get_sentence

STANDING_LABELS: dict[EffectiveState, str] = {
    EffectiveState.IN_FORCE: "Geldig",
    EffectiveState.NOT_ACCEPTED: "Wacht op antwoord",
    EffectiveState.NOT_BEGUN: "Gaat later in",
    EffectiveState.PAUSED: "Staat stil",
    EffectiveState.ENDED: "Gestopt",
    EffectiveState.EXPIRED: "Afgelopen",
}

# The way it ended, if known.
ENDED_LABELS: dict[EndReason, str] = {
    EndReason.WITHDRAWN: "Ingetrokken",
    EndReason.GIVEN_BACK: "Teruggegeven",
    EndReason.REFUSED: "Geweigerd",
}

CAPACITY_LABELS: dict[Capacity, str] = {
    Capacity.SELF: "uzelf",
    Capacity.RELATIVE: "familie of bekende",
    Capacity.PROFESSIONAL: "hulpverlener van een organisatie; een collega mag het overnemen",
    Capacity.CURATOR: "curator",
    Capacity.BEWINDVOERDER: "bewindvoerder",
    Capacity.MENTOR: "mentor",
    Capacity.PARENT: "ouder",
}

THEME_LABELS: dict[Theme, str] = {
    Theme.BELASTINGEN: "belastingen",
    Theme.TOESLAGEN: "toeslagen",
    Theme.INKOMEN: "inkomen en uitkering",
    Theme.ZORG: "zorg en gezondheid",
    Theme.WONEN: "wonen",
    Theme.ONDERWIJS: "school en studie",
    Theme.VERKEER: "auto en verkeer",
    Theme.JUSTITIE: "boetes en rechtbank",
    Theme.GEZIN: "gezin en kinderen",
    Theme.PENSIOEN: "AOW en pensioen",
    Theme.GEMEENTE: "de gemeente",
    Theme.OVERIG: "andere onderwerpen",
}

SENSITIVITY_LABELS: dict[Sensitivity, str] = {
    Sensitivity.GEWOON: "alleen gewone brieven",
    Sensitivity.GEVOELIG: "gewone brieven en gevoelige brieven, bijvoorbeeld over schulden",
    Sensitivity.VERTROUWELIJK: "alle brieven, ook heel persoonlijke, bijvoorbeeld over een keuring of een straf",
}

ACT_LABELS: dict[Act, str] = {
    Act.LIST: "zien welke brieven er zijn",
    Act.READ: "brieven lezen",
    Act.DOWNLOAD: "bijlagen opslaan",
    Act.MARK: "aangeven dat een brief gelezen is",
    Act.DELETE: "brieven weggooien",
}

# Phrases for journal acts, as the end of "<name> ...".
JOURNAL_ACT_PHRASES: dict[str, str] = {
    "aanlevering:ontvangen": "leverde een brief af",
    "bericht:lijst": "bekeek de lijst met brieven",
    "bericht:lezen": "las een brief",
    "bericht:downloaden": "haalde een bijlage op",
    "bericht:markeren": "gaf aan of een brief gelezen is",
    "bericht:verwijderen": "gooide een brief weg",
    "machtiging:aangeboden": "bood een machtiging aan",
    "machtiging:aangenomen": "nam de machtiging aan",
    "machtiging:geweigerd": "weigerde de machtiging",
    "machtiging:gepauzeerd": "zette de machtiging stil",
    "machtiging:hervat": "liet de machtiging weer gelden",
    "machtiging:ingetrokken": "trok de machtiging in",
    "machtiging:teruggegeven": "gaf de machtiging terug",
    "toewijzing:gemaakt": "liet een medewerker voor u werken, die nu uw post kan lezen",
    "toewijzing:lijst": "bekeek de lijst met toewijzingen",
    "toewijzing:beeindigd": "zorgde dat een medewerker uw post niet meer kan lezen",
    "code:geprobeerd": "vulde een goede machtigingscode in",
    "code:vernieuwd": "maakte een nieuwe machtigingscode",
    "login:gelukt": "logde in",
    "login:mislukt": "kon niet inloggen",
    "sessie:beeindigd": "logde u uit op alle apparaten",
    "sessie:bekeken": "keek waar u was ingelogd",
    "grant:geweigerd": "kreeg geen toestemming voor een app",
    "grant:verleend": "gaf een app toestemming",
    "grant:beeindigd": "stopte de toestemming van een app",
    "token:uitgegeven": "liet een app inloggen",
    "token:ingetrokken": "liet een app uitloggen",
    "token:geweigerd": "kreeg met een app geen toegang",
    "verzoek:gedaan": "vroeg aan een balie om toestemming",
    "verzoek:geweigerd": "mocht aan een balie niets vragen",
}

# Phrases for acts of an app by itself, as the end of "De app <name> ...".
APP_ACT_PHRASES: dict[str, str] = {
    "grant:beeindigd": "heeft geen toestemming meer",
}

# Phrases for refused acts.
REFUSED_ACT_PHRASES: dict[str, str] = {
    "bericht:lijst": "wilde de lijst met brieven bekijken",
    "bericht:lezen": "wilde een brief lezen",
    "bericht:downloaden": "wilde een bijlage ophalen",
    "bericht:markeren": "wilde aangeven of een brief gelezen is",
    "bericht:verwijderen": "wilde een brief weggooien",
    "machtiging:aangeboden": "wilde een machtiging aanbieden",
    "machtiging:aangenomen": "wilde de machtiging aannemen",
    "machtiging:geweigerd": "wilde de machtiging weigeren",
    "machtiging:gepauzeerd": "wilde de machtiging stilzetten",
    "machtiging:hervat": "wilde de machtiging weer laten gelden",
    "machtiging:ingetrokken": "wilde de machtiging intrekken",
    "machtiging:teruggegeven": "wilde de machtiging teruggeven",
    "toewijzing:gemaakt": "wilde een medewerker uw post laten lezen",
    "toewijzing:lijst": "wilde de lijst met toewijzingen bekijken",
    "toewijzing:beeindigd": "wilde een medewerker uw post niet meer laten lezen",
    "code:geprobeerd": "probeerde uw machtigingscode",
    "code:vernieuwd": "wilde een nieuwe machtigingscode maken",
    "grant:geweigerd": "wilde een app toestemming geven",
    "token:geweigerd": "wilde met een app naar binnen",
    "verzoek:gedaan": "wilde aan een balie om toestemming vragen",
    "sessie:beeindigd": "wilde u uitloggen op alle apparaten",
    "sessie:bekeken": "wilde zien waar u was ingelogd",
    "verzoek:geweigerd": "wilde antwoorden op een vraag van een balie",
}

# Only on the card of the giver: the guard refuses each login with `niveau_te_laag`.
MACHTIGING_LEVEL_TOO_LOW = "niveau_van_machtiging_te_laag"
_PROOF_FAILED_TEXT = "Er werd niet bewezen dat de toegang van deze app was."
REASON_SENTENCES: dict[str, str] = {
    "afzender_niet_afgesproken": "Deze afzender hoort niet bij de machtiging.",
    "dienst_niet_afgesproken": "Dit soort brieven hoort niet bij de machtiging.",
    "thema_niet_afgesproken": "Dit onderwerp hoort niet bij de machtiging.",
    "thema_uitgesloten": "U heeft dit onderwerp uitgesloten.",
    "te_gevoelig": "De brief is persoonlijker dan u heeft afgesproken.",
    "te_oud": "De brief is ouder dan u heeft afgesproken.",
    "brief_niet_afgesproken": "Deze brief hoort niet bij de brieven die u heeft afgesproken.",
    "bericht_van_ander": "Deze brief is niet van u.",
    "bericht_bestaat_niet": "Deze brief bestaat niet.",
    "machtiging_niet_van_token": "De app vroeg om een andere machtiging dan die zij mocht gebruiken.",
    "machtiging_onbekend": "Deze machtiging kennen wij niet.",
    "beleid_verbiedt": "Zulke brieven mag een helper niet lezen.",
    "beleid_kent_dit_niet": "Zulke brieven mag een helper niet lezen.",
    "handeling_niet_toegestaan": "Dit mag niet met deze machtiging.",
    "machtiging_niet_genoemd": "De app zei niet om wiens post het ging.",
    "toegang_beeindigd_tijdens_downloaden": "De machtiging stopte terwijl de bijlage werd opgehaald.",
    "niveau_te_laag": "De helper was niet zeker genoeg ingelogd.",
    MACHTIGING_LEVEL_TOO_LOW: "Deze organisatie vraagt nu om een zekerder inlogmiddel dan toen u de machtiging gaf.",
    "machtiging_beeindigd": "De machtiging was al beëindigd.",
    "machtiging_verlopen": "De machtiging was al afgelopen.",
    "machtiging_gepauzeerd": "De machtiging stond stil.",
    "machtiging_niet_begonnen": "De machtiging was nog niet ingegaan.",
    "machtiging_al_aangenomen": "De machtiging was al aangenomen.",
    "machtiging_niet_aangenomen": "De machtiging was nog niet aangenomen.",
    "machtiging_niet_van_u": "De machtiging staat niet op naam van deze helper.",
    "organisatie_niet_erkend": "De organisatie is nog niet erkend.",
    "organisatie_opgeschort": "De erkenning van de organisatie is opgeschort.",
    "erkenning_ingetrokken": "De erkenning van de organisatie is ingetrokken.",
    "medewerker_niet_actief": "De helper is niet actief bij de organisatie.",
    "medewerker_vertrokken": "De helper werkt niet meer bij de organisatie.",
    "medewerker_geen_hulpverlener": "De helper is bij de organisatie geen hulpverlener.",
    "medewerker_niet_afgesproken": "U heeft deze medewerker of dit team niet afgesproken.",
    "medewerker_onbekend": "De helper staat niet als medewerker bij de organisatie.",
    "geen_lid_van_het_team": "De helper hoort niet bij het team.",
    "vervanging_voorbij": "De vervanging is voorbij.",
    "toewijzing_aan_client_zelf": "Niemand kan zichzelf als cliënt hebben.",
    "niet_toegewezen": "De organisatie heeft dit nu aan niemand toegewezen.",
    "keten_ongeldig": "De machtiging hangt niet goed samen. Wij zoeken dit uit.",
    "rij_ongeldig": "Er klopt iets niet in onze gegevens. Wij zoeken dit uit.",
    "toewijzing_beeindigd": "De organisatie had de toewijzing beëindigd.",
    "toewijzing_verlopen": "De toewijzing was afgelopen.",
    "toewijzing_gepauzeerd": "De toewijzing stond stil.",
    "toewijzing_niet_begonnen": "De toewijzing was nog niet ingegaan.",
    "toewijzing_niet_bevestigd": "De toewijzing was nog niet bevestigd.",
    "andere_organisatie": "De helper was niet ingelogd voor de organisatie van deze machtiging.",
    "token_verlopen": "De app was te lang geleden ingelogd.",
    "token_ingetrokken": "De app was uitgelogd.",
    "token_voor_ander_gebruik": "De toegang van deze app is niet hiervoor.",
    "scope_ontbreekt": "De toegang van deze app is niet hiervoor.",
    "machtiging_geldt_niet": "De machtiging gold niet.",
    "token_gebonden": _PROOF_FAILED_TEXT,
    "dpop_andere_sleutel": _PROOF_FAILED_TEXT,
    "dpop_ontbreekt": _PROOF_FAILED_TEXT,
    "dpop_hergebruikt": _PROOF_FAILED_TEXT,
    "certificaat_ontbreekt": _PROOF_FAILED_TEXT,
    "certificaat_anders": _PROOF_FAILED_TEXT,
    "geboortedatum_klopt_niet": "De geboortedatum klopte niet.",
    "controlewoord_klopt_niet": "Het controlewoord klopte niet.",
    "code_gebruikt": "De code was al gebruikt.",
    "code_vervangen": "Er was al een nieuwe code gemaakt.",
    "code_al_vernieuwd": "Er was al een nieuwe code gemaakt.",
    "code_verlopen": "De code was te oud.",
    "code_op": "De code was te vaak geprobeerd.",
    "aanbod_ingetrokken": "U had het aanbod al ingetrokken.",
    "alleen_voor_organisatie": "De ander was niet ingelogd via een organisatie. Dit aanbod is voor een organisatie.",
    "alleen_voor_naaste": "De ander was ingelogd via een organisatie. Dit aanbod is voor familie of een bekende.",
    "aanbod_al_gemaakt": "Dit aanbod was al gemaakt.",
    "eigen_machtiging": "U kunt uzelf niet machtigen.",
    "te_vaak_geprobeerd": "Het was te vaak geprobeerd.",
}
CHECK_KIND_LABELS: dict[str, str] = {
    CheckKind.BIRTH_DATE: "uw geboortedatum",
    CheckKind.PART: "een deel van uw geboortedatum",
    CheckKind.YEAR: "alleen uw geboortejaar",
    CheckKind.WORD: "uw controlewoord",
}
_DEFAULT_REASON_SENTENCE = "Dit mocht niet."
UNKNOWN_OUTCOME = "Wij weten niet hoe dit afliep."


def describe_reason(code: str) -> str:
    """Return the sentence for a reason code; a general one for an unknown code."""
    return REASON_SENTENCES.get(code, _DEFAULT_REASON_SENTENCE)


def describe_stop(code: str, *, is_giver: bool) -> str:
    """Describe to the giver or to the helper why the machtiging gives nothing now."""
    if is_giver:
        return f"{describe_reason(code)} Daarom kan nu niemand met deze machtiging post lezen."
    return get_sentence(f"{code}.reading")


def describe_act(act: str, *, refused: bool, sender: str | None = None, by_app: bool = False) -> str:
    """Describe a performed or refused act, as the end of "<name> ...".

    `sender`: the afzender of the letter.
    """
    if by_app and not refused and act in APP_ACT_PHRASES:
        return APP_ACT_PHRASES[act]
    words = (
        REFUSED_ACT_PHRASES.get(act, "wilde iets doen dat niet mocht")
        if refused
        else JOURNAL_ACT_PHRASES.get(act, "deed iets wat wij hier niet kunnen uitleggen")
    )
    for thing in ("een brief", "een bijlage"):
        if sender is not None and thing in words:
            return words.replace(thing, f"{thing} van {sender}", 1)
    return words


def describe_check_kind(facts: object) -> str:
    """Describe the check beside the code, from a journal line's facts; empty if absent."""
    kind = facts.get("controle") if isinstance(facts, Mapping) else None
    return (
        f" (gecontroleerd met {CHECK_KIND_LABELS[kind]})" if isinstance(kind, str) and kind in CHECK_KIND_LABELS else ""
    )


def label_acts(granted_acts: Iterable[Act]) -> list[str]:
    """Return the acts as phrases, in a natural order."""
    wanted = set(granted_acts)
    return [phrase for act, phrase in ACT_LABELS.items() if act in wanted]


def label_themes(chosen_themes: Iterable[Theme]) -> list[str]:
    """Return the themes as words, in a fixed order."""
    wanted = set(chosen_themes)
    return [word for theme, word in THEME_LABELS.items() if theme in wanted]


def join_phrases(words: Iterable[str]) -> str:
    """Join phrases to a Dutch enumeration: "a, b en c"."""
    parts = list(words)
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " en " + parts[-1]


class CompletedAction(StrEnum):
    """The action just completed, for a message on the next page. Values travel in the URL."""

    ACCEPTED = "aangenomen"
    REFUSED = "geweigerd"
    WITHDRAWN = "ingetrokken"
    PAUSED = "gepauzeerd"
    RESUMED = "hervat"
    GIVEN_BACK = "teruggegeven"
    APP_STOPPED = "app-gestopt"
    APP_WAS_STOPPED = "app-was-gestopt"


CONFIRMATION_TEXTS: dict[CompletedAction, str] = {
    CompletedAction.ACCEPTED: "U heeft de machtiging aangenomen. Hieronder ziet u welke post u mag lezen.",
    CompletedAction.REFUSED: "U heeft de machtiging geweigerd. Wij laten dat weten aan degene die u de code gaf.",
    CompletedAction.WITHDRAWN: "U heeft de machtiging ingetrokken. Vanaf nu kan de ander uw post niet meer lezen.",
    CompletedAction.PAUSED: "U heeft de machtiging stilgezet. De ander kan nu even geen post lezen.",
    CompletedAction.RESUMED: "De machtiging geldt weer.",
    CompletedAction.APP_STOPPED: "U heeft de toegang gestopt. De app kan er nu niet meer bij.",
    CompletedAction.APP_WAS_STOPPED: "Deze app heeft geen toegang meer. U hoeft niets te doen.",
    CompletedAction.GIVEN_BACK: "U heeft de machtiging teruggegeven. U kunt de post niet meer lezen.",
}


def describe_completed_action(code: str | None) -> str | None:
    """Return the message for `gedaan` in the URL; None for an unknown value."""
    return CONFIRMATION_TEXTS[CompletedAction(code)] if code in set(CompletedAction) else None
