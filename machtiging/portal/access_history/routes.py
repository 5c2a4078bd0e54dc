"""Routes of the access history: the page, its old address and its files."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.audit.access_history.line_groups import load_line_groups
from machtiging.audit.access_history.weekly_access import load_weekly_access
from machtiging.audit.acts import UNLISTED_ACTS
from machtiging.audit.queries import load_lines_for_person
from machtiging.identity.session import Citizen
from machtiging.kernel.clock import AMSTERDAM, end_of_day, month_period, to_dutch_date
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import get_sentence
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal.access_history.export import (
    MAX_LINES,
    MEDIA_TYPES,
    ExportFormat,
    HistoryExport,
    render_csv,
    render_history_pdf,
)
from machtiging.portal.access_history.filter import KIND_LABELS, HistoryFilter, list_months
from machtiging.portal.access_history.lines import (
    describe_group,
    describe_line,
    group_by_day,
    split_refusals,
)
from machtiging.portal.access_history.names import LineNames, collect_people, load_line_names
from machtiging.portal.access_history.weeks import build_picture, describe_this_week, picture_period
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import format_month, render_page

router = APIRouter(include_in_schema=False)
PATH = "/wie-keek-mee"
PAGE_SIZE = 50
# A file without a chosen month goes back this far.
_EXPORT_DAYS = 365


@router.get("/inzage")
async def redirect_old_address(request: Request, _public: Public) -> RedirectResponse:
    """Redirect the old address of this page."""
    query = request.url.query
    return RedirectResponse(PATH + ("?" + query if query else ""), status_code=308)


@router.get(PATH)
async def show_access_history(
    request: Request, visitor: Citizen, session: Transaction, chosen: Annotated[HistoryFilter, Query()]
) -> HTMLResponse:
    """Show who looked: in a sentence, as weeks, and line by line with a filter."""
    services, me = oauth_services(request), visitor.person_id
    now = services.clock.now()
    page = await load_line_groups(session, me, limit=PAGE_SIZE, before=chosen.cursor, where=chosen.to_line_filter())
    access = await load_weekly_access(session, me, picture_period(now), UNLISTED_ACTS)
    lines = [group.line for group in page.groups]
    names = await load_line_names(session, services.keyring, me, lines, access.counts)
    refusals, others = split_refusals(describe_group(group, names) for group in page.groups)
    return render_page(
        request,
        "wie_keek_mee.html",
        chosen=chosen,
        sentences=describe_this_week(access, names, now),
        picture=build_picture(access, names, now),
        refusals=refusals,
        days=group_by_day(others),
        people=_list_people(names, collect_people(access.counts), chosen),
        kinds=[(kind.value, label) for kind, label in KIND_LABELS.items()],
        months=[(f"{month:%Y-%m}", format_month(month)) for month in list_months(now, chosen.maand)],
        chosen_month="" if chosen.maand is None else f"{chosen.maand:%Y-%m}",
        filters=_describe_filters(chosen, names),
        is_first=chosen.cursor is None,
        newest=chosen.make_link(PATH) if chosen.cursor else "",
        older=chosen.make_older_link(PATH, page.older) if page.older else "",
        export_links={one.value: chosen.make_link(f"{PATH}.{one.value}") for one in ExportFormat},
        max_lines=MAX_LINES,
    )


def _list_people(names: LineNames, actor_ids: list[UUID], chosen: HistoryFilter) -> list[tuple[str, str]]:
    """Return the people to choose from. A chosen one without a line in the last weeks is among them."""
    people = [(str(actor_id), names.name_person(actor_id)) for actor_id in actor_ids]
    if chosen.helper is not None and chosen.helper not in actor_ids:
        name = names.people.get(PersonId(chosen.helper)) or names.purposes.get(str(chosen.helper))
        people.append((str(chosen.helper), name or get_sentence("history.filter.this_helper")))
    return people


@router.get(PATH + ".{vorm}")
async def download_access_history(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    vorm: ExportFormat,
    chosen: Annotated[HistoryFilter, Query()],
) -> Response:
    """Send the lines as a file: of the chosen month, else of the last year."""
    services, me = oauth_services(request), visitor.person_id
    now = services.clock.now()
    period = _export_period(now) if chosen.maand is None else month_period(chosen.maand)
    lines = await load_lines_for_person(session, me, limit=MAX_LINES[vorm] + 1, where=chosen.to_line_filter(period))
    names = await load_line_names(session, services.keyring, me, lines)
    export = HistoryExport(
        lines=[describe_line(line, names) for line in lines[: MAX_LINES[vorm]]],
        period=period,
        filters=_describe_filters(chosen, names),
        is_cut=len(lines) > MAX_LINES[vorm],
        owner=visitor.name,
        made_at=now,
    )
    await session.commit()  # the connection is free while the document is made
    content = render_csv(export) if vorm is ExportFormat.CSV else await render_history_pdf(export)
    disposition = f'attachment; filename="{export.file_name}.{vorm.value}"'
    return Response(content, media_type=MEDIA_TYPES[vorm], headers={"Content-Disposition": disposition})


def _export_period(now: datetime) -> tuple[datetime, datetime]:
    first_day = to_dutch_date(now) - timedelta(days=_EXPORT_DAYS)
    return datetime.combine(first_day, time(), AMSTERDAM), end_of_day(to_dutch_date(now))


def _describe_filters(chosen: HistoryFilter, names: LineNames) -> list[tuple[str, str]]:
    """Return the chosen filter as labels and values."""
    values = {
        "history.filter.helper": dict(_list_people(names, [], chosen)).get(str(chosen.helper)),
        "history.filter.kind": None if chosen.soort is None else KIND_LABELS[chosen.soort],
        "history.filter.refused": None if chosen.geweigerd is None else get_sentence("history.filter.yes"),
        "history.filter.letter": None if chosen.brief is None else get_sentence("history.filter.one_letter"),
        "history.filter.month": None if chosen.maand is None else format_month(chosen.maand),
    }
    return [(get_sentence(key), value) for key, value in values.items() if value is not None]
