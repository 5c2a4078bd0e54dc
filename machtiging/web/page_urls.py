"""URLs of pages: of a form, of current state, and the canonical spelling."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from starlette.requests import Request

from machtiging.message_catalogue import get_sentence
from machtiging.web.framework_internals import has_route

# First path segments of pages that people type. Only these get a canonical spelling.
PAGE_PREFIXES = frozenset(
    {
        "aan-de-balie",
        "blijf-ingelogd",
        "docs",
        "veilig",
        "zo-werkt-het",
        "leeshulp",
        "aanpassingen",
        "privacy",
        "toegankelijkheid",
        "hulp",
        "apps",
        "bedrijf",
        "authorize",
        "berichten",
        "brieven",
        "controle",
        "controleren",
        "helpers",
        "ik-help",
        "inloggen",
        "inzage",
        "logout",
        "machtigingen",
        "meldingen",
        "organisatie",
        "uitloggen",
        "uitnodiging",
        "verzoeken",
        "werk",
        "wie-keek-mee",
    }
)


class StatePage(NamedTuple):
    """A page that shows current state: its URL, and the message key of its name."""

    address: str
    key: str

    @property
    def name(self) -> str:
        """The name of the page, in the language of the request."""
        return get_sentence(self.key)


# By first path segment. All others lead to the start page.
_STATE_PAGES = {
    "aan-de-balie": StatePage("/aan-de-balie", "errors.state_page.counter"),
    "apps": StatePage("/apps", "errors.state_page.apps"),
    "authorize": StatePage("/apps", "errors.state_page.apps"),
    "brieven": StatePage("/brieven", "errors.state_page.letters"),
    "helpers": StatePage("/helpers", "errors.state_page.helpers"),
    "ik-help": StatePage("/ik-help", "helping.people.title"),
    "machtigingen": StatePage("/helpers", "errors.state_page.helpers"),
    "meldingen": StatePage("/meldingen", "errors.state_page.notices"),
    "verzoeken": StatePage("/verzoeken", "errors.state_page.requests"),
    "werk": StatePage("/werk/clienten", "work.clients.title"),
}
_START_PAGE = StatePage("/", "errors.state_page.start")
_MACHTIGING_PATH = re.compile(r"/(?:helpers|machtigingen|ik-help)/[0-9A-Fa-f-]{36}(?=/|$)")


def find_state_page(request: Request) -> StatePage:
    """Return the page that shows the result of this request."""
    path = request.url.path
    if (found := _MACHTIGING_PATH.match(path)) is not None:
        return StatePage(found.group(), "errors.state_page.machtiging")
    return _STATE_PAGES.get(path.removeprefix("/").partition("/")[0], _START_PAGE)


def find_nearest_page(request: Request) -> str:
    """Return the path of the form's page. That is the request's own path, or the nearest parent with a page."""
    path = request.url.path
    while path.strip("/") and not _is_existing_page(request, path):
        path = path.rpartition("/")[0] or "/"
    return path if path.strip("/") else "/"


def find_canonical_url(request: Request) -> str | None:
    """Return the URL of a page requested with capitals or trailing slashes. None if none exists.

    Never an open redirect: the result is a path on this site, with a first segment from `PAGE_PREFIXES` and an existing
    route.
    """
    path = request.url.path
    trimmed = path.rstrip("/")
    # What follows the first segments may be a token, in which capitals count.
    wanted = next((one for one in (trimmed, trimmed.lower()) if one != path and _is_portal_page(request, one)), None)
    if wanted is None:
        return None
    query = request.scope["query_string"].decode("latin-1")
    return quote(wanted, safe="/") + ("?" + query if query else "")


def _is_portal_page(request: Request, path: str) -> bool:
    return path.removeprefix("/").partition("/")[0] in PAGE_PREFIXES and _is_existing_page(request, path)


def _is_existing_page(request: Request, path: str) -> bool:
    return has_route(request, "GET", path=path, raw_path=path.encode())
