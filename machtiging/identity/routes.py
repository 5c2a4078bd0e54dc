"""Login and logout routes: redirect to the broker, callback, logout."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.crypto import secrets
from machtiging.identity import login, login_attempts
from machtiging.identity.broker import Broker
from machtiging.identity.csrf import CsrfProtected, verify_csrf
from machtiging.identity.dependencies import identity_services
from machtiging.identity.errors import LOGIN_CANCELLED, IdTokenRejected, LoginFailed, explain_login_failure
from machtiging.identity.login_attempts import PendingLogin
from machtiging.identity.rules import (
    HOME,
    BrokerResponse,
    LoginRequest,
    VerifiedLogin,
    build_login_path,
    safe_return_path,
)
from machtiging.identity.session import (
    SESSION_COOKIE,
    Citizen,
    OptionalVisitor,
    clear_session_cookie,
    extend_session,
    set_session_cookie,
)
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput
from machtiging.message_catalogue import get_sentence
from machtiging.storage.reserved_connections import choose_sessions, reserve_connection
from machtiging.storage.unit_of_work import Transaction, unit_of_work
from machtiging.web import correlation_ids
from machtiging.web.doors import Public
from machtiging.web.errors.responses import wants_page
from machtiging.web.http_methods.head import build_head_response, is_head
from machtiging.web.pages import format_time, render_page

router = APIRouter(include_in_schema=False)
EXTENSION_PAGE = "/blijf-ingelogd"
_BROWSER_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")


def _parse_login_request(
    terug: Annotated[str, Query()] = HOME,
    niveau: Annotated[str, Query()] = Assurance.SUBSTANTIAL.value,
    login_hint: Annotated[str | None, Query(max_length=100)] = None,
    opnieuw: Annotated[str, Query()] = "",
) -> LoginRequest:
    """Parse the query parameters of the login page. Raises InvalidInput `niveau_onbekend`."""
    try:
        requested = Assurance(niveau)
    except ValueError as error:
        raise InvalidInput("niveau_onbekend") from error
    return LoginRequest(safe_return_path(terug), requested, login_hint, reauthenticate=opnieuw == "ja")


@router.get("/inloggen")
@reserve_connection
async def start_login(
    request: Request,
    session: Transaction,
    login_request: Annotated[LoginRequest, Depends(_parse_login_request)],
    _door: Public,
) -> Response:
    """Redirect the browser to the broker. A cookie binds the attempt to this browser.

    An unreachable broker is logged and not journalled: no login has started, and anybody can request this page.
    """
    if is_head(request):  # begins no login
        return build_head_response("text/html")
    services = identity_services(request)
    at = services.clock.now()
    broker = services.broker
    try:
        metadata = await broker.load_metadata(at=at)
    except LoginFailed as failure:
        login.log_login_failure(failure)
        return _render_failure(request, failure, login_request)
    # Tabs of one browser share the cookie, so that parallel logins do not break each other.
    browser = _read_browser_token(request) or secrets.generate_token()
    attempt = await login_attempts.create_login_attempt(session, browser, login_request, at=at)
    hint = login_request.login_hint if services.practice else None
    response = RedirectResponse(broker.create_authorization_url(metadata, attempt, hint), 303)
    age = int(login_attempts.ATTEMPT_LIFETIME.total_seconds())
    response.set_cookie(
        login_attempts.LOGIN_COOKIE, browser, max_age=age, secure=True, httponly=True, samesite="lax", path="/"
    )
    return response


def _read_browser_token(request: Request) -> str | None:
    offered = request.cookies.get(login_attempts.LOGIN_COOKIE, "")
    return offered if _BROWSER_TOKEN_PATTERN.fullmatch(offered) else None


def _parse_broker_response(
    state: Annotated[str, Query()] = "",
    code: Annotated[str, Query()] = "",
    error: Annotated[str | None, Query()] = None,
    iss: Annotated[str | None, Query()] = None,
) -> BrokerResponse:
    """Parse the authorization response of the broker (RFC 6749 section 4.1.2, RFC 9207)."""
    return BrokerResponse(state, code, error, iss)


@router.get("/inloggen/terug")
@reserve_connection
async def finish_login(
    request: Request, broker_response: Annotated[BrokerResponse, Depends(_parse_broker_response)], _door: Public
) -> Response:
    """Handle the callback of the broker: consume the attempt, redeem the code, start the session.

    There are two units of work. The attempt is consumed before the broker is called. No database connection is held
    during the call to the broker.
    """
    if is_head(request):  # uses no attempt up
        return build_head_response("text/html")
    services = identity_services(request)
    at = services.clock.now()
    try:
        attempt = await _consume_attempt(request, broker_response, at)
    except LoginFailed as failure:
        await _record_failure(request, failure, at)
        return _render_failure(request, failure, LoginRequest(HOME, Assurance.SUBSTANTIAL, None))
    try:
        vouched = await _redeem_code(services.broker, broker_response, attempt, at)
    except LoginFailed as failure:
        await _record_failure(request, failure, at)
        return _render_failure(
            request, failure, LoginRequest(attempt.return_to, attempt.requested, None, attempt.reauthenticate)
        )
    session_token = await _start_session(request, vouched, services.clock.now())
    response = RedirectResponse(attempt.return_to, 303)
    set_session_cookie(response, session_token)
    return response


async def _start_session(request: Request, vouched: VerifiedLogin, at: datetime) -> str:
    """Start the session in one transaction with everything that a login changes. Returns its token."""
    services, old = identity_services(request), request.cookies.get(SESSION_COOKIE)
    async with unit_of_work(choose_sessions(request)) as session:
        login_result = await login.establish_login(
            session, services.keyring, vouched, old, services.session_limits, at=at
        )
        await services.on_login(session, services.keyring, login_result.person_id, vouched, at=at)
        if login_result.ended_session is not None:
            await services.on_session_end(session, login_result.ended_session, at=at)
        if login_result.email_changed_for is not None:
            await services.on_new_address(session, login_result.email_changed_for, at=at)
    return login_result.session_token


async def _record_failure(request: Request, failure: LoginFailed, at: datetime) -> None:
    if not isinstance(failure, IdTokenRejected):
        # Anybody can call this without a valid login. The journal is kept forever, so it must not be flooded.
        login.log_login_failure(failure)
        return
    async with unit_of_work(choose_sessions(request)) as session:
        await login.journal_login_failure(session, failure, at=at)


async def _consume_attempt(request: Request, broker_response: BrokerResponse, at: datetime) -> PendingLogin:
    async with unit_of_work(choose_sessions(request)) as session:
        return await login_attempts.consume_login_attempt(
            session, broker_response.state, _read_browser_token(request), at=at
        )


async def _redeem_code(
    broker: Broker, broker_response: BrokerResponse, pending: PendingLogin, at: datetime
) -> VerifiedLogin:
    await broker.verify_response_issuer(broker_response.issuer, at=at)
    if broker_response.error is not None:
        # Only the error code is used. The broker's free text is ignored.
        raise LoginFailed(LOGIN_CANCELLED if broker_response.error == "access_denied" else "broker_meldt_fout")
    if not broker_response.code:
        raise LoginFailed("broker_antwoord_ongeldig")
    return await broker.redeem_code(broker_response.code, pending, at=at)


def _render_failure(request: Request, failure: LoginFailed, login_request: LoginRequest) -> Response:
    """Render the page about a failed login, with a link to try again."""
    texts = explain_login_failure(failure)
    again = build_login_path(login_request)
    response = render_page(
        request,
        "inloggen_mislukt.html",
        status=texts.status,
        told=texts,
        reason=failure.code,
        again=again,
        return_path=HOME,  # the answer of the broker works once
        verzoek_id=correlation_ids.get_or_create_request_id(),
        visitor=None,
    )
    if texts.status == 503:
        response.headers["Retry-After"] = "60"
    return response


@router.get("/uitloggen")
async def show_logout_page(request: Request, visitor: OptionalVisitor, _door: Public) -> Response:
    """Show the logout button, for visitors that open the URL directly."""
    return render_page(request, "uitloggen_bevestigen.html", visitor=visitor)


@router.post("/uitloggen")
@reserve_connection
async def log_out(request: Request, session: Transaction, visitor: OptionalVisitor, _door: Public) -> Response:
    """End the session and redirect to the start page. Raises NotAllowed `formulier_verlopen`.

    Without an active session it only redirects.
    """
    services = identity_services(request)
    if visitor is not None:
        await verify_csrf(request, visitor)
        at = services.clock.now()
        over = await login.end_and_journal_session(session, request.cookies.get(SESSION_COOKIE), "uitgelogd", at=at)
        if over is not None:
            await services.on_session_end(session, over, at=at)
    response = RedirectResponse(HOME, 303)
    clear_session_cookie(response)
    return response


@router.get(EXTENSION_PAGE)
async def show_session_end(request: Request, visitor: Citizen) -> Response:
    """Show until when the visitor stays logged in. Like every page, opening it counts as activity."""
    return render_page(request, "blijf_ingelogd.html", visitor=visitor)


@router.post(EXTENSION_PAGE)
async def stay_logged_in(request: Request, session: Transaction, visitor: Citizen, _: CsrfProtected) -> Response:
    """Extend the session. Returns the page with the new end, or JSON for the script."""
    services = identity_services(request)
    extended = await extend_session(session, visitor, services.session_limits, at=services.clock.now())
    if wants_page(request):
        return RedirectResponse(EXTENSION_PAGE, 303)
    return JSONResponse(
        {
            "seconds": extended.seconds_left,
            "mayExtend": extended.can_extend,
            "sentence": get_sentence("aid.session.until", time=format_time(extended.session_end)),
        }
    )
