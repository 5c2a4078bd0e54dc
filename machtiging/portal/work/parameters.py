"""The parameters in the addresses of the pages of an employee."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.agencies.rules import Theme
from machtiging.berichtenbox.caseload.client_letters import ClientLettersQuery, LetterOrder
from machtiging.berichtenbox.caseload.client_list import ClientQuery
from machtiging.berichtenbox.caseload.client_order import ClientFilter, ClientOrder
from machtiging.berichtenbox.caseload.signed_cursor import MAX_CURSOR_LENGTH
from machtiging.delegation.caseload.search_terms import MAX_SEARCH_LENGTH
from machtiging.portal.forms import EMPTY_IS_NONE

PAGE_SIZE = 20
CLIENTS_PATH = "/werk/clienten"
TODAY_PATH = "/werk"


def _empty_is_none(value: object) -> object:
    """Return None for a field of the form that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


_Cursor = Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)]


class SavableLetterFilter(BaseModel):
    """The part of the order and filter that can be saved. The client and the place in the list are not in it."""

    volgorde: LetterOrder = LetterOrder.NEWEST
    afzender: Annotated[str | None, Field(max_length=20), EMPTY_IS_NONE] = None
    thema: Annotated[Theme | None, EMPTY_IS_NONE] = None
    ongelezen: Annotated[Literal["ja"] | None, EMPTY_IS_NONE] = None


class TodayParameters(SavableLetterFilter):
    """The order and filter of the list."""

    client: Annotated[UUID | None, EMPTY_IS_NONE] = None
    vanaf: Annotated[_Cursor | None, EMPTY_IS_NONE] = None

    def to_query(self) -> ClientLettersQuery:
        """Return the requested page."""
        return ClientLettersQuery(
            size=PAGE_SIZE,
            order=self.volgorde,
            machtiging_id=self.client,
            sender=self.afzender,
            theme=self.thema,
            unread=self.ongelezen is not None,
            cursor=self.vanaf,
        )

    def make_link(self, **changes: str | None) -> str:
        """Return the address of the first page with this filter and these changes."""
        values: dict[str, str | None] = {
            "volgorde": None if self.volgorde is LetterOrder.NEWEST else self.volgorde.value,
            "client": None if self.client is None else str(self.client),
            "afzender": self.afzender,
            "thema": None if self.thema is None else self.thema.value,
            "ongelezen": self.ongelezen,
        }
        return build_list_link(TODAY_PATH, values | changes)


class SavableClientFilter(BaseModel):
    """The part of the filter and order that can be saved. A search may be about a client and is not in it."""

    toon: Annotated[ClientFilter | None, EMPTY_IS_NONE] = None
    volgorde: ClientOrder = ClientOrder.UNREAD


class ClientParameters(SavableClientFilter):
    """The search, filter and order of the list of clients."""

    zoek: Annotated[str | None, Field(max_length=MAX_SEARCH_LENGTH), EMPTY_IS_NONE] = None
    vanaf: Annotated[_Cursor | None, EMPTY_IS_NONE] = None

    def to_query(self) -> ClientQuery:
        """Return the requested page."""
        return ClientQuery(PAGE_SIZE, self.zoek, self.toon, self.volgorde, self.vanaf)

    def make_link(self, **changes: str | None) -> str:
        """Return the address of the first page with this search and these changes."""
        values: dict[str, str | None] = {
            "zoek": self.zoek,
            "toon": None if self.toon is None else self.toon.value,
            "volgorde": None if self.volgorde is ClientOrder.UNREAD else self.volgorde.value,
        }
        return build_list_link(CLIENTS_PATH, values | changes)


def build_list_link(path: str, values: Mapping[str, str | None]) -> str:
    """Return the address of a list with the values that were chosen."""
    chosen = {name: value for name, value in values.items() if value is not None}
    return f"{path}?{urlencode(chosen)}" if chosen else path
