"""The filter of the access history, as in the addresses of its pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator

from machtiging.audit.acts import UNLISTED_ACTS
from machtiging.audit.queries import JournalCursor, JournalEntry, LineFilter
from machtiging.berichtenbox.queries import select_object_ids
from machtiging.kernel.clock import month_period, to_dutch_date
from machtiging.message_catalogue import CatalogueLabels
from machtiging.portal.access_history.lines import JOURNAL_YEARS
from machtiging.portal.forms import EMPTY_IS_NONE

_MONTHS_TO_CHOOSE = 12


class ActKind(StrEnum):
    """The kinds of acts to choose from."""

    LETTERS = "brieven"
    MACHTIGINGEN = "machtigingen"
    APPS = "apps"
    COUNTER = "balie"
    SESSIONS = "inloggen"
    OVERSIGHT = "toezicht"
    AGENCIES = "afnemers"


KIND_LABELS: Mapping[ActKind, str] = CatalogueLabels("history.kind", ActKind)
ACT_PREFIXES: dict[ActKind, tuple[str, ...]] = {
    ActKind.LETTERS: ("bericht:",),
    ActKind.MACHTIGINGEN: ("machtiging:", "toewijzing:", "code:", "noodstop:", "hulpvraag:"),
    ActKind.APPS: ("grant:", "token:geweigerd"),
    ActKind.COUNTER: ("verzoek:",),
    ActKind.SESSIONS: ("sessie:",),
    ActKind.OVERSIGHT: ("dossier:",),
    ActKind.AGENCIES: ("verificatie:", "controlecode:"),
}


def _check_journal_year(at: datetime) -> datetime:
    if at.year not in JOURNAL_YEARS:
        raise ValueError("outside the years of the journal")
    return at


def parse_month(value: object) -> object:
    """Return the first day of a month such as 2026-11. Raises ValueError."""
    if not isinstance(value, str):
        return value
    first_day = datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC).date()
    if first_day.year not in JOURNAL_YEARS or f"{first_day:%Y-%m}" != value:
        raise ValueError("not a month of the journal")
    return first_day


OptionalId = Annotated[UUID | None, EMPTY_IS_NONE]


class HistoryPosition(BaseModel):
    """The place in a list of journal lines: `voor` and `regel` are the pagination cursor."""

    voor: Annotated[AwareDatetime, AfterValidator(_check_journal_year)] | None = None
    regel: UUID | None = None

    @property
    def cursor(self) -> JournalCursor | None:
        """The pagination cursor; None for the first page."""
        return None if self.voor is None or self.regel is None else JournalCursor(self.voor, self.regel)

    def to_params(self) -> dict[str, str]:
        """Return the parameters of a link with the same filter."""
        return {}

    def make_link(self, path: str, **more: str) -> str:
        """Return the address of a page with the same filter."""
        params = self.to_params() | more
        return f"{path}?{urlencode(params)}" if params else path

    def make_older_link(self, path: str, line: JournalEntry) -> str:
        """Return the address of the page after this line. An impossible time is replaced by a valid one."""
        is_possible = line.occurred_at.year in JOURNAL_YEARS
        at = line.occurred_at if is_possible else datetime(JOURNAL_YEARS[0], 1, 1, tzinfo=UTC)
        return self.make_link(path, voor=at.isoformat(), regel=str(line.id))


class HistoryFilter(HistoryPosition):
    """The chosen filter. `helper`: a person or a machtiging."""

    helper: OptionalId = None
    soort: Annotated[ActKind | None, EMPTY_IS_NONE] = None
    geweigerd: Annotated[Literal["ja"] | None, EMPTY_IS_NONE] = None
    brief: OptionalId = None
    maand: Annotated[date | None, BeforeValidator(parse_month), EMPTY_IS_NONE] = None

    def to_params(self) -> dict[str, str]:
        """Return the parameters of a link with the same filter."""
        values = {
            "helper": self.helper,
            "soort": self.soort,
            "geweigerd": self.geweigerd,
            "brief": self.brief,
            "maand": None if self.maand is None else f"{self.maand:%Y-%m}",
        }
        return {name: str(value) for name, value in values.items() if value is not None}

    def to_line_filter(self, period: tuple[datetime, datetime] | None = None) -> LineFilter:
        """Return the conditions for the journal. A chosen month goes before `period`."""
        return LineFilter(
            involved_id=self.helper,
            act_prefixes=() if self.soort is None else ACT_PREFIXES[self.soort],
            excluded_acts=UNLISTED_ACTS,
            only_refused=self.geweigerd is not None,
            object_ids=None if self.brief is None else select_object_ids(self.brief),
            period=period if self.maand is None else month_period(self.maand),
        )


def list_months(now: datetime, chosen: date | None) -> Sequence[date]:
    """Return the months to choose from, the newest first. The chosen one is among them."""
    months = [to_dutch_date(now).replace(day=1)]
    while len(months) < _MONTHS_TO_CHOOSE:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return months if chosen is None or chosen in months else [*months, chosen]
