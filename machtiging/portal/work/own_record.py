"""The own record of an employee: acts for clients, with filter and file.

A client whose post may not be read now has no name here, and a letter that may not be read now has no sender. A
refused act tells no more than the refusal did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, Response

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.audit.acts import JournalOutcome
from machtiging.audit.queries import JournalEntry
from machtiging.berichtenbox.caseload.clients import CaseloadClient, load_clients
from machtiging.berichtenbox.caseload.own_record import load_listed_client, load_own_lines
from machtiging.berichtenbox.helping.listed_letters import find_listed_letters, parse_letter_id
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import AMSTERDAM, end_of_day, month_period, to_dutch_date
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal import views
from machtiging.portal.access_history.export import (
    MAX_LINES,
    MEDIA_TYPES,
    ExportFormat,
    describe_notes,
    describe_outcome,
    format_time,
    write_csv,
)
from machtiging.portal.access_history.filter import (
    HistoryPosition,
    OptionalId,
    list_months,
    parse_month,
)
from machtiging.portal.access_history.lines import JournalLineView, describe_line, make_day_key
from machtiging.portal.access_history.names import load_line_names
from machtiging.portal.forms import EMPTY_IS_NONE
from machtiging.portal.work.parameters import CLIENTS_PATH
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import format_month, render_page

router = APIRouter(include_in_schema=False)
PATH = "/werk/wat-ik-deed"
PAGE_SIZE = 50
# A file without a chosen month goes back this far.
_EXPORT_DAYS = 365
_COLUMN_LABELS = CatalogueLabels("work.did.column", ("when", "client", "what", "outcome", "app"))


class RecordFilter(HistoryPosition):
    """The chosen client and month. A client is the machtiging that the employee holds."""

    client: OptionalId = None
    maand: Annotated[date | None, BeforeValidator(parse_month), EMPTY_IS_NONE] = None

    def to_params(self) -> dict[str, str]:
        """Return the parameters of a link with the same filter."""
        params = {} if self.client is None else {"client": str(self.client)}
        return params if self.maand is None else {**params, "maand": f"{self.maand:%Y-%m}"}


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One act of the employee. `client` and `letter_path` are None for what may not be read now."""

    line: JournalLineView
    about_id: PersonId
    client: CaseloadClient | None
    client_name: str
    letter_path: str | None


@router.get(PATH)
async def show_own_record(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[RecordFilter, Query()]
) -> HTMLResponse:
    """List what the visitor did for clients, newest first. Raises NotFound `machtiging_onbekend` for another's client.

    A page has a fixed number of lines of the journal, equal or not.
    """
    at = access_services(request).clock.now()
    only = await _load_chosen_client(request, session, visitor, chosen, at)
    period = None if chosen.maand is None else month_period(chosen.maand)
    reader = build_citizen_actor(visitor)
    found = await load_own_lines(session, reader, only, period=period, limit=PAGE_SIZE + 1, before=chosen.cursor, at=at)
    page = found[:PAGE_SIZE]
    lines = _fold(await _describe_lines(request, session, visitor, page, at))
    return render_page(
        request,
        "work_own_record.html",
        days=[(day, list(group)) for day, group in groupby(lines, _find_day)],
        chosen=chosen,
        client_name=None if only is None else _name_client(request, only),
        months=[(f"{month:%Y-%m}", format_month(month)) for month in list_months(at, chosen.maand)],
        chosen_month="" if chosen.maand is None else f"{chosen.maand:%Y-%m}",
        all_clients=chosen.model_copy(update={"client": None}).make_link(PATH),
        clients_path=CLIENTS_PATH,
        export_link=chosen.make_link(f"{PATH}.{ExportFormat.CSV}"),
        max_lines=MAX_LINES[ExportFormat.CSV],
        newest=chosen.make_link(PATH) if chosen.cursor else "",
        older=chosen.make_older_link(PATH, page[-1]) if len(found) > PAGE_SIZE else "",
    )


@router.get(PATH + ".csv")
async def download_own_record(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[RecordFilter, Query()]
) -> Response:
    """Send the lines as CSV: of the chosen month, else of the last year. Raises as `show_own_record`."""
    at = access_services(request).clock.now()
    only = await _load_chosen_client(request, session, visitor, chosen, at)
    period = _export_period(at) if chosen.maand is None else month_period(chosen.maand)
    most = MAX_LINES[ExportFormat.CSV]
    reader = build_citizen_actor(visitor)
    found = await load_own_lines(session, reader, only, period=period, limit=most + 1, before=None, at=at)
    lines = await _describe_lines(request, session, visitor, found[:most], at)
    rows: list[Sequence[str | None]] = [
        (format_time(one.line.at), one.client_name, one.line.what, describe_outcome(one.line), one.line.app)
        for one in lines
    ]
    notes = " ".join(describe_notes(period, len(found) > most, ExportFormat.CSV))
    content = write_csv([tuple(_COLUMN_LABELS.values()), *rows, (notes,)])
    name = f"{get_sentence('work.did.file')}-{to_dutch_date(at):%Y-%m-%d}.csv"
    disposition = f'attachment; filename="{name}"'
    return Response(content, media_type=MEDIA_TYPES[ExportFormat.CSV], headers={"Content-Disposition": disposition})


async def _load_chosen_client(
    request: Request, session: AsyncSession, visitor: Visitor, chosen: RecordFilter, at: datetime
) -> CaseloadClient | None:
    """Load the client of the filter; None without one. Raises NotFound as `load_listed_client`."""
    if chosen.client is None:
        return None
    services, reader = access_services(request), build_citizen_actor(visitor)
    return await load_listed_client(session, services.keyring, services.policy, reader, chosen.client, at=at)


async def _describe_lines(
    request: Request, session: AsyncSession, visitor: Visitor, lines: Sequence[JournalEntry], at: datetime
) -> list[RecordLine]:
    services, reader = access_services(request), build_citizen_actor(visitor)
    people = {PersonId(line.for_person_id) for line in lines if line.for_person_id is not None}
    clients = await load_clients(session, services.keyring, services.policy, reader, giver_ids=people, at=at)
    by_person = {one.authority.vertegenwoordigde_id: one for one in reversed(clients)}
    ids = {letter_id for line in lines if (letter_id := parse_letter_id(line)) is not None}
    letters = await find_listed_letters(session, services.policy, [one.actor for one in clients], ids, at=at)
    loaded = await load_line_names(session, services.keyring, visitor.person_id, lines)
    names = replace(loaded, letters={key: (one.bericht_id, one.sender) for key, one in letters.items()})
    described = []
    for line in lines:
        about_id = PersonId(line.for_person_id or visitor.person_id)
        client, is_refused = by_person.get(about_id), line.outcome == JournalOutcome.REFUSED
        letter = None if is_refused else letters.get(str(parse_letter_id(line)))
        view = describe_line(replace(line, object_id=None) if is_refused else line, names)
        described.append(
            RecordLine(
                line=replace(view, reason=None) if is_refused else view,
                about_id=about_id,
                client=client,
                client_name=get_sentence("work.did.hidden") if client is None else _name_client(request, client),
                letter_path=None
                if letter is None
                else f"{CLIENTS_PATH}/{letter.helper.machtiging_id}/brieven/{letter.bericht_id}",
            )
        )
    return described


def _name_client(request: Request, client: CaseloadClient) -> str:
    return client.assigned.open_name(access_services(request).keyring) or views.name_of_profile(None)


def _fold(lines: Iterable[RecordLine]) -> list[RecordLine]:
    """Fold equal lines of a day about one client into the newest one."""
    folded: dict[object, RecordLine] = {}
    for number, one in enumerate(lines):
        key: Any = number if one.line.at is None else (one.about_id, make_day_key(one.line, to_dutch_date(one.line.at)))
        newest = folded.get(key)
        times = one.line.times if newest is None else newest.line.times + one.line.times
        folded[key] = replace(newest or one, line=replace((newest or one).line, times=times))
    return list(folded.values())


def _find_day(one: RecordLine) -> date | None:
    return None if one.line.at is None else to_dutch_date(one.line.at)


def _export_period(now: datetime) -> tuple[datetime, datetime]:
    first_day = to_dutch_date(now) - timedelta(days=_EXPORT_DAYS)
    return datetime.combine(first_day, time(), AMSTERDAM), end_of_day(to_dutch_date(now))
