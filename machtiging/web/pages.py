"""HTML pages: Jinja with autoescape and strict variables, and the URLs of pages.

Autoescape prevents XSS. Templates come from the `templates/` folders of the packages. The URLs: the page that holds a
form, the page that shows current state, and the canonical spelling of a mistyped URL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

from babel.dates import format_date, format_datetime
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Match

from machtiging.dependencies import request_services
from machtiging.kernel.clock import AMSTERDAM, last_day_before

LOCALE = "nl_NL"
# First path segments of pages that people type. Only these get a canonical spelling.
PAGE_PREFIXES = frozenset(
    {
        "aan-de-balie",
        "apps",
        "authorize",
        "berichten",
        "inloggen",
        "inzage",
        "logout",
        "machtigingen",
        "meldingen",
        "uitloggen",
        "verzoeken",
    }
)


def _format_day(value: date | datetime) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(AMSTERDAM).date()
    return format_date(value, "d MMMM y", locale=LOCALE)


def _format_moment(value: datetime) -> str:
    return format_datetime(value, "d MMMM y 'om' HH:mm 'uur'", tzinfo=AMSTERDAM, locale=LOCALE)


def _format_period_end(value: datetime) -> str:
    """Format the end of a period: its last day, or else its time."""
    if value.astimezone(AMSTERDAM).time() == time():
        return f"tot en met {_format_day(last_day_before(value))}"
    return f"tot {_format_moment(value)}"


@cache
def _make_environment(packages: tuple[str, ...]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(dag=_format_day, moment=_format_moment, tot=_format_period_end)
    return environment


class PageRenderer:
    """The template renderer. `packages` have a `templates/` folder; the first match wins."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._environment = _make_environment(tuple(packages))

    def render_text(self, template: str, /, **values: Any) -> str:
        """Render a template to text."""
        return self._environment.get_template(template).render(**values)


@dataclass(frozen=True, kw_only=True)
class PageServices:
    """The page renderer, and the practice flag: True outside production."""

    pages: PageRenderer
    practice: bool


def render_page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page as response. Every template gets `path` and `visitor` (None if not logged in)."""
    services = request_services(request, PageServices)
    values.setdefault("visitor", getattr(request.state, "visitor", None))
    values.setdefault("practice", services.practice)
    values.setdefault("restored", hasattr(request.state, "kept_form"))
    return HTMLResponse(services.pages.render_text(template, path=request.url.path, **values), status_code=status)


class StatePage(NamedTuple):
    """A page that shows current state: its URL, and its name in a sentence."""

    address: str
    name: str


# By first path segment. All others lead to the start page.
_STATE_PAGES = {
    "aan-de-balie": StatePage("/aan-de-balie", "Hulp aan een balie"),
    "apps": StatePage("/apps", "Apps met toegang"),
    "authorize": StatePage("/apps", "Apps met toegang"),
    "berichten": StatePage("/berichten", "Berichten"),
    "machtigingen": StatePage("/machtigingen", "Machtigingen"),
    "meldingen": StatePage("/meldingen", "Berichten van ons"),
    "verzoeken": StatePage("/verzoeken", "Wat wordt u gevraagd"),
}
_START_PAGE = StatePage("/", "het begin")
_MACHTIGING_PATH = re.compile(r"/machtigingen/[0-9A-Fa-f-]{36}(?=/|$)")


def find_state_page(request: Request) -> StatePage:
    """Return the page that shows the result of this request."""
    path = request.url.path
    if (found := _MACHTIGING_PATH.match(path)) is not None:
        return StatePage(found.group(), "deze machtiging")
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
    asked = request.url.path
    wanted = asked.rstrip("/").lower()
    first = wanted.removeprefix("/").partition("/")[0]
    if wanted == asked or first not in PAGE_PREFIXES or not _is_existing_page(request, wanted):
        return None
    query = request.scope["query_string"].decode("latin-1")
    return quote(wanted, safe="/") + ("?" + query if query else "")


def _is_existing_page(request: Request, path: str) -> bool:
    scope = {**request.scope, "method": "GET", "path": path, "raw_path": path.encode()}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)
