"""The access history as a file: CSV (RFC 4180) or PDF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from machtiging.documents.pdf import Template
from machtiging.kernel.clock import AMSTERDAM, last_day_before, to_dutch_date
from machtiging.message_catalogue import DUTCH, CatalogueLabels, current_language, get_sentence
from machtiging.portal.access_history.lines import JournalLineView
from machtiging.portal.typesetting import typeset
from machtiging.web.pages import format_day, format_moment


class ExportFormat(StrEnum):
    """The formats of the file."""

    CSV = "csv"
    PDF = "pdf"


# The most lines of one file. A PDF costs about 3 milliseconds a line.
MAX_LINES = {ExportFormat.CSV: 5_000, ExportFormat.PDF: 1_000}
MEDIA_TYPES = {ExportFormat.CSV: "text/csv; charset=utf-8", ExportFormat.PDF: "application/pdf"}
_COLUMN_LABELS: Mapping[str, str] = CatalogueLabels(
    "history.export.column", ("when", "who", "what", "outcome", "reason", "app", "machtiging")
)
_PDF_COLUMNS = ("when", "who", "what", "outcome")
# Spreadsheets take a value that begins with one of these for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class HistoryExport:
    """The lines of a file, newest first. `is_cut`: there are more in the period. `owner`: the citizen's name."""

    lines: Sequence[JournalLineView]
    period: tuple[datetime, datetime]
    filters: Sequence[tuple[str, str]]
    is_cut: bool
    owner: str
    made_at: datetime

    @property
    def file_name(self) -> str:
        """The name of the file, without its ending."""
        return f"{get_sentence('history.export.file')}-{to_dutch_date(self.made_at):%Y-%m-%d}"


def render_csv(export: HistoryExport) -> bytes:
    """Return the lines as CSV in UTF-8 with a byte order mark, every value quoted.

    Dutch spreadsheets separate by a semicolon, English ones by a comma. A value that begins like a formula gets an
    apostrophe before it.
    """
    rows: list[Sequence[str | None]] = [
        (format_time(line.at), line.who, line.what, describe_outcome(line), line.reason, line.app, line.purpose)
        for line in export.lines
    ]
    notes = describe_notes(export.period, export.is_cut, ExportFormat.CSV)
    return write_csv([tuple(_COLUMN_LABELS.values()), *rows, (" ".join(notes),)])


def write_csv(rows: Iterable[Iterable[str | None]]) -> bytes:
    """Return rows as CSV; see `render_csv`."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if current_language() == DUTCH else ",", quoting=csv.QUOTE_ALL)
    for row in rows:
        writer.writerow(neutralise_formula(value or "") for value in row)
    return text.getvalue().encode("utf-8-sig")


def format_time(at: datetime | None) -> str:
    """Return a time in a form that spreadsheets sort; "" for an impossible one."""
    return "" if at is None else f"{at.astimezone(AMSTERDAM):%Y-%m-%d %H:%M:%S}"


def neutralise_formula(value: str) -> str:
    """Return a value that a spreadsheet takes for text."""
    return f"'{value}" if value.lstrip(" \xa0").startswith(_FORMULA_STARTS) else value


async def render_history_pdf(export: HistoryExport) -> bytes:
    """Return the lines as a PDF document."""
    data = {
        "intro": [get_sentence("history.export.intro")],
        "facts": [
            [get_sentence("history.export.of"), export.owner],
            [get_sentence("history.export.made"), format_moment(export.made_at)],
            *([label, value] for label, value in export.filters),
        ],
        "columns": [_COLUMN_LABELS[name] for name in _PDF_COLUMNS],
        "rows": [_make_row(line) for line in export.lines],
        "empty": get_sentence("history.export.empty"),
        "notes": describe_notes(export.period, export.is_cut, ExportFormat.PDF),
    }
    return await typeset(Template.ACCESS_HISTORY, data, title=get_sentence("history.title"), created_at=export.made_at)


def _make_row(line: JournalLineView) -> list[str]:
    when = get_sentence("history.line.unknown_time") if line.at is None else format_moment(line.at)
    what = [line.what]
    if line.app is not None:
        what.append(get_sentence("history.line.with_app", name=line.app))
    if line.purpose is not None:
        what.append(get_sentence("history.line.under", purpose=line.purpose))
    outcome = " ".join(part for part in (describe_outcome(line), line.reason) if part)
    return [when, line.who, ", ".join(what), outcome]


def describe_outcome(line: JournalLineView) -> str:
    """Say whether the act was done or refused; "" for another outcome."""
    if line.refused:
        return get_sentence("history.outcome.refused")
    return get_sentence("history.outcome.done") if line.reason is None else ""


def describe_notes(period: tuple[datetime, datetime], is_cut: bool, chosen: ExportFormat) -> list[str]:  # noqa: FBT001
    """Say which period is in a file, and whether there is more."""
    starts_at, ends_at = period
    first_day, last_day = format_day(starts_at), format_day(last_day_before(ends_at))
    notes = [get_sentence("history.export.period", first=first_day, last=last_day)]
    if is_cut:
        notes.append(get_sentence("history.export.cut", number=MAX_LINES[chosen]))
    return notes
