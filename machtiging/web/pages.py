"""HTML pages: Jinja with autoescape and strict variables, templates from `templates/` folders of the packages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from functools import cache
from typing import Any

from babel.dates import format_date, format_datetime
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from machtiging.kernel.clock import AMSTERDAM, last_day_before

LOCALE = "nl_NL"


def _day(value: date | datetime) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(AMSTERDAM).date()
    return format_date(value, "d MMMM y", locale=LOCALE)


def _moment(value: datetime) -> str:
    return format_datetime(value, "d MMMM y 'om' HH:mm 'uur'", tzinfo=AMSTERDAM, locale=LOCALE)


def _until(value: datetime) -> str:
    """The end of a period: its last day, or the moment when it does not end with a day."""
    if value.astimezone(AMSTERDAM).time() == time():
        return f"tot en met {_day(last_day_before(value))}"
    return f"tot {_moment(value)}"


@cache
def _environment(packages: tuple[str, ...]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(dag=_day, moment=_moment, tot=_until)
    return environment


class Pages:
    """The page renderer. `packages` are the packages that have a `templates/` folder, first match wins."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._environment = _environment(tuple(packages))

    def text(self, template: str, /, **values: Any) -> str:
        """The page as text."""
        return self._environment.get_template(template).render(**values)


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Answer with a page. Every template gets `path` and the current `visitor` (None when nobody is logged in)."""
    pages: Pages = request.app.state.pages
    values.setdefault("visitor", getattr(request.state, "visitor", None))
    values.setdefault("practice", request.app.state.practice)
    return HTMLResponse(pages.text(template, path=request.url.path, **values), status_code=status)
