"""Access history: each access to the citizen's post, refused ones and machtiging changes included.

The journal is append-only, so every line it admits must be displayed; unknown values get general words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.grouped_lines import LineGroup, grouped_lines_about
from machtiging.audit.journal import OPERATOR
from machtiging.audit.queries import Before, JournalEntry
from machtiging.berichtenbox.queries import own_letters
from machtiging.delegation.queries import purposes_given
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import day_in_the_netherlands
from machtiging.kernel.ids import BerichtId, PersonId
from machtiging.oauth import queries as oauth
from machtiging.oauth.dependencies import oauth_services
from machtiging.portal import views, words
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
PAGE = 50
# Years of the journal. Years 1 and 9999 would overflow in a conversion to UTC.
_YEARS = range(2000, 2101)
_YOU = "U"
# Deliveries and logins are no access to post. Of session lines only an operator's name the person.
SHOWN = ("bericht:", "machtiging:", "code:", "grant:", "sessie:", "token:geweigerd", "verzoek:")
_NOT_SHOWN = frozenset(act.value for act in JournalAct if not act.startswith(SHOWN))
_OUTCOMES = frozenset(Outcome)


def _within_reach(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError("outside the years of the journal")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_within_reach)]


@dataclass(frozen=True, slots=True)
class Look:
    """One journal line in words. `bericht_id` links to the letter, which is the reader's own.

    `at` is None for an impossible time in the journal. `times`: number of equal lines in that minute.
    """

    at: datetime | None
    who: str
    what: str
    refused: bool
    reason: str | None
    bericht_id: BerichtId | None
    app: str | None
    machtiging_id: UUID | None
    purpose: str | None
    times: int = 1


@router.get("/inzage")
async def who_looked(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    voor: Annotated[Instant | None, Query()] = None,
    regel: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """Show the newest lines about the visitor; `voor` and `regel` are the pagination cursor."""
    before = Before(voor, regel) if voor is not None and regel is not None else None
    found = await grouped_lines_about(session, visitor.person_id, limit=PAGE, before=before)
    shown = [group for group in found.groups if group.line.act not in _NOT_SHOWN]
    looks = await _in_words(request, session, visitor, shown)
    older = _place_of(found.older) if found.older else None
    return page(request, "inzage.html", days=_by_day(looks), older=older, first=before is None)


def _place_of(line: JournalEntry) -> Before:
    """Return the pagination cursor after this line; an impossible time is replaced by a valid one."""
    known = line.occurred_at.year in _YEARS
    return Before(line.occurred_at if known else datetime(_YEARS[0], 1, 1, tzinfo=UTC), line.id)


def _by_day(looks: Iterable[Look]) -> list[tuple[date | None, list[Look]]]:
    return [
        (day, list(group)) for day, group in groupby(looks, lambda look: look.at and day_in_the_netherlands(look.at))
    ]


async def _in_words(request: Request, session: AsyncSession, visitor: Visitor, groups: list[LineGroup]) -> list[Look]:
    lines = [group.line for group in groups]
    people = views.Names(session, oauth_services(request).keyring)
    under = {line.machtiging_id for line in lines if line.machtiging_id is not None}
    purposes = await purposes_given(session, under, visitor.person_id)
    letters = await own_letters(session, visitor.person_id, _letters_in(lines))
    names = await views.catalogue(session)
    apps = {client_id: await _app(session, client_id) for client_id in {line.client_id for line in lines}}
    looks = []
    for line, count in ((group.line, group.count) for group in groups):
        refused = line.outcome == Outcome.REFUSED
        letter = letters.get(str(_letter_in(line)))
        mine = line.machtiging_id if line.machtiging_id in purposes else None
        looks.append(
            Look(
                at=line.occurred_at if line.occurred_at.year in _YEARS else None,
                who=await _who(people, visitor, line, apps[line.client_id]),
                what=_what(line, names.sender(letter.afzender) if letter else None, refused=refused),
                refused=refused,
                reason=_reason(line),
                bericht_id=letter.bericht_id if letter else None,
                app=None if line.actor_id is None and line.capacity != OPERATOR else apps[line.client_id],
                machtiging_id=mine,
                purpose=None if mine is None else purposes[mine],
                times=count,
            )
        )
    return looks


def _reason(line: JournalEntry) -> str | None:
    if line.outcome not in _OUTCOMES:
        return words.UNKNOWN_OUTCOME
    return words.reason(line.reason) if line.outcome == Outcome.REFUSED else None


def _what(line: JournalEntry, sender: str | None, *, refused: bool) -> str:
    by_app = line.actor_id is None and line.client_id is not None and line.capacity != OPERATOR
    said = words.deed(line.act, refused=refused, sender=sender, by_app=by_app)
    return said + words.check_kind(line.facts)


async def _who(people: views.Names, visitor: Visitor, line: JournalEntry, app: str | None) -> str:
    if line.capacity == OPERATOR:
        return "Een beheerder"
    if line.actor_id is None:  # then the app acted by itself
        return "Iemand" if app is None else f"De app {app}"
    return _YOU if line.actor_id == visitor.person_id else await people.of(PersonId(line.actor_id))


async def _app(session: AsyncSession, client_id: str | None) -> str | None:
    if client_id is None:
        return None
    return await oauth.name_of_client(session, client_id) or "een app die niet meer bestaat"


def _letters_in(lines: list[JournalEntry]) -> set[UUID]:
    return {found for line in lines if (found := _letter_in(line)) is not None}


def _letter_in(line: JournalEntry) -> UUID | None:
    """Return the id of the letter or attachment of a line, if valid."""
    if not line.object_id or line.object_kind not in ("bericht", "bijlage"):
        return None
    try:
        return UUID(line.object_id)
    except ValueError:
        return None
