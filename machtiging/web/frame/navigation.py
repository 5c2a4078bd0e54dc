"""The menu of a page, and the places that the switcher in the header offers.

Which menu a page has follows from its path: one's own post, or the people that one helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from machtiging.message_catalogue import CatalogueLabels, get_sentence


class Place(StrEnum):
    """For whom somebody is here: for oneself, or for the people one helps."""

    OWN = "own"
    HELPING = "helping"


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
_HELPING_PREFIX = "/ik-help"
_MENUS: dict[Place, tuple[tuple[str, str, str], ...]] = {
    Place.OWN: (
        ("frame.menu.overview", "/", "home"),
        ("frame.menu.letters", "/brieven", "mail"),
        ("frame.menu.helpers", "/helpers", "users"),
        ("frame.menu.history", "/wie-keek-mee", "eye"),
    ),
    Place.HELPING: (("frame.menu.people", "/ik-help", "heart-handshake"), ("frame.menu.own", "/", "home")),
}
_PLACES: tuple[tuple[Place, str], ...] = ((Place.OWN, "/"), (Place.HELPING, _HELPING_PREFIX))


def find_place(path: str) -> Place:
    """Return the place of a page."""
    return Place.HELPING if path == _HELPING_PREFIX or path.startswith(_HELPING_PREFIX + "/") else Place.OWN


def build_menu(path: str) -> list[MenuItem]:
    """Return the menu of a page. The item of the page itself is "page", that of a page below it "true"."""
    return [
        MenuItem(get_sentence(key), href, icon, _mark_current(path, href))
        for key, href, icon in _MENUS[find_place(path)]
    ]


def _mark_current(path: str, href: str) -> str:
    if path == href:
        return "page"
    return "true" if href != "/" and path.startswith(href + "/") else ""


def build_places(path: str) -> Sequence[PlaceLink]:
    """Return the places of the switcher."""
    here = find_place(path)
    return [PlaceLink(PLACE_LABELS[place], href, place is here) for place, href in _PLACES]
