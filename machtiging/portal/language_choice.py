"""The switch of language: a cookie for the pages, and a preference for e-mails."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse

from machtiging.identity.csrf import check_origin
from machtiging.identity.people import remember_language
from machtiging.identity.rules import safe_return_path
from machtiging.identity.session import OptionalVisitor
from machtiging.kernel.errors import InvalidInput
from machtiging.message_catalogue import LANGUAGES
from machtiging.portal.forms import read_submitted_form
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.language import LANGUAGE_COOKIE

router = APIRouter(include_in_schema=False)
_COOKIE_LIFETIME = timedelta(days=365)


@router.post("/taal")
async def submit_language(
    request: Request, _: Public, visitor: OptionalVisitor, session: Transaction
) -> RedirectResponse:
    """Keep the chosen language and return to the page. Raises InvalidInput `taal_onbekend`.

    Who is logged in gets e-mails in that language as well.
    """
    check_origin(request)
    sent = await read_submitted_form(request)
    language = sent.first_value("taal")
    if language not in LANGUAGES:
        raise InvalidInput("taal_onbekend")
    if visitor is not None:
        await remember_language(session, visitor.person_id, language)
    response = RedirectResponse(safe_return_path(sent.first_value("terug")), 303)
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=int(_COOKIE_LIFETIME.total_seconds()),
        secure=True,
        httponly=True,
        samesite="lax",
        path="/",
    )
    return response
