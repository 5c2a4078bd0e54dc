"""The end_session_endpoint: the confirmation page and the logout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from machtiging.identity import login
from machtiging.identity.csrf import verify_csrf
from machtiging.identity.rules import HOME
from machtiging.identity.session import SESSION_COOKIE, OptionalVisitor, clear_session_cookie
from machtiging.kernel.errors import InvalidInput
from machtiging.oauth.dependencies import build_issuer, oauth_services
from machtiging.oauth.openid.rp_initiated_logout import LOGOUT_PARAMETERS, LogoutRequest, load_logout_request
from machtiging.storage.reserved_connections import reserve_connection
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.doors import Public
from machtiging.web.headers import CSP_PAGE
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PATH, CONFIRM_PATH = "/logout", "/logout/bevestigen"


async def _read_logout_request(
    request: Request, session: AsyncSession, pairs: Sequence[tuple[str, str]]
) -> LogoutRequest:
    return await load_logout_request(session, build_issuer(oauth_services(request)), pairs)


async def _read_form_pairs(request: Request) -> list[tuple[str, str]]:
    form = await request.form(max_files=0, max_fields=20)
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


@router.get(PATH)
@reserve_connection
async def show_logout_page(request: Request, session: Transaction, visitor: OptionalVisitor, _door: Public) -> Response:
    """Show the confirmation page. Without a session, finish at once."""
    logout_request = await _read_logout_request(request, session, request.query_params.multi_items())
    if visitor is None:
        return _finish_logout(request, logout_request, ask_first=not logout_request.has_id_token_hint)
    response = render_page(
        request,
        "uitloggen.html",
        asked=logout_request,
        confirm=CONFIRM_PATH,
        visitor=visitor,
        return_path=_build_address(logout_request.parameters.items()),
    )
    if logout_request.back is not None:
        parts = urlsplit(logout_request.back)
        # Browsers apply `form-action` to redirects after a form too.
        allowed = f"form-action 'self' {parts.scheme}://{parts.netloc}"
        response.headers["content-security-policy"] = CSP_PAGE.replace("form-action 'self'", allowed)
    return response


@router.post(PATH)
async def redirect_posted_request(request: Request, _door: Public) -> Response:
    """Redirect a POST request to GET.

    A cross-site form comes without our cookie; the browser sends it with the redirect.
    """
    pairs = [(name, value) for name, value in await _read_form_pairs(request) if name in LOGOUT_PARAMETERS]
    return RedirectResponse(_build_address(pairs), 303)


def _build_address(pairs: Iterable[tuple[str, str]]) -> str:
    query = urlencode(list(pairs))
    return f"{PATH}?{query}" if query else PATH


@router.post(CONFIRM_PATH)
@reserve_connection
async def confirm_logout(request: Request, session: Transaction, visitor: OptionalVisitor, _door: Public) -> Response:
    """Carry out the person's decision.

    Raises NotAllowed `formulier_verlopen`, InvalidInput `besluit_ontbreekt`.
    """
    services = oauth_services(request)
    pairs = await _read_form_pairs(request)
    logout_request = await _read_logout_request(request, session, pairs)
    if visitor is None:
        return _finish_logout(request, logout_request, ask_first=True)
    await verify_csrf(request, visitor)
    decision = dict(pairs).get("besluit")
    if decision not in ("uitloggen", "blijven"):
        raise InvalidInput("besluit_ontbreekt", message="besluit_ontbreekt.logout")
    if decision == "blijven":
        return RedirectResponse(HOME, 303)
    at = services.clock.now()
    over = await login.end_and_journal_session(session, request.cookies.get(SESSION_COOKIE), "uitgelogd_via_app", at=at)
    if over is not None:
        await services.on_session_end(session, over, at=at)
    response = _finish_logout(request, logout_request, ask_first=False)
    clear_session_cookie(response)
    return response


def _finish_logout(request: Request, logout_request: LogoutRequest, *, ask_first: bool) -> Response:
    """Redirect to the client, or show a page.

    Without a decision of the person, only a valid ID token hint allows the redirect.
    """
    if logout_request.back is not None and not ask_first:
        return RedirectResponse(logout_request.back, 303)
    request.state.visitor = None
    address = _build_address(logout_request.parameters.items())
    return render_page(request, "uitgelogd.html", asked=logout_request, visitor=None, return_path=address)
