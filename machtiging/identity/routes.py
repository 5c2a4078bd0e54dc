"""Login and logout routes: redirect to the broker, callback, logout."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from machtiging.crypto import secrets
from machtiging.identity import attempts, login
from machtiging.identity.attempts import Attempt
from machtiging.identity.broker import Broker
from machtiging.identity.csrf import check_form
from machtiging.identity.dependencies import identity_services
from machtiging.identity.errors import CANCELLED, LoginFailed, VouchedLoginFailed, explanation_of
from machtiging.identity.rules import HOME, Answer, Login, Wish, safe_return_path, way_to_login
from machtiging.identity.session import COOKIE, PerhapsVisitor, clear_cookie, set_cookie
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput
from machtiging.storage.reserved import reserve_connection, sessions_for
from machtiging.storage.unit_of_work import Transaction, unit_of_work
from machtiging.web.doors import Public
from machtiging.web.http_methods.head import head_response, is_head
from machtiging.web.pages import page

router = APIRouter(include_in_schema=False)
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")


def _wish(
    terug: Annotated[str, Query()] = HOME,
    niveau: Annotated[str, Query()] = Assurance.SUBSTANTIAL.value,
    login_hint: Annotated[str | None, Query(max_length=100)] = None,
    opnieuw: Annotated[str, Query()] = "",
) -> Wish:
    """Parse the query parameters of the login page. Raises InvalidInput `niveau_onbekend`."""
    try:
        requested = Assurance(niveau)
    except ValueError as error:
        raise InvalidInput("niveau_onbekend", "Dit inlogniveau kennen wij niet.") from error
    return Wish(safe_return_path(terug), requested, login_hint, fresh=opnieuw == "ja")


@router.get("/inloggen")
@reserve_connection
async def start_login(
    request: Request, session: Transaction, wish: Annotated[Wish, Depends(_wish)], _door: Public
) -> Response:
    """Redirect the browser to the broker. A cookie binds the attempt to this browser.

    An unreachable broker is logged and not journalled: no login has started, and anybody can request this page.
    """
    if is_head(request):  # begins no login
        return head_response("text/html")
    services = identity_services(request)
    at = services.clock.now()
    broker = services.broker
    try:
        metadata = await broker.metadata(at=at)
    except LoginFailed as failure:
        login.log_failure(failure)
        return _explained(request, failure, wish)
    # Tabs of one browser share the cookie, so that parallel logins do not break each other.
    browser = _browser(request) or secrets.random_token()
    begun = await attempts.begin(session, browser, wish, at=at)
    hint = wish.login_hint if services.practice else None
    response = RedirectResponse(broker.authorization_url(metadata, begun, hint), 303)
    age = int(attempts.VALID.total_seconds())
    response.set_cookie(attempts.COOKIE, browser, max_age=age, secure=True, httponly=True, samesite="lax", path="/")
    return response


def _browser(request: Request) -> str | None:
    offered = request.cookies.get(attempts.COOKIE, "")
    return offered if _BROWSER.fullmatch(offered) else None


def _answer(
    state: Annotated[str, Query()] = "",
    code: Annotated[str, Query()] = "",
    error: Annotated[str | None, Query()] = None,
    iss: Annotated[str | None, Query()] = None,
) -> Answer:
    """Parse the authorization response of the broker (RFC 6749 section 4.1.2, RFC 9207)."""
    return Answer(state, code, error, iss)


@router.get("/inloggen/terug")
@reserve_connection
async def finish_login(request: Request, answer: Annotated[Answer, Depends(_answer)], _door: Public) -> Response:
    """Handle the callback of the broker: consume the attempt, redeem the code, start the session.

    There are two units of work. The attempt is consumed before the broker is called. No database connection is held
    during the call to the broker.
    """
    if is_head(request):  # uses no attempt up
        return head_response("text/html")
    services = identity_services(request)
    at = services.clock.now()
    try:
        attempt = await _taken(request, answer, at)
    except LoginFailed as failure:
        await _noted(request, failure, at)
        return _explained(request, failure, Wish(HOME, Assurance.SUBSTANTIAL, None))
    try:
        vouched = await _redeemed(services.broker, answer, attempt, at)
    except LoginFailed as failure:
        await _noted(request, failure, at)
        return _explained(request, failure, Wish(attempt.return_to, attempt.requested, None, attempt.fresh))
    at, old = services.clock.now(), request.cookies.get(COOKIE)
    async with unit_of_work(sessions_for(request)) as session:
        made = await login.establish(session, services.keyring, vouched, old, services.session_limits, at=at)
        if made.over is not None:
            await services.on_session_end(session, made.over, at=at)
        if made.new_address_of is not None:
            await services.on_new_address(session, made.new_address_of, at=at)
    response = RedirectResponse(attempt.return_to, 303)
    set_cookie(response, made.token)
    return response


async def _noted(request: Request, failure: LoginFailed, at: datetime) -> None:
    if not isinstance(failure, VouchedLoginFailed):
        # Anybody can call this without a valid login. The journal is kept forever, so it must not be flooded.
        login.log_failure(failure)
        return
    async with unit_of_work(sessions_for(request)) as session:
        await login.note_failure(session, failure, at=at)


async def _taken(request: Request, answer: Answer, at: datetime) -> Attempt:
    async with unit_of_work(sessions_for(request)) as session:
        return await attempts.take(session, answer.state, _browser(request), at=at)


async def _redeemed(broker: Broker, answer: Answer, attempt: Attempt, at: datetime) -> Login:
    await broker.check_sender(answer.issuer, at=at)
    if answer.error is not None:
        # Only the error code is used. The broker's free text is ignored.
        raise LoginFailed(CANCELLED if answer.error == "access_denied" else "broker_meldt_fout")
    if not answer.code:
        raise LoginFailed("broker_antwoord_ongeldig")
    return await broker.redeem(answer.code, attempt, at=at)


def _explained(request: Request, failure: LoginFailed, wish: Wish) -> Response:
    """Render the page about a failed login, with a link to try again."""
    told = explanation_of(failure)
    again = way_to_login(wish)
    response = page(
        request, "inloggen_mislukt.html", status=told.status, told=told, reason=failure.code, again=again, visitor=None
    )
    if told.status == 503:
        response.headers["Retry-After"] = "60"
    return response


@router.get("/uitloggen")
async def ask_to_log_out(request: Request, visitor: PerhapsVisitor, _door: Public) -> Response:
    """Show the logout button, for visitors that open the URL directly."""
    return page(request, "uitloggen_bevestigen.html", visitor=visitor)


@router.post("/uitloggen")
@reserve_connection
async def log_out(request: Request, session: Transaction, visitor: PerhapsVisitor, _door: Public) -> Response:
    """End the session and redirect to the start page. Raises NotAllowed `formulier_verlopen`.

    Without an active session it only redirects.
    """
    services = identity_services(request)
    if visitor is not None:
        await check_form(request, visitor)
        at = services.clock.now()
        over = await login.close(session, request.cookies.get(COOKIE), "uitgelogd", at=at)
        if over is not None:
            await services.on_session_end(session, over, at=at)
    response = RedirectResponse(HOME, 303)
    clear_cookie(response)
    return response
