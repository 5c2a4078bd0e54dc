"""The menu of a page, and the places that the switcher in the header offers.

Which menu a page has follows from its path: one's own post, the people that one helps, work, an organisation or the
service. A page of no place has the menu of where its visitor is at home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from machtiging.message_catalogue import CatalogueLabels, get_sentence


class Place(StrEnum):
    """For whom somebody is here: oneself, people, clients, an organisation, a business or all."""

    OWN = "own"
    HELPING = "helping"
    WORK = "work"
    ORGANISATION = "organisation"
    BUSINESS = "business"
    CHECK = "check"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class LoginKind:
    """The purpose of a login. `operates`: also as operator of the service. `audits`: as auditor or privacy officer.

    `only_supervises`: as toezicht of an organisation, without another role in it.
    """

    works: bool = False
    operates: bool = False
    audits: bool = False
    only_supervises: bool = False

    @property
    def home(self) -> Place:
        """The place of the pages that belong to no other place."""
        return Place.WORK if self.works else Place.OWN

    @property
    def places(self) -> Sequence[Place]:
        """The places between which this login can switch."""
        personal = (Place.WORK, Place.ORGANISATION) if self.works else (Place.OWN, Place.HELPING)
        return (*personal, Place.OPERATOR) if self.operates else personal


PRIVATE_LOGIN = LoginKind()
PLACE_LABELS: Mapping[Place, str] = CatalogueLabels("frame.place", Place)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A link in the menu. `current` is the value of `aria-current`; "" if it is another page."""

    label: str
    href: str
    icon: str
    current: str = ""


@dataclass(frozen=True, slots=True)
class PlaceLink:
    """A place in the switcher."""

    label: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class HelpedPeople:
    """The people whose letters the visitor reads, for the switcher. `has_more`: not all of them."""

    links: Sequence[PlaceLink]
    has_more: bool


# In the state of a request, for the switcher of its page.
HELPED_PEOPLE_STATE = "helped_people"
NO_PEOPLE = HelpedPeople((), has_more=False)
_MENUS: dict[Place, tuple[tuple[str, str, str], ...]] = {
    Place.OWN: (
        ("frame.menu.overview", "/", "home"),
        ("frame.menu.letters", "/brieven", "mail"),
        ("frame.menu.helpers", "/helpers", "users"),
        ("frame.menu.history", "/wie-keek-mee", "eye"),
        ("frame.menu.codes", "/controleren", "shield-check"),
    ),
    Place.HELPING: (("frame.menu.people", "/ik-help", "heart-handshake"), ("frame.menu.own", "/", "home")),
    Place.WORK: (
        ("frame.menu.today", "/werk", "mail"),
        ("frame.menu.clients", "/werk/clienten", "users"),
        ("frame.menu.own_record", "/werk/wat-ik-deed", "eye"),
    ),
    Place.ORGANISATION: (
        ("frame.menu.all_clients", "/organisatie", "users"),
        ("frame.menu.offered", "/organisatie/aangeboden", "mail"),
        ("frame.menu.employees", "/organisatie/medewerkers", "user"),
        ("frame.menu.teams", "/organisatie/teams", "users"),
        ("frame.menu.stand_ins", "/organisatie/vervangingen", "calendar"),
        ("frame.menu.handover", "/organisatie/overdrachten", "share"),
        ("frame.menu.four_eyes", "/organisatie/vier-ogen", "shield-check"),
        ("frame.menu.office_log", "/organisatie/logboek", "list-check"),
    ),
    Place.BUSINESS: (("frame.menu.business", "/bedrijf", "building"),),
    Place.CHECK: (("frame.menu.check", "/controle", "shield-check"),),
    Place.OPERATOR: (
        ("frame.menu.organisations", "/beheer", "building"),
        ("frame.menu.agencies", "/beheer/afnemers", "shield-check"),
        ("frame.menu.policy", "/beheer/beleid", "clipboard-list"),
        ("frame.menu.journal", "/beheer/journaal", "eye"),
    ),
}
# Items of the operator's menu for the auditor and the privacy officer alone.
_AUDIT_ITEMS = (
    ("frame.menu.figures", "/beheer/cijfers", "users"),
    ("frame.menu.unusual", "/beheer/opvallend", "alert-triangle"),
    ("frame.menu.records", "/beheer/dossiers", "user"),
)
# The whole menu of toezicht: the other pages of an organisation are not for that role.
_SUPERVISOR_ITEMS = (
    ("frame.menu.reading", "/organisatie/toezicht", "eye"),
    ("frame.menu.office_log", "/organisatie/logboek", "list-check"),
)
# The first page of each place. Every page below it belongs to the place too.
_ROOTS: Mapping[Place, str] = {
    Place.OWN: "/",
    Place.HELPING: "/ik-help",
    Place.WORK: "/werk",
    Place.ORGANISATION: "/organisatie",
    Place.BUSINESS: "/bedrijf",
    Place.CHECK: "/controle",
    Place.OPERATOR: "/beheer",
}


def find_place(path: str, login: LoginKind = PRIVATE_LOGIN) -> Place:
    """Return the place of a page. A page of no place belongs to the home of the login."""
    for place, root in _ROOTS.items():
        if root != "/" and (path == root or path.startswith(root + "/")):
            return place
    return login.home


def build_menu(path: str, login: LoginKind = PRIVATE_LOGIN) -> list[MenuItem]:
    """Return the menu of a page. The item of the page itself is "page", that of a page below it "true"."""
    place = find_place(path, login)
    items = (*_MENUS[place], *(_AUDIT_ITEMS if place is Place.OPERATOR and login.audits else ()))
    if place is Place.ORGANISATION and login.only_supervises:
        items = _SUPERVISOR_ITEMS
    return [
        MenuItem(get_sentence(key), href, icon, _mark_current(path, href, _ROOTS[place])) for key, href, icon in items
    ]


def _mark_current(path: str, href: str, root: str) -> str:
    if path == href:
        return "page"
    return "true" if href != root and path.startswith(href + "/") else ""


def build_places(path: str, login: LoginKind = PRIVATE_LOGIN) -> Sequence[PlaceLink]:
    """Return the places of the switcher. The business, or the check, is one of them on its own pages."""
    here = find_place(path, login)
    if login.only_supervises:
        return [PlaceLink(PLACE_LABELS[Place.ORGANISATION], _SUPERVISOR_ITEMS[0][1], here is Place.ORGANISATION)]
    places = (here, *login.places) if here in (Place.BUSINESS, Place.CHECK) else login.places
    return [PlaceLink(PLACE_LABELS[place], _ROOTS[place], place is here) for place in places]
