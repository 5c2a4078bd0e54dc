"""The end_session_endpoint: the confirmation page and the logout."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from machtiging.identity import login
from machtiging.identity.csrf import check_form
from machtiging.identity.rules import HOME
from machtiging.identity.session import COOKIE, PerhapsVisitor, clear_cookie
from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.dependencies import issuer_of, oauth_services
from machtiging.oauth.openid.logout import ASKED, LogoutRequest, read
from machtiging.storage.reserved import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.headers import CSP_PAGE
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
PATH, CONFIRM = "/logout", "/logout/bevestigen"


async def _asked(request: Request, session: AsyncSession, pairs: Sequence[tuple[str, str]]) -> LogoutRequest:
    return await read(session, issuer_of(oauth_services(request)), pairs)


async def _posted(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_files=0, max_fields=20)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


@router.get(PATH)
@reserve_connection
async def ask_to_log_out(request: Request, session: Transaction, visitor: PerhapsVisitor, _door: Public) -> Response:
    """Show the confirmation page. Without a session, finish at once."""
    asked = await _asked(request, session, request.query_params.multi_items())
    if visitor is None:
        return _done(request, asked, ask_first=not asked.vouched)
    response = page(request, "uitloggen.html", asked=asked, confirm=CONFIRM, visitor=visitor)
    if asked.back is not None:
        parts = urlsplit(asked.back)
        # Browsers apply `form-action` to redirects after a form too.
        allowed = f"form-action 'self' {parts.scheme}://{parts.netloc}"
        response.headers["content-security-policy"] = CSP_PAGE.replace("form-action 'self'", allowed)
    return response


@router.post(PATH)
async def asked_by_form(request: Request, _door: Public) -> Response:
    """Redirect a POST request to GET.

    A cross-site form comes without our cookie; the browser sends it with the redirect.
    """
    pairs = [(name, value) for name, value in await _posted(request) if name in ASKED]
    return RedirectResponse(PATH + "?" + urlencode(pairs) if pairs else PATH, 303)


@router.post(CONFIRM)
@reserve_connection
async def log_out(request: Request, session: Transaction, visitor: PerhapsVisitor, _door: Public) -> Response:
    """Carry out the person's decision.

    Raises NotAllowed `formulier_verlopen`, InvalidInput `besluit_ontbreekt`.
    """
    services = oauth_services(request)
    pairs = await _posted(request)
    asked = await _asked(request, session, pairs)
    if visitor is None:
        return _done(request, asked, ask_first=True)
    await check_form(request, visitor)
    decision = dict(pairs).get("besluit")
    if decision not in ("uitloggen", "blijven"):
        raise InvalidInput("besluit_ontbreekt", "Kies of u wilt uitloggen of ingelogd blijft.")
    if decision == "blijven":
        return RedirectResponse(HOME, 303)
    at = services.clock.now()
    over = await login.close(session, request.cookies.get(COOKIE), "uitgelogd_via_app", at=at)
    if over is not None:
        await services.on_session_end(session, over, at=at)
    response = _done(request, asked, ask_first=False)
    clear_cookie(response)
    return response


def _done(request: Request, asked: LogoutRequest, *, ask_first: bool) -> Response:
    """Redirect to the client, or show a page.

    Without a decision of the person, only a valid ID token hint allows the redirect.
    """
    if asked.back is not None and not ask_first:
        return RedirectResponse(asked.back, 303)
    request.state.visitor = None
    return page(request, "uitgelogd.html", asked=asked, visitor=None)
