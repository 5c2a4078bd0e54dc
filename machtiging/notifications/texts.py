"""Texts of notifications, in plain Dutch (B1). Pure.

E-mail is not confidential. So a text says who did what and what the reader can do, and nothing else: no BSN, no code,
no purpose, nothing from a letter. There is no login link either, because people learn not to follow those (phishing).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from machtiging.notifications.app_texts import APP_TEXTS, GIVER_STOPS, HELPER_STOPS
from machtiging.notifications.kinds import NotificationKind

__all__ = ["EmailText", "NotificationKind", "render_message"]


@dataclass(frozen=True, slots=True)
class EmailText:
    """Subject and body of an e-mail."""

    subject: str
    body: str


_LOOK = "Wilt u zien hoe het nu zit? Log in bij Machtigen en ga naar /machtigingen."
_NOT_YOU = "Heeft u dit niet zelf gedaan? Log dan meteen in, ga naar /machtigingen en trek de machtiging in."
_NOT_YOU_ENDED = "Heeft u dit niet zelf gedaan? Bel ons dan."
_FOOT = "In onze e-mails staat nooit een link om in te loggen. Typ het adres van Machtigen zelf in."

# {helper} and {giver} are the names of the other person; {begins} is the first day, {ends} the last.
_TEXTS: dict[NotificationKind, tuple[str, tuple[str, ...]]] = {
    NotificationKind.AANGEBODEN_DOOR_U: (
        "U heeft een machtiging aangeboden",
        (
            "U heeft iemand een machtiging aangeboden om post uit uw Berichtenbox te lezen.",
            "De machtiging gaat pas in als die persoon haar aanneemt. Daarvoor zijn de code en uw geboortedatum of "
            "controlewoord nodig. Geef de code alleen aan wie u wilt machtigen.",
            "De machtiging loopt van {begins} tot en met {ends}.",
            GIVER_STOPS,
            _NOT_YOU,
        ),
    ),
    NotificationKind.AANBOD_INGETROKKEN_DOOR_U: (
        "U heeft uw aanbod ingetrokken",
        ("U heeft een machtiging ingetrokken die nog niet was aangenomen. De code werkt niet meer.", _LOOK),
    ),
    NotificationKind.NIEUWE_CODE_DOOR_U: (
        "U heeft een nieuwe machtigingscode gemaakt",
        (
            "U heeft een nieuwe code gemaakt voor een machtiging die nog niet was aangenomen.",
            "De oude code werkt niet meer. Geef de nieuwe code alleen aan wie u wilt machtigen.",
            GIVER_STOPS,
            _NOT_YOU,
        ),
    ),
    NotificationKind.AANGENOMEN: (
        "Uw machtiging is aangenomen",
        (
            "{Helper} heeft uw machtiging aangenomen en kan post uit uw Berichtenbox lezen, zoals afgesproken.",
            "De machtiging loopt van {begins} tot en met {ends}. U kunt altijd zien wie wat heeft gelezen.",
            GIVER_STOPS,
        ),
    ),
    NotificationKind.AANGENOMEN_DOOR_U: (
        "U heeft een machtiging aangenomen",
        (
            "U heeft een machtiging aangenomen. U kunt post lezen van {giver}, zoals afgesproken.",
            "De machtiging loopt van {begins} tot en met {ends}. {Giver} kan zien wat u leest en kan altijd intrekken.",
            HELPER_STOPS,
        ),
    ),
    NotificationKind.GEWEIGERD: (
        "Uw machtiging is geweigerd",
        (
            "{Helper} heeft uw machtiging geweigerd. De code werkt niet meer.",
            _LOOK,
        ),
    ),
    NotificationKind.GEWEIGERD_DOOR_U: (
        "U heeft een machtiging geweigerd",
        ("U heeft een machtiging van {giver} geweigerd. U kunt dus geen post lezen van {giver}.", _LOOK),
    ),
    NotificationKind.GEPAUZEERD: (
        "Een machtiging staat stil",
        (
            "{Giver} heeft uw machtiging stilgezet. U kunt nu geen post lezen van {giver}.",
            "Later kan de machtiging weer worden aangezet. U krijgt dan bericht.",
            HELPER_STOPS,
        ),
    ),
    NotificationKind.GEPAUZEERD_DOOR_U: (
        "U heeft een machtiging stilgezet",
        (
            "U heeft de machtiging van {helper} stilgezet. {Helper} kan nu geen post van u lezen.",
            "U kunt de machtiging weer aanzetten zolang zij niet is afgelopen.",
            GIVER_STOPS,
        ),
    ),
    NotificationKind.HERVAT: (
        "Een machtiging werkt weer",
        (
            "{Giver} heeft uw machtiging weer aangezet. U kunt weer post lezen van {giver}, zoals afgesproken.",
            "De machtiging loopt tot en met {ends}.",
            HELPER_STOPS,
        ),
    ),
    NotificationKind.HERVAT_DOOR_U: (
        "U heeft een machtiging weer aangezet",
        (
            "U heeft de machtiging van {helper} weer aangezet. {Helper} kan weer post van u lezen, zoals afgesproken.",
            "De machtiging loopt tot en met {ends}.",
            GIVER_STOPS,
            _NOT_YOU,
        ),
    ),
    NotificationKind.INGETROKKEN: (
        "Een machtiging is ingetrokken",
        ("{Giver} heeft uw machtiging ingetrokken. U kunt geen post meer lezen van {giver}.", _LOOK),
    ),
    NotificationKind.INGETROKKEN_DOOR_U: (
        "U heeft een machtiging ingetrokken",
        (
            "U heeft de machtiging van {helper} ingetrokken. {Helper} kan geen post van u meer lezen.",
            _LOOK,
            _NOT_YOU_ENDED,
        ),
    ),
    NotificationKind.TERUGGEGEVEN: (
        "Uw machtiging is teruggegeven",
        ("{Helper} heeft uw machtiging teruggegeven en kan geen post van u meer lezen.", _LOOK),
    ),
    NotificationKind.TERUGGEGEVEN_DOOR_U: (
        "U heeft een machtiging teruggegeven",
        (
            "U heeft de machtiging van {giver} teruggegeven. U kunt geen post van {giver} meer lezen.",
            _LOOK,
            _NOT_YOU_ENDED,
        ),
    ),
    NotificationKind.TOEGEWEZEN: (
        "Een medewerker kan nu uw post lezen",
        (
            "{Helper} kan nu post uit uw Berichtenbox lezen, voor {organisation}.",
            "Dat kan omdat u die organisatie heeft gemachtigd. De afspraken van uw machtiging blijven gelden.",
            "Het kan tot en met {ends}. U kunt altijd zien wie wat heeft gelezen.",
            GIVER_STOPS,
        ),
    ),
    NotificationKind.TOEGEWEZEN_AAN_U: (
        "U heeft een cliënt erbij",
        (
            "U kunt nu post lezen van {giver}, voor {organisation}, zoals afgesproken.",
            "Het kan tot en met {ends}. {Giver} kan zien wat u leest en kan altijd intrekken.",
            HELPER_STOPS,
        ),
    ),
    NotificationKind.TOEWIJZING_GESTOPT: (
        "Een medewerker leest uw post niet meer",
        (
            "{Helper} kan uw post niet meer lezen voor {organisation}. De organisatie heeft dat beëindigd.",
            "Uw machtiging aan de organisatie loopt door.",
            GIVER_STOPS,
        ),
    ),
    NotificationKind.TOEWIJZING_INGETROKKEN_BIJ_U: (
        "U heeft een cliënt minder",
        ("U kunt geen post meer lezen van {giver}. Dat heeft {organisation} beëindigd.", _LOOK),
    ),
    **APP_TEXTS,
    NotificationKind.UITGELOGD_DOOR_ONS: (
        "Wij hebben u uitgelogd",
        (
            "Wij hebben u uitgelogd op alle apparaten waarop u was ingelogd. Apps waarin u zo inlogde, zijn gestopt.",
            "Dat doen wij als iemand ons belt over een toestel dat kwijt is, of over misbruik van een inlog.",
            "U kunt gewoon weer inloggen. Kijk dan bij /inzage wat er met uw post is gedaan.",
            "Kijk bij /apps welke apps nog toegang hebben, en bij /machtigingen wie u helpt.",
            "Denkt u dat iemand anders met uw DigiD inlogt? Laat die dan ook blokkeren, bij DigiD zelf.",
            "Weet u hier niets van? Bel ons dan.",
        ),
    ),
    NotificationKind.VERZOEK_WACHT: (
        "Er wacht een vraag op u",
        (
            "Iemand vraagt u om toestemming met de meldcode die u heeft gemaakt.",
            "Log in bij Machtigen en ga naar /verzoeken. Daar ziet u wie het vraagt, en waarvoor.",
            "Wilt u dat dit stopt? Log dan in bij Machtigen, ga naar /machtigingen en open de vraag. Kies dan: Nee.",
            "U hoeft nooit akkoord te gaan. Doet u niets, dan vervalt de vraag vanzelf.",
        ),
    ),
}
_MONTHS = (
    "januari", "februari", "maart", "april", "mei", "juni",
    "juli", "augustus", "september", "oktober", "november", "december",
)  # fmt: skip


def render_message(kind: NotificationKind, facts: Mapping[str, Any], names: Mapping[str, str]) -> EmailText:
    """Render a notification. `names` may hold "helper" and "giver".

    `facts` holds the first and last day, the name of an organisation, or that of an app. Without names the text uses
    general words.
    """
    helper = _normalise_name(names.get("helper", "")) or "uw gemachtigde"
    giver = _normalise_name(names.get("giver", "")) or "de persoon die u machtigde"
    app = _normalise_name(facts.get("app", ""))
    organisation = _normalise_name(facts.get("organisation", "")) or "de organisatie"
    subject, sentences = _TEXTS[kind]
    paragraphs = ("Beste lezer,", *sentences, _FOOT, "Machtigen")
    words = {"helper": helper, "Helper": _capitalise_first(helper), "giver": giver, "Giver": _capitalise_first(giver)}
    words["organisation"] = organisation
    words |= {day: _format_day(facts[f"{day}_on"]) for day in ("begins", "ends") if f"{day}_on" in facts}
    words["app"] = f"de app {app}" if app else "een app"
    return EmailText(subject, "\n\n".join(paragraphs).format(**words) + "\n")


def _format_day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _capitalise_first(words: str) -> str:
    return words[:1].upper() + words[1:]


def _normalise_name(name: str) -> str:
    """Reduce a name to one line of at most 80 characters. It cannot pose as a paragraph of ours."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:80]
