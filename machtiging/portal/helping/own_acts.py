"""The acts of a helper under one machtiging, to show to the other person.

A refused act tells no more than the refusal did: no letter, no sender, no reason. A letter that the helper may not see
now has no sender either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse

from machtiging.access.actor import Actor
from machtiging.access.dependencies import access_services
from machtiging.audit.acts import UNLISTED_ACTS, JournalOutcome
from machtiging.audit.queries import JournalEntry, LineFilter, load_lines_for_person
from machtiging.berichtenbox.helping.listed_letters import find_listed_senders, parse_letter_id
from machtiging.identity.session import Citizen, Visitor
from machtiging.portal.access_history.filter import HistoryPosition
from machtiging.portal.access_history.lines import (
    JournalLineView,
    describe_line,
    fold_equal_lines,
    group_by_day,
)
from machtiging.portal.access_history.names import LineNames, load_line_names
from machtiging.portal.helping.box import MachtigingIdInPath, open_helped_box, require_visible_authority
from machtiging.portal.helping.paths import box_path
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 50


@router.get("/ik-help/{machtigingId}/wat-ik-deed")
@router.get("/werk/clienten/{machtigingId}/wat-ik-deed")
async def show_own_acts(
    request: Request,
    _machtiging_id: MachtigingIdInPath,
    visitor: Citizen,
    session: Transaction,
    position: Annotated[HistoryPosition, Query()],
) -> HTMLResponse:
    """List what the visitor did under this machtiging, newest first. Raises NotFound `machtiging_onbekend`.

    A page has a fixed number of lines of the journal, equal or not. Else its end would tell which letters exist.
    """
    services = access_services(request)
    at = services.clock.now()
    box = await open_helped_box(request, session, services.keyring, visitor, at=at)
    authority = require_visible_authority(box, visitor, at)
    mine = LineFilter(authority.machtiging_id, actor_id=visitor.person_id, excluded_acts=UNLISTED_ACTS)
    # By the person: the lines that are not sealed yet have no index by machtiging.
    found = await load_lines_for_person(
        session, authority.vertegenwoordigde_id, limit=PAGE_SIZE + 1, before=position.cursor, where=mine
    )
    page = found[:PAGE_SIZE]
    lines = await _describe_lines(request, session, visitor, box.actor, page)
    box_page = box_path(request, authority.machtiging_id)
    path = f"{box_page}/wat-ik-deed"
    return render_page(
        request,
        "helping_own_acts.html",
        on_behalf_of=box.owner_name,
        days=group_by_day(fold_equal_lines(lines)),
        box=box_page,
        purpose=authority.leaf.purpose,
        made_at=at,
        newest=path if position.cursor else "",
        older=position.make_older_link(path, page[-1]) if len(found) > PAGE_SIZE else "",
    )


async def _describe_lines(
    request: Request, session: AsyncSession, visitor: Visitor, actor: Actor, lines: Sequence[JournalEntry]
) -> list[JournalLineView]:
    services = access_services(request)
    ids = {letter_id for line in lines if (letter_id := parse_letter_id(line)) is not None}
    senders = await find_listed_senders(session, services.policy, actor, ids, at=services.clock.now())
    # The lines are told to the other person: "you" is the giver.
    loaded = await load_line_names(session, services.keyring, actor.vertegenwoordigde_id, lines)
    people = {**loaded.people, visitor.person_id: visitor.name}
    names = replace(loaded, people=people, letters=senders)
    return [_describe_line(line, names) for line in lines]


def _describe_line(line: JournalEntry, names: LineNames) -> JournalLineView:
    if line.outcome != JournalOutcome.REFUSED:
        return describe_line(line, names)
    described = describe_line(replace(line, object_id=None), names)
    return replace(described, reason=None)
