"""Texts of notifications, from the catalogue, in the language in use.

E-mail is not confidential. So a text says who did what and what the reader can do, and nothing else: no BSN, no code,
no purpose, nothing from a letter. There is no login link either, because people learn not to follow
those (phishing). Only the invitation of an employee has a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from machtiging.message_catalogue import CatalogueLabels, current_language, get_sentence
from machtiging.notifications.kinds import NotificationKind
from machtiging.operator_content.help_contact import HelpContact
from machtiging.web.pages import format_day

__all__ = ["EmailText", "MailContact", "NotificationKind", "render_message"]


@dataclass(frozen=True, slots=True)
class EmailText:
    """Subject and body of an e-mail."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class MailContact:
    """The address of this service and its help, for the foot of each e-mail."""

    issuer: str
    help: HelpContact

    @property
    def site(self) -> str:
        """The address to type in, without a scheme. So mail programs show it, and it is no login link."""
        return urlsplit(self.issuer).netloc


_SUBJECTS: CatalogueLabels[NotificationKind] = CatalogueLabels("mails.subject", NotificationKind)
_TEXTS: CatalogueLabels[NotificationKind] = CatalogueLabels("mails.text", NotificationKind)
_ADVICE_CODES = (
    "look_giver",
    "look_helper",
    "look_organisation",
    "look_history",
    "look_apps",
    "look_request",
    "look_work",
    "look_employees",
    "answer_renewal",
    "stop_giver",
    "stop_helper",
    "stop_question",
    "stop_codes",
    "stop_request",
    "not_you",
    "not_you_ended",
    "not_you_employee",
)
_ADVICE: CatalogueLabels[str] = CatalogueLabels("mails.advice", _ADVICE_CODES)
# Who opened a record, and why: the values of `access.oversight.rules`.
_ROLES: CatalogueLabels[str] = CatalogueLabels("mails.role", ("auditor", "privacyfunctionaris"))
_PURPOSES: CatalogueLabels[str] = CatalogueLabels(
    "mails.purpose", ("klacht", "verzoek_betrokkene", "opvallend_gebruik", "datalek", "vordering")
)
# The answer to an agency: the values of `verification.codes.consumption`.
_ANSWERS: CatalogueLabels[str] = CatalogueLabels("mails.answer", ("ja", "nee"))
# What the reader can do, after the text.
_ADVICE_OF_KIND: dict[NotificationKind, tuple[str, ...]] = {
    NotificationKind.AANGEBODEN_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.AANBOD_INGETROKKEN_DOOR_U: ("look_giver",),
    NotificationKind.AANBOD_VOOR_ORGANISATIE: ("look_organisation",),
    NotificationKind.NIEUWE_CODE_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.AANGENOMEN: ("stop_giver",),
    NotificationKind.AANGENOMEN_DOOR_U: ("stop_helper",),
    NotificationKind.AANGENOMEN_DOOR_ORGANISATIE: ("stop_giver", "not_you"),
    NotificationKind.GEWEIGERD: ("look_giver",),
    NotificationKind.GEWEIGERD_DOOR_U: ("look_helper",),
    NotificationKind.GEPAUZEERD: ("stop_helper",),
    NotificationKind.GEPAUZEERD_DOOR_U: ("stop_giver",),
    NotificationKind.HERVAT: ("stop_helper",),
    NotificationKind.HERVAT_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.HERVAT_ZONDER_LEZER_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.INGETROKKEN: ("look_helper",),
    NotificationKind.INGETROKKEN_DOOR_U: ("look_giver", "not_you_ended"),
    NotificationKind.TERUGGEGEVEN: ("look_giver",),
    NotificationKind.TERUGGEGEVEN_DOOR_U: ("look_helper", "not_you_ended"),
    NotificationKind.HULPVRAAG_GESTELD_DOOR_U: ("stop_request", "not_you_ended"),
    NotificationKind.HULPVRAAG_GEWEIGERD: ("look_request",),
    NotificationKind.HULPVRAAG_TOEGESTAAN: ("stop_helper",),
    NotificationKind.HULPVRAAG_TOEGESTAAN_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.NOODSTOP_AANGEZET: ("stop_helper",),
    NotificationKind.NOODSTOP_DOOR_U: ("stop_giver", "not_you_ended"),
    NotificationKind.NOODSTOP_OPGEHEVEN: ("stop_helper",),
    NotificationKind.NOODSTOP_OPGEHEVEN_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.BEPERKT: ("stop_helper",),
    NotificationKind.BEPERKT_DOOR_U: ("stop_giver",),
    NotificationKind.LEZERS: ("stop_helper",),
    NotificationKind.LEZERS_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.VERLENGD: ("stop_helper",),
    NotificationKind.VERLENGD_DOOR_U: ("stop_giver", "not_you"),
    NotificationKind.VERLENGING_GEVRAAGD: ("answer_renewal", "stop_giver"),
    NotificationKind.VERLENGING_GEWEIGERD: ("look_work",),
    NotificationKind.TOEGEWEZEN: ("stop_giver",),
    NotificationKind.TOEGEWEZEN_AAN_U: ("stop_helper",),
    NotificationKind.TOEWIJZING_GESTOPT: ("stop_giver",),
    NotificationKind.TOEWIJZING_INGETROKKEN_BIJ_U: ("look_helper",),
    NotificationKind.TEAM_TOEGEWEZEN: ("stop_giver",),
    NotificationKind.TEAM_GESTOPT: ("stop_giver",),
    NotificationKind.VERVANGING: ("stop_giver",),
    NotificationKind.VERVANGING_DOOR_U: ("stop_helper",),
    NotificationKind.NIEMAND_LEEST: ("stop_giver",),
    NotificationKind.NIEMAND_LEEST_GEPAUZEERD: ("stop_giver",),
    NotificationKind.CONTROLECODE_GEBRUIKT: ("look_history", "stop_giver"),
    NotificationKind.CONTROLECODE_GEBRUIKT_DOOR_U: ("stop_codes",),
    NotificationKind.APP_AFGESLOTEN: ("look_history", "look_apps"),
    NotificationKind.APP_AFGESLOTEN_BIJ_HELPER: ("look_history", "stop_giver"),
    NotificationKind.APP_AFGESLOTEN_VOOR_HELPER: ("look_apps",),
    NotificationKind.APP_GESTOPT_DOOR_U: ("look_apps", "not_you_ended"),
    NotificationKind.APP_GESTOPT_DOOR_GEVER: ("look_apps",),
    NotificationKind.APP_GESTOPT_ORGANISATIE: ("look_apps",),
    NotificationKind.UITGELOGD_DOOR_ONS: ("look_history", "look_apps"),
    NotificationKind.DOSSIER_GEOPEND: ("look_history",),
    NotificationKind.VERZOEK_WACHT: ("stop_question",),
    NotificationKind.WETTELIJK_BEGONNEN: ("look_giver",),
    NotificationKind.WETTELIJK_BEGONNEN_BIJ_U: ("look_helper",),
    NotificationKind.WETTELIJK_GEEINDIGD: ("look_giver",),
    NotificationKind.WETTELIJK_GEEINDIGD_BIJ_U: ("look_helper",),
    NotificationKind.ORGANISATIE_GESTOPT: ("stop_giver",),
    NotificationKind.VERVALLEN_ORGANISATIE: ("look_giver",),
    NotificationKind.VERVALLEN_DOOR_MAATREGEL: ("look_giver",),
    NotificationKind.VERVALLEN_DOOR_MAATREGEL_BIJ_U: ("look_helper",),
    NotificationKind.UITNODIGING_AANGENOMEN: ("look_employees",),
    NotificationKind.MEDEWERKER_GEWORDEN: ("look_work", "not_you_employee"),
    NotificationKind.ACHTTIEN_OVER_DRIE_MAANDEN: ("look_giver",),
    NotificationKind.ACHTTIEN_OVER_EEN_WEEK: ("look_giver",),
}


def render_message(
    kind: NotificationKind, facts: Mapping[str, Any], names: Mapping[str, str], contact: MailContact
) -> EmailText:
    """Render a notification. `names` may hold "helper" and "giver".

    `facts` holds the first and last day, the name of an organisation, or that of an app. Without names the text uses
    general words.
    """
    words = _find_words(facts, names) | {"phone": contact.help.phone}
    paragraphs = (
        get_sentence("mails.greeting"),
        _TEXTS.format(kind, **words),
        *(_ADVICE.format(code, **words) for code in _ADVICE_OF_KIND[kind]),
        *_build_foot(contact),
        get_sentence("mails.sender"),
    )
    return EmailText(_SUBJECTS[kind], "\n\n".join(paragraphs) + "\n")


def _find_words(facts: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    organisation = normalise_name_line(facts.get("organisation", ""))
    # An organisation of which nobody reads stands in for its reader.
    unnamed = organisation if "helper_id" not in facts else ""
    helper = normalise_name_line(names.get("helper", "")) or unnamed or get_sentence("mails.name.helper")
    giver = normalise_name_line(names.get("giver", "")) or get_sentence("mails.name.giver")
    app = normalise_name_line(facts.get("app", ""))
    days = {
        day: format_day(date.fromisoformat(facts[f"{day}_on"])) for day in ("begins", "ends") if f"{day}_on" in facts
    }
    return days | {
        "answer": _find_label(_ANSWERS, facts.get("answer"), "mails.name.answer"),
        "role": _find_label(_ROLES, facts.get("role"), "mails.name.overseer"),
        "purpose": _find_label(_PURPOSES, facts.get("purpose"), "mails.name.purpose"),
        "helper": helper,
        "Helper": _capitalise_first(helper),
        "giver": giver,
        "Giver": _capitalise_first(giver),
        "team": normalise_name_line(facts.get("team", "")) or get_sentence("mails.name.team"),
        "organisation": organisation or get_sentence("mails.name.organisation"),
        "app": get_sentence("mails.name.app", app=app) if app else get_sentence("mails.name.an_app"),
    }


def _find_label(labels: CatalogueLabels[str], word: Any, other: str) -> str:
    """Return the words for a code in the facts; general words for an unknown one."""
    return labels[word] if isinstance(word, str) and word in labels else get_sentence(other)


def _build_foot(contact: MailContact) -> list[str]:
    """Return the paragraphs at the end: our address and where people get help."""
    hours = contact.help.hours.in_language(current_language())
    foot = [
        get_sentence("mails.foot.address", site=contact.site),
        get_sentence("mails.foot.help", phone=contact.help.phone, hours=hours),
    ]
    if len(contact.help.points) == 1:
        [point] = contact.help.points
        name = get_sentence("mails.foot.point_name", name=point.name, address=point.address, place=point.place)
        return [*foot, get_sentence("mails.foot.point", point=name)]
    return [*foot, get_sentence("mails.foot.points")] if contact.help.points else foot


def _capitalise_first(words: str) -> str:
    return words[:1].upper() + words[1:]


def normalise_name_line(name: str) -> str:
    """Reduce a name to one line of at most 80 characters. It cannot pose as a paragraph of ours."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:80]
