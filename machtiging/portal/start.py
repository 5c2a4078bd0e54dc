"""The start page: a menu of tasks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.identity.session import PerhapsVisitor
from machtiging.notifications.undelivered import count_unseen_undelivered
from machtiging.oauth.ciba.queries import how_many_wait_for
from machtiging.oauth.dependencies import oauth_services
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request, _: Public, visitor: PerhapsVisitor, session: Transaction) -> HTMLResponse:
    """Show the start page: tasks and pending items for a visitor, else how it works."""
    at = oauth_services(request).clock.now()
    waiting = 0 if visitor is None else await how_many_wait_for(session, visitor.person_id, at)
    unmailed = 0 if visitor is None else await count_unseen_undelivered(session, visitor.person_id, at=at)
    return page(request, "start.html", visitor=visitor, waiting=waiting, unmailed=unmailed)
