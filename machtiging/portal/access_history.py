"""Access history: each access to the citizen's post, refused ones and machtiging changes included.

The journal is append-only, so every line it admits must be displayed; unknown values get general words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR
from machtiging.audit.line_groups import LineGroup, load_line_groups
from machtiging.audit.queries import JournalCursor, JournalEntry
from machtiging.berichtenbox.queries import find_own_berichten
from machtiging.delegation.queries import load_purposes_of_giver
from machtiging.delegation.rules import Capacity
from machtiging.identity.session import Citizen, Visitor
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.ids import BerichtId, PersonId
from machtiging.message_catalogue import get_sentence
from machtiging.oauth import queries as oauth
from machtiging.oauth.dependencies import oauth_services
from machtiging.organisations.queries import load_organisation_names
from machtiging.portal import labels, views
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 50
# Years of the journal. Years 1 and 9999 would overflow in a conversion to UTC.
_JOURNAL_YEARS = range(2000, 2101)
_YOU = "U"
# Deliveries and logins are no access to post. Of session lines only an operator's name the person.
LISTED_ACT_PREFIXES = (
    *("bericht:", "machtiging:", "toewijzing:", "code:", "grant:", "sessie:", "token:geweigerd", "verzoek:"),
)
_UNLISTED_ACTS = frozenset(act.value for act in JournalAct if not act.startswith(LISTED_ACT_PREFIXES))
_OUTCOMES = frozenset(JournalOutcome)


def _check_journal_year(at: datetime) -> datetime:
    if at.year not in _JOURNAL_YEARS:
        raise ValueError("outside the years of the journal")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_check_journal_year)]


@dataclass(frozen=True, slots=True)
class JournalLineView:
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
async def show_access_history(
    request: Request,
    visitor: Citizen,
    session: Transaction,
    voor: Annotated[Instant | None, Query()] = None,
    regel: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """Show the newest lines about the visitor; `voor` and `regel` are the pagination cursor."""
    before = JournalCursor(voor, regel) if voor is not None and regel is not None else None
    found = await load_line_groups(session, visitor.person_id, limit=PAGE_SIZE, before=before)
    shown = [group for group in found.groups if group.line.act not in _UNLISTED_ACTS]
    looks = await _describe_lines(request, session, visitor, shown)
    older = _cursor_after(found.older) if found.older else None
    return render_page(request, "inzage.html", days=_group_by_day(looks), older=older, first=before is None)


def _cursor_after(line: JournalEntry) -> JournalCursor:
    """Return the pagination cursor after this line. An impossible time is replaced by a valid one."""
    is_possible = line.occurred_at.year in _JOURNAL_YEARS
    return JournalCursor(line.occurred_at if is_possible else datetime(_JOURNAL_YEARS[0], 1, 1, tzinfo=UTC), line.id)


def _group_by_day(looks: Iterable[JournalLineView]) -> list[tuple[date | None, list[JournalLineView]]]:
    return [(day, list(group)) for day, group in groupby(looks, lambda look: look.at and to_dutch_date(look.at))]


async def _describe_lines(
    request: Request, session: AsyncSession, visitor: Visitor, groups: list[LineGroup]
) -> list[JournalLineView]:
    lines = [group.line for group in groups]
    people = views.PersonNames(session, oauth_services(request).keyring)
    under = {line.machtiging_id for line in lines if line.machtiging_id is not None}
    purposes = await load_purposes_of_giver(session, under, visitor.person_id)
    letters = await find_own_berichten(session, visitor.person_id, _collect_letter_ids(lines))
    names = await views.load_agency_names(session)
    apps = {client_id: await _load_app_name(session, client_id) for client_id in {line.client_id for line in lines}}
    behalf = {line.on_behalf_of for line in lines if line.on_behalf_of is not None}
    organisations = await load_organisation_names(session, behalf)
    looks = []
    for line, count in ((group.line, group.count) for group in groups):
        refused = line.outcome == JournalOutcome.REFUSED
        letter = letters.get(str(_parse_letter_id(line)))
        mine = line.machtiging_id if line.machtiging_id in purposes else None
        looks.append(
            JournalLineView(
                at=line.occurred_at if line.occurred_at.year in _JOURNAL_YEARS else None,
                who=await _describe_actor(people, visitor, line, apps[line.client_id])
                + _describe_organisation(organisations, line),
                what=_describe_act(line, names.agency_name(letter.afzender) if letter else None, refused=refused),
                refused=refused,
                reason=_describe_reason(line),
                bericht_id=letter.bericht_id if letter else None,
                app=None if line.actor_id is None and line.capacity != OPERATOR else apps[line.client_id],
                machtiging_id=mine,
                purpose=None if mine is None else purposes[mine],
                times=count,
            )
        )
    return looks


def _describe_organisation(names: Mapping[UUID, str], line: JournalEntry) -> str:
    """Return the organisation for which somebody acted, as the end of a name."""
    name = None if line.on_behalf_of is None else names.get(line.on_behalf_of)
    return "" if name is None or line.capacity == Capacity.SELF else f", namens {name},"


def _describe_reason(line: JournalEntry) -> str | None:
    if line.outcome not in _OUTCOMES:
        return get_sentence("labels.outcome_unknown")
    return labels.describe_reason(line.reason) if line.outcome == JournalOutcome.REFUSED else None


def _describe_act(line: JournalEntry, sender: str | None, *, refused: bool) -> str:
    by_app = line.actor_id is None and line.client_id is not None and line.capacity != OPERATOR
    description = labels.describe_act(line.act, refused=refused, sender=sender, by_app=by_app)
    return description + labels.describe_check_kind(line.facts)


async def _describe_actor(people: views.PersonNames, visitor: Visitor, line: JournalEntry, app: str | None) -> str:
    if line.capacity == OPERATOR:
        return "Een beheerder"
    if line.actor_id is None:  # then the app acted by itself
        return "Iemand" if app is None else f"De app {app}"
    return _YOU if line.actor_id == visitor.person_id else await people.load_name(PersonId(line.actor_id))


async def _load_app_name(session: AsyncSession, client_id: str | None) -> str | None:
    if client_id is None:
        return None
    return await oauth.find_client_name(session, client_id) or "een app die niet meer bestaat"


def _collect_letter_ids(lines: list[JournalEntry]) -> set[UUID]:
    return {found for line in lines if (found := _parse_letter_id(line)) is not None}


def _parse_letter_id(line: JournalEntry) -> UUID | None:
    """Return the id of the letter or attachment of a line, if valid."""
    if not line.object_id or line.object_kind not in ("bericht", "bijlage"):
        return None
    try:
        return UUID(line.object_id)
    except ValueError:
        return None
