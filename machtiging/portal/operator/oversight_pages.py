"""`/beheer/journaal`: whether the records of the service are sound."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import AccessServices
from machtiging.audit.journal_state import MAX_COUNTED, load_journal_state
from machtiging.dependencies import request_services
from machtiging.identity.session import Auditor
from machtiging.portal.public_pages.dependencies import PortalServices
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)


@router.get("/beheer/journaal")
async def show_journal_state(request: Request, _visitor: Auditor, session: Transaction) -> HTMLResponse:
    """Show how far the journal is sealed, and the background work that fails now."""
    problems = request_services(request, PortalServices).background.describe_problems()
    state = await load_journal_state(session)
    at = request_services(request, AccessServices).clock.now()
    late = 0 if state.oldest_waiting_at is None else max(0, int((at - state.oldest_waiting_at).total_seconds()))
    values: dict[str, Any] = {"state": state, "problems": problems, "late": late, "max_counted": MAX_COUNTED}
    return render_page(request, "operator_journal.html", **values)
