"""Error pages with the visitor's menu, and the response to a form without session.

A form post is never redirected to the login: that is another origin, which `form-action 'self'` silently blocks (CSP
Level 3, 6.4.2). The response is a page of our own with a link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from machtiging.crypto import secrets
from machtiging.identity.csrf import CSRF_FIELD, FormExpired, check_origin
from machtiging.identity.form_recovery import FormPairs, find_form_owner, read_browser_token, save_form, set_form_cookie
from machtiging.identity.rules import LoginRequest, build_login_path
from machtiging.identity.session import SESSION_COOKIE, Visitor, authenticate_session
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault, LevelTooLow, MachtigingError, NotAllowed, NotAuthenticated
from machtiging.kernel.ids import PersonId
from machtiging.message_catalogue import describe_refusal
from machtiging.oauth.authorize.consent_page import CHOICE_PARAMETER
from machtiging.oauth.dependencies import oauth_services
from machtiging.oauth.openid.routes import PATH as LOGOUT
from machtiging.oauth.openid.rp_initiated_logout import LOGOUT_PARAMETERS
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.errors.responses import wants_page
from machtiging.web.framework_internals import find_exception_handler
from machtiging.web.page_urls import find_canonical_url, find_nearest_page
from machtiging.web.pages import render_page

# As in Starlette, whose own type allows synchronous handlers too.
Handler = Callable[[Request, Any], Any]
_MAX_FIELDS = 200
# Form fields that are also in the query of its page.
_QUERY_FIELDS = {"/authorize": ("client_id", "request_uri", CHOICE_PARAMETER), LOGOUT: LOGOUT_PARAMETERS}


class _InterruptedForm:
    """A submitted form that was not processed: its fields and the URL of its page."""

    def __init__(self, request: Request, pairs: FormPairs) -> None:
        self.request = request
        self.csrf_token = next((value for name, value in pairs if name == CSRF_FIELD), "")
        self.pairs = [(name, value) for name, value in pairs if name != CSRF_FIELD]
        self.page = find_nearest_page(request)
        named = [(name, value) for name, value in self.pairs if name in _QUERY_FIELDS.get(self.page, ())]
        # Not an open redirect: the page is one of our own routes.
        self.address = self.page + ("?" + urlencode(named) if named else "")
        self.token = read_browser_token(request) or secrets.generate_token()
        self.is_saved = False

    async def save_form(self, expected_owner: PersonId | None = None) -> PersonId | None:
        """Save the form for its owner, if known and equal to `expected_owner`; return the owner."""
        services = oauth_services(self.request)
        at = services.clock.now()
        async with unit_of_work(services.sessions) as session:
            owner = await find_form_owner(session, self.csrf_token, at=at)
            if owner is not None and expected_owner in (None, owner):
                place = (self.token, self.address)
                self.is_saved = await save_form(session, services.keyring, owner, place, self.pairs, at=at)
        return owner

    def set_cookie(self, response: Response) -> Response:
        """Return the response, with the browser token cookie if a form was saved."""
        if self.is_saved:
            set_form_cookie(response, self.token)
        return response


def install(app: FastAPI) -> None:
    """Install these handlers; after `web.errors.handlers.install_error_handlers`, which provides the others."""
    others: Handler = find_exception_handler(app, MachtigingError)
    http: Handler = find_exception_handler(app, HTTPException)

    async def handle_interruption(request: Request, error: Exception) -> Response:
        return await _handle_interruption(request, error, others)

    async def handle_http_exception(request: Request, error: Exception) -> Response:
        return await _handle_not_found(request, error, http)

    for kind in (NotAuthenticated, LevelTooLow, FormExpired):
        app.add_exception_handler(kind, handle_interruption)
    app.add_exception_handler(HTTPException, handle_http_exception)


async def _handle_interruption(request: Request, error: Exception, next_handler: Handler) -> Response:
    logged_out = isinstance(error, NotAuthenticated)
    other_kind = logged_out and getattr(error, "code", "") != "niet_ingelogd"
    if request.method != "POST" or not wants_page(request) or other_kind:
        return await _call_handler(next_handler, request, error)
    try:
        check_origin(request)
    except NotAllowed as refusal:
        return await _call_handler(next_handler, request, refusal)
    sent = _InterruptedForm(request, await _read_form_pairs(request))
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    try:
        owner = await sent.save_form(None if visitor is None or logged_out else visitor.person_id)
    except Fault:
        owner = None  # database unreachable: nothing is saved, and the page says so
    if isinstance(error, FormExpired):
        return await _respond_to_expired_form(sent, visitor, owner, error, next_handler)
    return _render_login_required(sent, error)


async def _call_handler(handler: Handler, request: Request, error: Exception) -> Response:
    response: Response = await handler(request, error)
    return response


async def _read_form_pairs(request: Request) -> FormPairs:
    try:
        form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    except HTTPException:
        return []
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


async def _respond_to_expired_form(
    sent: _InterruptedForm, visitor: Visitor | None, owner: PersonId | None, error: FormExpired, next_handler: Handler
) -> Response:
    """Restore the form of the same person after a new login, for submitting again."""
    if visitor is None or owner is None:
        return await _call_handler(next_handler, sent.request, error)
    if owner != visitor.person_id:
        return render_page(sent.request, "formulier_van_ander.html", status=403, address=sent.address)
    if sent.page in _QUERY_FIELDS:
        # These pages may redirect to another origin, which `form-action` forbids after a form post.
        return sent.set_cookie(render_page(sent.request, "formulier_terug.html", address=sent.address))
    return sent.set_cookie(RedirectResponse(sent.address, 303))


def _render_login_required(sent: _InterruptedForm, error: Exception) -> Response:
    level = Assurance(error.level) if isinstance(error, LevelTooLow) else Assurance.SUBSTANTIAL
    link = build_login_path(LoginRequest(sent.address, level, None))
    why = describe_refusal(error) if isinstance(error, LevelTooLow) else None
    if why is None:
        sent.request.state.visitor = None
    return sent.set_cookie(
        render_page(sent.request, "te_lang_weg.html", status=401, link=link, kept=sent.is_saved, why=why)
    )


async def _handle_not_found(request: Request, error: Exception, next_handler: Handler) -> Response:
    """Redirect a misspelled page URL to its canonical one; else show 404 with the menu.

    Requests by programs get the ordinary problem response.
    """
    if not wants_page(request):
        return await _call_handler(next_handler, request, error)
    if request.method in {"GET", "HEAD"} and isinstance(error, HTTPException) and error.status_code == 404:
        address = find_canonical_url(request)
        if address is not None:
            return RedirectResponse(address, 308)
    if not hasattr(request.state, "visitor"):
        await _find_visitor(request)
    return await _call_handler(next_handler, request, error)


async def _find_visitor(request: Request) -> None:
    services, token = oauth_services(request), request.cookies.get(SESSION_COOKIE)
    if token is None:
        return
    try:
        async with unit_of_work(services.sessions) as session:
            found = authenticate_session(
                session, services.keyring, token, services.session_limits, at=services.clock.now()
            )
            request.state.visitor = await found
    except Fault:
        return  # database unreachable: show the 404 page without a menu
