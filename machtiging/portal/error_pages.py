"""Error pages that know who is logged in, and an answer at once to a form whose session is over.

A form is never answered with a redirect to the login: that leads to another origin, which `form-action 'self'` blocks
in browsers without a visible sign (CSP Level 3, 6.4.2). The answer is a page of our own with a link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from machtiging.crypto import secrets
from machtiging.identity.csrf import FIELD, FormExpired, check_origin
from machtiging.identity.kept_forms import Pairs, browser_token, find_form_owner, keep_form, set_form_cookie
from machtiging.identity.rules import Wish, way_to_login
from machtiging.identity.session import COOKIE, Visitor, visitor_behind
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault, LevelTooLow, MachtigingError, NotAllowed, NotAuthenticated
from machtiging.kernel.ids import PersonId
from machtiging.oauth.openid.logout import ASKED
from machtiging.oauth.openid.routes import PATH as LOGOUT
from machtiging.storage.unit_of_work import unit_of_work
from machtiging.web.pages import canonical_address, nearest_page, page
from machtiging.web.problems import wants_page

# As Starlette keeps them: its own type allows handlers that are not asynchronous, too.
Handler = Callable[[Request, Any], Any]
_MOST_FIELDS = 200
# Fields of a form that stand in the address of its page, too.
_IN_THE_ADDRESS = {"/authorize": ("client_id", "request_uri"), LOGOUT: ASKED}


class _Interruption:
    """A form that was sent and not taken: what it holds, and the address of the page that it stands on."""

    def __init__(self, request: Request, pairs: Pairs) -> None:
        self.request = request
        self.csrf_token = next((value for name, value in pairs if name == FIELD), "")
        self.pairs = [(name, value) for name, value in pairs if name != FIELD]
        self.page = nearest_page(request)
        named = [(name, value) for name, value in self.pairs if name in _IN_THE_ADDRESS.get(self.page, ())]
        # Of a page that one of our own routes answers, so it leads nowhere else.
        self.address = self.page + ("?" + urlencode(named) if named else "")
        self.token = browser_token(request) or secrets.random_token()
        self.kept = False

    async def keep(self, wanted: PersonId | None = None) -> PersonId | None:
        """Keep the form for its owner, if we know one and it is nobody else than `wanted`; tells who it is."""
        state = self.request.app.state
        at = state.clock.now()
        async with unit_of_work(state.sessions) as session:
            owner = await find_form_owner(session, self.csrf_token, at=at)
            if owner is not None and wanted in (None, owner):
                place = (self.token, self.address)
                self.kept = await keep_form(session, state.keyring, owner, place, self.pairs, at=at)
        return owner

    def with_cookie(self, response: Response) -> Response:
        """The answer; with the token of the browser when there is something to find by it."""
        if self.kept:
            set_form_cookie(response, self.token)
        return response


def install(app: FastAPI) -> None:
    """Give an application these answers; after `web.problems.install`, which gives all others."""
    others: Handler = app.exception_handlers[MachtigingError]
    http: Handler = app.exception_handlers[HTTPException]

    async def on_interruption(request: Request, error: Exception) -> Response:
        return await _interrupted(request, error, others)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        return await _not_there(request, error, http)

    for kind in (NotAuthenticated, LevelTooLow, FormExpired):
        app.add_exception_handler(kind, on_interruption)
    app.add_exception_handler(HTTPException, on_http_exception)


async def _interrupted(request: Request, error: Exception, others: Handler) -> Response:
    logged_out = isinstance(error, NotAuthenticated)
    other_kind = logged_out and getattr(error, "code", "") != "niet_ingelogd"
    if request.method != "POST" or not wants_page(request) or other_kind:
        return await _answered(others, request, error)
    try:
        check_origin(request)
    except NotAllowed as refusal:
        return await _answered(others, request, refusal)
    sent = _Interruption(request, await _pairs(request))
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    try:
        owner = await sent.keep(None if visitor is None or logged_out else visitor.person_id)
    except Fault:
        owner = None  # the storage is away: nothing is kept, and what is said about the form is true all the same
    if isinstance(error, FormExpired):
        return await _expired(sent, visitor, owner, error, others)
    return _log_in_first(sent, error)


async def _answered(handler: Handler, request: Request, error: Exception) -> Response:
    response: Response = await handler(request, error)
    return response


async def _pairs(request: Request) -> Pairs:
    try:
        form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    except HTTPException:
        return []
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


async def _expired(
    sent: _Interruption, visitor: Visitor | None, owner: PersonId | None, error: FormExpired, others: Handler
) -> Response:
    """The same person has logged in again: her form comes back, filled, and is hers to send again."""
    if visitor is None or owner is None:
        return await _answered(others, sent.request, error)
    if owner != visitor.person_id:
        return page(sent.request, "formulier_van_ander.html", status=403, address=sent.address)
    if sent.page in _IN_THE_ADDRESS:
        # These pages may lead on to another origin, and a form is held to ours over redirects.
        return sent.with_cookie(page(sent.request, "formulier_terug.html", address=sent.address))
    return sent.with_cookie(RedirectResponse(sent.address, 303))


def _log_in_first(sent: _Interruption, error: Exception) -> Response:
    level = Assurance(error.level) if isinstance(error, LevelTooLow) else Assurance.SUBSTANTIAL
    link = way_to_login(Wish(sent.address, level, None))
    why = error.public if isinstance(error, LevelTooLow) else None
    if why is None:
        sent.request.state.visitor = None
    return sent.with_cookie(page(sent.request, "te_lang_weg.html", status=401, link=link, kept=sent.kept, why=why))


async def _not_there(request: Request, error: Exception, others: Handler) -> Response:
    """A page whose address is written a little differently is found; else the page says so, with the menu of who asks.

    What a program asks stays as it is.
    """
    if not wants_page(request):
        return await _answered(others, request, error)
    if request.method in {"GET", "HEAD"} and isinstance(error, HTTPException) and error.status_code == 404:
        address = canonical_address(request)
        if address is not None:
            return RedirectResponse(address, 308)
    if not hasattr(request.state, "visitor"):
        await _find_visitor(request)
    return await _answered(others, request, error)


async def _find_visitor(request: Request) -> None:
    state, token = request.app.state, request.cookies.get(COOKIE)
    if token is None:
        return
    try:
        async with unit_of_work(state.sessions) as session:
            found = visitor_behind(session, state.keyring, token, state.session_limits, at=state.clock.now())
            request.state.visitor = await found
    except Fault:
        return  # without the storage nobody is known, and the page that is not there is still not there
