"""The start page: a menu of tasks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.identity.session import OptionalVisitor
from machtiging.notifications.delivery_failures import count_unread_undelivered
from machtiging.oauth.ciba.queries import count_pending_requests
from machtiging.oauth.dependencies import oauth_services
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_start_page(request: Request, _: Public, visitor: OptionalVisitor, session: Transaction) -> HTMLResponse:
    """Show the start page: tasks and pending items for a visitor, else how it works."""
    at = oauth_services(request).clock.now()
    waiting = 0 if visitor is None else await count_pending_requests(session, visitor.person_id, at)
    unmailed = 0 if visitor is None else await count_unread_undelivered(session, visitor.person_id, at=at)
    return render_page(request, "start.html", visitor=visitor, waiting=waiting, unmailed=unmailed)
