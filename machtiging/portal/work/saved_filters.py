"""The saved filters of an employee: links above the lists, and their own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from machtiging.access.dependencies import access_services
from machtiging.agencies.queries import select_agency_names
from machtiging.agencies.rules import Theme
from machtiging.berichtenbox.caseload.client_letters import LetterOrder
from machtiging.berichtenbox.caseload.client_order import ClientFilter, ClientOrder
from machtiging.delegation.caseload.saved_filters import (
    MAX_FILTER_NAME_LENGTH,
    MAX_FILTERS,
    FilterOwner,
    FilterPage,
    SavedFilter,
    delete_filter,
    list_saved_filters,
    save_filter,
)
from machtiging.identity.csrf import CsrfProtected
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound, Refusal
from machtiging.kernel.oin import Oin
from machtiging.message_catalogue import CatalogueLabels, describe_refusal, get_sentence
from machtiging.portal.forms import SubmittedForm, make_blank_form, read_submitted_form
from machtiging.portal.labels import THEME_LABELS
from machtiging.portal.work.parameters import (
    CLIENTS_PATH,
    TODAY_PATH,
    SavableClientFilter,
    SavableLetterFilter,
    build_list_link,
)
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH = "/werk/filters"
_LIST_FIELD, _NAME_FIELD = "lijst", "naam"
_LIST_PATHS: Mapping[FilterPage, str] = {FilterPage.LETTERS: TODAY_PATH, FilterPage.CLIENTS: CLIENTS_PATH}
_MODELS: Mapping[FilterPage, type[BaseModel]] = {
    FilterPage.LETTERS: SavableLetterFilter,
    FilterPage.CLIENTS: SavableClientFilter,
}
_LIST_LABELS: Mapping[FilterPage, str] = CatalogueLabels("work.saved.list", FilterPage)
_LETTER_ORDER_LABELS: Mapping[LetterOrder, str] = CatalogueLabels("work.saved.letter_order", LetterOrder)
_CLIENT_ORDER_LABELS: Mapping[ClientOrder, str] = CatalogueLabels("work.order", ClientOrder)
_SHOWN_LABELS: Mapping[ClientFilter, str] = CatalogueLabels("work.saved.shown", ClientFilter)


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """A list with the chosen fields that can be saved."""

    page: FilterPage
    choices: Mapping[str, str]

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of the form that saves it."""
        return {_LIST_FIELD: self.page.value, **self.choices}

    @property
    def href(self) -> str:
        """The list with this filter."""
        return build_list_link(_LIST_PATHS[self.page], self.choices)


@dataclass(frozen=True, slots=True)
class SavedFilterLinks:
    """The links of saved filters above a list. `save_href`: "" if there is nothing to save.

    `has_page`: with a link to the page of all filters.
    """

    links: Sequence[tuple[str, str, bool]]
    save_href: str
    has_page: bool


@dataclass(frozen=True, slots=True)
class SavedFilterRowView:
    """A saved filter on its page. `words` describes its content."""

    name: str
    href: str
    words: str
    delete_path: str


async def load_saved_links(
    request: Request, session: AsyncSession, visitor: Visitor, page: FilterPage, chosen: BaseModel
) -> SavedFilterLinks:
    """Load the saved filters of a list, in one statement. `chosen`: the parameters of the list now."""
    values = _list_choices(page, chosen)
    found = await list_saved_filters(session, access_services(request).keyring, _find_owner(visitor))
    links = [
        (one.name, FilterChoice(page, one.choices).href, one.choices == values) for one in found if one.page is page
    ]
    is_new = not any(current for *_, current in links)
    return SavedFilterLinks(links, _build_save_href(visitor, page, values) if is_new else "", bool(links))


def build_saved_link(visitor: Visitor, page: FilterPage, chosen: BaseModel) -> SavedFilterLinks:
    """Build the link to the page of filters. For a list without a statement left."""
    save_href = _build_save_href(visitor, page, _list_choices(page, chosen))
    return SavedFilterLinks((), save_href, visitor.organisation_kvk is not None)


def _list_choices(page: FilterPage, chosen: BaseModel) -> dict[str, str]:
    return chosen.model_dump(mode="json", include=set(_MODELS[page].model_fields), exclude_defaults=True)


def _build_save_href(visitor: Visitor, page: FilterPage, values: Mapping[str, str]) -> str:
    if not values or visitor.organisation_kvk is None:
        return ""
    return build_list_link(PATH, FilterChoice(page, values).fields)


@router.get(PATH)
async def show_saved_filters(
    request: Request, visitor: Citizen, session: Transaction, gedaan: str | None = None
) -> HTMLResponse:
    """List the saved filters, and the form to save the one in the address. Raises InvalidInput `filter_ongeldig`."""
    sent = make_blank_form(request)
    if not sent.values:  # else a form that was kept over a login
        sent = SubmittedForm({name: [value] for name, value in request.query_params.items()})
    done = get_sentence("work.saved.deleted") if gedaan == "weg" else ""
    return await _render_filters(request, session, visitor, sent, done=done)


@router.post(PATH)
async def submit_filter(request: Request, visitor: Citizen, _: CsrfProtected, session: Transaction) -> Response:
    """Save a filter and open it. The same form again leads to the same list.

    Raises InvalidInput `filter_ongeldig` and NotAllowed `geen_medewerker`.
    """
    services, sent = access_services(request), await read_submitted_form(request)
    chosen = _read_choice(sent)
    if chosen is None:
        raise InvalidInput("filter_ongeldig")
    name = sent.read_text(_NAME_FIELD, max_length=MAX_FILTER_NAME_LENGTH, missing=get_sentence("work.saved.no_name"))
    if sent.faults:
        return await _render_filters(request, session, visitor, sent, status=400)
    owner, at = _find_owner(visitor), services.clock.now()
    try:
        await save_filter(session, services.keyring, owner, name, chosen.page, chosen.choices, at=at)
    except (Conflict, InvalidInput) as refusal:
        sent.add_fault(_NAME_FIELD, describe_refusal(refusal))
        status = 409 if isinstance(refusal, Conflict) else 400
        return await _render_filters(request, session, visitor, sent, status=status)
    return RedirectResponse(chosen.href, 303)


@router.post(PATH + "/{filterId}/verwijderen")
async def submit_deletion(
    request: Request,
    filter_id: Annotated[UUID, Path(alias="filterId")],
    visitor: Citizen,
    _: CsrfProtected,
    session: Transaction,
) -> Response:
    """Delete a filter. One of others, and one that is gone, is not found: the list is shown with the reason."""
    try:
        await delete_filter(session, _find_owner(visitor), filter_id)
    except NotFound as refusal:
        return await _render_filters(request, session, visitor, SubmittedForm(), status=404, refusal=refusal)
    return RedirectResponse(f"{PATH}?gedaan=weg", 303)


async def _render_filters(
    request: Request,
    session: AsyncSession,
    visitor: Visitor,
    sent: SubmittedForm,
    *,
    status: int = 200,
    done: str = "",
    refusal: Refusal | None = None,
) -> HTMLResponse:
    chosen = _read_choice(sent)
    found = await list_saved_filters(session, access_services(request).keyring, _find_owner(visitor))
    names: dict[str, str] = {row.key: row.name for row in await session.execute(select_agency_names())}
    return render_page(
        request,
        "work_saved_filters.html",
        status=status,
        sent=sent,
        rows=[_build_row(one, names) for one in found],
        chosen=chosen,
        words="" if chosen is None else _describe_choice(chosen, names),
        back=TODAY_PATH if chosen is None else chosen.href,
        done=done,
        problem="" if refusal is None else describe_refusal(refusal),
        action=PATH,
        max_name=MAX_FILTER_NAME_LENGTH,
        max_filters=MAX_FILTERS,
        clients_path=CLIENTS_PATH,
        today_path=TODAY_PATH,
    )


def _find_owner(visitor: Visitor) -> FilterOwner:
    return FilterOwner(visitor.person_id, visitor.organisation_kvk)


def _read_choice(sent: SubmittedForm) -> FilterChoice | None:
    """Read the fields of a list, and no others; None without a list. Raises InvalidInput `filter_ongeldig`."""
    if not sent.first_value(_LIST_FIELD):
        return None
    try:
        page = FilterPage(sent.first_value(_LIST_FIELD))
        values = {name: value for name in _MODELS[page].model_fields if (value := sent.first_value(name))}
        if "afzender" in values:
            Oin(values["afzender"])
        read = _MODELS[page].model_validate(values)
    except (ValueError, ValidationError, InvalidInput):
        raise InvalidInput("filter_ongeldig") from None
    return FilterChoice(page, read.model_dump(mode="json", exclude_defaults=True))


def _build_row(one: SavedFilter, names: Mapping[str, str]) -> SavedFilterRowView:
    chosen = FilterChoice(one.page, one.choices)
    return SavedFilterRowView(one.name, chosen.href, _describe_choice(chosen, names), f"{PATH}/{one.id}/verwijderen")


def _describe_choice(chosen: FilterChoice, names: Mapping[str, str]) -> str:
    """Describe a filter in words: the list, the limits and the order."""
    values = chosen.choices
    words = [_LIST_LABELS[chosen.page]]
    if "toon" in values:
        words.append(_SHOWN_LABELS[ClientFilter(values["toon"])])
    if "ongelezen" in values:
        words.append(get_sentence("work.saved.unread"))
    if "afzender" in values:
        words.append(get_sentence("work.saved.sender", sender=names.get(values["afzender"], values["afzender"])))
    if "thema" in values:
        words.append(get_sentence("work.saved.theme", theme=THEME_LABELS[Theme(values["thema"])]))
    if chosen.page is FilterPage.CLIENTS:
        order = _CLIENT_ORDER_LABELS[ClientOrder(values.get("volgorde", ClientOrder.UNREAD))]
    else:
        order = _LETTER_ORDER_LABELS[LetterOrder(values.get("volgorde", LetterOrder.NEWEST))]
    return ", ".join([*words, get_sentence("work.saved.order", order=order)])
