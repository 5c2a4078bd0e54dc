"""The first page: what one can do here."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.identity.session import PerhapsVisitor
from machtiging.web.doors import Public
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request, _: Public, visitor: PerhapsVisitor) -> HTMLResponse:
    """For everybody; who is logged in sees where to go, who is not how to log in."""
    return page(request, "start.html", visitor=visitor)
