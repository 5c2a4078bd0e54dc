"""The list of letters, with filters, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.actor import build_citizen_actor
from machtiging.access.dependencies import access_services
from machtiging.berichtenbox.bericht_list import BerichtPageRequest, list_berichten
from machtiging.berichtenbox.own_box.folders import BoxCounts, count_box
from machtiging.berichtenbox.own_box.search import SEARCH_LIMIT, BerichtSearch, search_berichten
from machtiging.berichtenbox.rules import ARCHIVE_FOLDER, BoxFilter
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.text import require_plain_line
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal.forms import SubmittedForm
from machtiging.portal.letters.marks_confirmation import CompletedInQuery, FolderName, find_confirmation
from machtiging.portal.letters.urls import LETTERS_PATH, build_list_url
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 20
MAX_SEARCH_LENGTH = 200
_MAX_CURSOR_LENGTH = 200


class LetterFilter(StrEnum):
    """The part of the box that the list shows. Values travel in the URL."""

    ALL = "alles"
    NEW = "nieuw"
    ARCHIVE = "archief"


FILTER_LABELS: Mapping[LetterFilter, str] = CatalogueLabels("letters.filter", LetterFilter)
_EMPTY_TEXTS: Mapping[LetterFilter, str] = CatalogueLabels("letters.empty", LetterFilter)
Cursor = Annotated[str | None, Query(max_length=_MAX_CURSOR_LENGTH)]


@dataclass(frozen=True, slots=True)
class FilterLink:
    """A link to a part of the box. `count`: its letters, if that is shown."""

    label: str
    href: str
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The requested part of the box and the cursor in it."""

    shown: LetterFilter
    folder: str | None
    cursor: str | None

    @property
    def box_filter(self) -> BoxFilter:
        """The filter of the list. The archive is left out unless it is asked for."""
        if self.folder is not None:
            return BoxFilter(folder=self.folder)
        if self.shown is LetterFilter.ARCHIVE:
            return BoxFilter(folder=ARCHIVE_FOLDER)
        return BoxFilter(unread=self.shown is LetterFilter.NEW, without_archive=True)

    def page_url(self, cursor: str | None = None) -> str:
        """Return the URL of this part of the box, at a cursor."""
        chosen = {"map": self.folder} if self.folder is not None else {"toon": self.shown.value}
        if self.folder is None and self.shown is LetterFilter.ALL:
            chosen = {}
        return build_list_url(**chosen, **({"vanaf": cursor} if cursor else {}))


@router.get(LETTERS_PATH)
async def show_letters(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    completed: CompletedInQuery,
    toon: LetterFilter = LetterFilter.ALL,
    map: FolderName | None = None,  # noqa: A002
    vanaf: Cursor = None,
    zoek: str | None = None,
) -> HTMLResponse:
    """List the letters, newest first; with `zoek` those that the search finds."""
    if zoek is not None and zoek.strip():
        return await _show_found_letters(request, visitor, session, zoek, vanaf)
    services, wanted = access_services(request), ListRequest(toon, map, vanaf)
    actor, at = build_citizen_actor(visitor), services.clock.now()
    page_request = BerichtPageRequest(vanaf, PAGE_SIZE, wanted.box_filter)
    page = await list_berichten(session, services.keyring, services.policy, actor, page_request, at=at)
    counts = await count_box(session, visitor.person_id, at=at)
    return render_page(
        request,
        "berichten.html",
        letters=page.summaries,
        confirmed=await find_confirmation(session, visitor, completed, at=at),
        heading=wanted.folder or FILTER_LABELS[toon],
        empty=None if wanted.folder else _EMPTY_TEXTS[toon],
        filters=_build_filter_links(wanted, counts),
        folders=_build_folder_links(wanted, counts),
        older=wanted.page_url(page.next_cursor) if page.next_cursor else "",
        newest=wanted.page_url() if vanaf else "",
        sent=SubmittedForm(),
    )


def _build_filter_links(wanted: ListRequest, counts: BoxCounts) -> list[FilterLink]:
    return [
        FilterLink(
            FILTER_LABELS[each],
            ListRequest(each, None, None).page_url(),
            wanted.folder is None and wanted.shown is each,
            counts.unread if each is LetterFilter.NEW else None,
        )
        for each in LetterFilter
    ]


def _build_folder_links(wanted: ListRequest, counts: BoxCounts) -> list[FilterLink]:
    return [
        FilterLink(each.name, build_list_url(map=each.name), wanted.folder == each.name, each.letters)
        for each in counts.folders
    ]


async def _show_found_letters(
    request: Request, visitor: Visitor, session: AsyncSession, text: str, cursor: str | None
) -> HTMLResponse:
    sent = SubmittedForm({"zoek": [text.replace("\0", "")]})
    fault = _find_search_fault(text)
    if fault is not None:
        sent.add_fault("zoek", fault)
        return render_page(request, "brieven_gezocht.html", status=400, sent=sent)
    services, actor = access_services(request), build_citizen_actor(visitor)
    search = BerichtSearch(require_plain_line(text), cursor, PAGE_SIZE)
    found = await search_berichten(session, services.keyring, services.policy, actor, search, at=services.clock.now())
    more = found.page.next_cursor
    return render_page(
        request,
        "brieven_gezocht.html",
        sent=sent,
        letters=found.page.summaries,
        is_limited=found.is_limited,
        limit=SEARCH_LIMIT,
        older=build_list_url(zoek=search.text, vanaf=more) if more else "",
        newest=build_list_url(zoek=search.text) if cursor else "",
    )


def _find_search_fault(text: str) -> str | None:
    """Return the sentence for a search text that is refused; None for a good one."""
    if len(text) > MAX_SEARCH_LENGTH:
        return get_sentence("letters.search.fault_too_long", length=MAX_SEARCH_LENGTH)
    try:
        require_plain_line(text)
    except ValueError:
        return get_sentence("letters.search.fault_characters")
    return None
