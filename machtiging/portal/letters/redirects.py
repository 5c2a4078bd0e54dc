"""Permanent redirects from the former URLs of the letters."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse

from machtiging.web.doors import Public

router = APIRouter(include_in_schema=False)
_FORMER_PATH = "/berichten"


@router.get("/berichten")
@router.get("/berichten/{rest:path}")
async def redirect_to_letters(request: Request, _: Public) -> RedirectResponse:
    """Redirect to the same page under `/brieven`. Never an open redirect: the target is a path of this site."""
    rest = request.url.path.removeprefix(_FORMER_PATH)
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse("/brieven" + quote(rest) + ("?" + query if query else ""), 308)
