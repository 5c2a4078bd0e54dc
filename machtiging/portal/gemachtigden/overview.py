"""The list of helpers: what is open, and folded below it what is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.delegation.authority.given_page import GivenCursor, list_given_page
from machtiging.delegation.authority.reading_activity import count_letters_read
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import EffectiveState
from machtiging.delegation.suspension.emergency_stop import find_emergency_stop
from machtiging.identity.session import Citizen, Visitor
from machtiging.portal import views
from machtiging.portal.gemachtigden.cards import HelperCard, build_helper_card
from machtiging.portal.gemachtigden.notices import load_waiting_notices
from machtiging.portal.labels import describe_completed_action
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 25
READING_PERIOD = timedelta(days=7)
# Years in which something was offered. Others would overflow in a conversion to UTC.
_YEARS = range(2000, 2101)


def _check_year(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError("outside the years of this service")
    return at


PossibleInstant = Annotated[AwareDatetime, AfterValidator(_check_year)]
_NO_NAMES = views.AgencyNames({}, {})


@router.get("/helpers")
@reserve_connection
async def show_helpers(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    gedaan: str | None = None,
    voor: Annotated[PossibleInstant | None, Query()] = None,
    na: Annotated[UUID | None, Query()] = None,
    *,
    vroeger: bool = False,
) -> HTMLResponse:
    """List what the visitor gave; `voor`, `na` and `vroeger` are the pagination cursor."""
    services = access_services(request)
    at = services.clock.now()
    after = None if voor is None or na is None else GivenCursor(vroeger, voor, na)
    found = await list_given_page(session, visitor.person_id, after=after, limit=PAGE_SIZE + 1, at=at)
    page, people = found[:PAGE_SIZE], views.PersonNames(session, services.keyring)
    await people.preload(page, visitor, at)
    ids = [one.machtiging_id for one in page if one.root.accepted_at is not None]
    read = await count_letters_read(session, visitor.person_id, ids, since=at - READING_PERIOD)
    cards = [
        build_helper_card(
            await views.build_machtiging_card(one, visitor, people, _NO_NAMES, at), at, read.get(one.machtiging_id)
        )
        for one in page
    ]
    open_cards = [card for card in cards if not card.has_ended]
    notices = await load_waiting_notices(session, visitor.person_id, at=at)
    return render_page(
        request,
        "helpers_list.html",
        waiting=notices.questions,
        unmailed=notices.unmailed,
        now=[card for card in open_cards if not card.is_waiting],
        offers=[card for card in open_cards if card.is_waiting],
        earlier=[card for card in cards if card.has_ended],
        is_stopped=await _is_stopped(session, visitor, open_cards),
        is_first=after is None,
        older=_link_to_older(page[-1], has_ended=cards[-1].has_ended) if len(found) > PAGE_SIZE else "",
        message=describe_completed_action(gedaan),
    )


async def _is_stopped(session: AsyncSession, visitor: Visitor, open_cards: Sequence[HelperCard]) -> bool:
    """Return whether the emergency stop is on. Without an open card, ask."""
    if not open_cards:
        return await find_emergency_stop(session, visitor.person_id) is not None
    return any(card.card.standing is EffectiveState.STOPPED for card in open_cards)


def _link_to_older(last: Authority, *, has_ended: bool) -> str:
    cursor = {"voor": last.leaf.offered_at.isoformat(), "na": last.machtiging_id, "vroeger": int(has_ended)}
    return "/helpers?" + urlencode(cursor)
