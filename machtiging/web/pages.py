"""HTML pages: Jinja with autoescape and strict variables.

Autoescape prevents XSS. Templates come from the `templates/` folders of the packages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from http import HTTPStatus
from typing import Any

from babel.dates import format_date, format_datetime
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from machtiging.dependencies import request_services
from machtiging.kernel.clock import AMSTERDAM, UNTIL_REGISTER, WITHOUT_END, last_day_before
from machtiging.message_catalogue import DUTCH, ENGLISH, LANGUAGES, current_language, get_sentence
from machtiging.operator_content.help_contact import PRACTICE_HELP, HelpContact
from machtiging.web.frame.assets import asset_url
from machtiging.web.frame.navigation import (
    HELPED_PEOPLE_STATE,
    NO_PEOPLE,
    PLACE_LABELS,
    PRIVATE_LOGIN,
    LoginKind,
    build_menu,
    build_places,
    find_place,
)

_DATE_LOCALES = {DUTCH: "nl_NL", ENGLISH: "en_GB"}
_MOMENT_PATTERNS = {DUTCH: "d MMMM y 'om' HH:mm 'uur'", ENGLISH: "d MMMM y 'at' HH:mm"}
_TIME_PATTERNS = {DUTCH: "HH.mm 'uur'", ENGLISH: "HH:mm"}


def format_day(value: date | datetime) -> str:
    """Format a day in the language of the request, such as 3 mei 2026."""
    if isinstance(value, datetime):
        value = value.astimezone(AMSTERDAM).date()
    return format_date(value, "d MMMM y", locale=_DATE_LOCALES[current_language()])


def format_month(value: date) -> str:
    """Format a month in the language of the request, such as mei 2026."""
    return format_date(value, "LLLL y", locale=_DATE_LOCALES[current_language()])


def format_day_of_year(value: date) -> str:
    """Format a day without its year, such as 3 mei."""
    return format_date(value, "d MMMM", locale=_DATE_LOCALES[current_language()])


def format_moment(value: datetime) -> str:
    """Format a day with its time on Dutch clocks, in the language of the request."""
    language = current_language()
    return format_datetime(value, _MOMENT_PATTERNS[language], tzinfo=AMSTERDAM, locale=_DATE_LOCALES[language])


def format_time(value: datetime) -> str:
    """Format a time on Dutch clocks, rounded down to the minute, such as 14.35 uur."""
    language = current_language()
    return format_datetime(value, _TIME_PATTERNS[language], tzinfo=AMSTERDAM, locale=_DATE_LOCALES[language])


def format_period_end(value: datetime) -> str:
    """Format the end of a period: its last day, or else its time. Without an end the court or a register ends it."""
    if value == WITHOUT_END:
        return get_sentence("frame.until_court")
    if value == UNTIL_REGISTER:
        return get_sentence("frame.until_register")
    if value.astimezone(AMSTERDAM).time() == time():
        return get_sentence("frame.until_day", day=format_day(last_day_before(value)))
    return get_sentence("frame.until_moment", moment=format_moment(value))


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
    environment.filters.update(
        dag=format_day, dagmaand=format_day_of_year, moment=format_moment, tot=format_period_end, tijd=format_time
    )
    environment.globals.update(t=get_sentence, language=current_language, asset=asset_url)
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
    """The page renderer, the help for people, and the practice flag: True outside production."""

    pages: PageRenderer
    practice: bool
    help_contact: HelpContact = PRACTICE_HELP


def render_page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page as response. Every template gets `path`, `help_contact` and `visitor` (None: no login).

    `on_behalf_of` is the name of the person whose post is on the page; `under`: its purpose.
    `sent` is the form that is shown again.
    `return_path`: the page after a switch of language, if it is not this one.
    `only_supervises`: the visitor has the role toezicht alone, which has a menu of its own.
    """
    services = request_services(request, PageServices)
    values.setdefault("visitor", getattr(request.state, "visitor", None))
    values.setdefault("practice", services.practice)
    values.setdefault("help_contact", services.help_contact)
    values.setdefault("restored", hasattr(request.state, "kept_form"))
    values.setdefault("on_behalf_of", None)
    values.setdefault("under", None)
    # After a fault nothing was written, also not that somebody was here.
    values["shows_session_end"] = values["visitor"] is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR
    values = _build_frame(request, values) | values
    return HTMLResponse(services.pages.render_text(template, path=request.url.path, **values), status_code=status)


def _build_frame(request: Request, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the frame around the page."""
    path = request.url.path
    login = _describe_login(values["visitor"], only_supervises=values.get("only_supervises", False))
    return {
        "menu": build_menu(path, login),
        "places": build_places(path, login),
        "helped_people": getattr(request.state, HELPED_PEOPLE_STATE, NO_PEOPLE),
        "place": PLACE_LABELS[find_place(path, login)],
        "other_language": next(one for one in LANGUAGES if one != current_language()),
        "return_path": path + (f"?{request.url.query}" if request.url.query else ""),
        "has_faults": bool(getattr(values.get("sent"), "faults", None)),
    }


def _describe_login(visitor: Any, *, only_supervises: bool) -> LoginKind:
    if visitor is None:
        return PRIVATE_LOGIN
    return LoginKind(
        works=visitor.organisation_kvk is not None,
        operates=visitor.is_overseer,
        audits=visitor.audits,
        only_supervises=only_supervises,
    )
