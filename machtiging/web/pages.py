"""HTML pages: Jinja with autoescape and strict variables.

Autoescape prevents XSS. Templates come from the `templates/` folders of the packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Any

from babel.dates import format_date, format_datetime
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from machtiging.dependencies import request_services
from machtiging.kernel.clock import AMSTERDAM, last_day_before

LOCALE = "nl_NL"


def format_day(value: date | datetime) -> str:
    """Format a day in Dutch, such as 3 mei 2026."""
    if isinstance(value, datetime):
        value = value.astimezone(AMSTERDAM).date()
    return format_date(value, "d MMMM y", locale=LOCALE)


def _format_moment(value: datetime) -> str:
    return format_datetime(value, "d MMMM y 'om' HH:mm 'uur'", tzinfo=AMSTERDAM, locale=LOCALE)


def format_period_end(value: datetime) -> str:
    """Format the end of a period: its last day, or else its time."""
    if value.astimezone(AMSTERDAM).time() == time():
        return f"tot en met {format_day(last_day_before(value))}"
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
    environment.filters.update(dag=format_day, moment=_format_moment, tot=format_period_end)
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
