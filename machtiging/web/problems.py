"""Error responses: a problem document (RFC 9457) for programs, an HTML page for people.

`PROBLEM_TEMPLATES` is the only mapping from kernel errors to HTTP. Any other exception is a 500 with only its request
id, so no internal detail leaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.dependencies import services_if_any
from machtiging.kernel import errors
from machtiging.kernel.commits import begin_count, nothing_committed
from machtiging.web import request_id
from machtiging.web.doors import action_missing, challenges, surer_login
from machtiging.web.pages import PageServices, StatePage, page, state_page
from machtiging.web.validation import faults_in

MEDIA_TYPE = "application/problem+json"
# The code for a valid token with another audience or scope.
OTHER_USE = "token_voor_ander_gebruik"
UNREACHABLE = "opslag_niet_bereikbaar"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGED = re.compile(r'[ ,]error="([a-z_]+)"')
_log = structlog.get_logger("machtiging.web")


class Answer(NamedTuple):
    """The HTTP status and the texts for one error class."""

    status: int
    title: str
    detail: str


ANSWERS: Mapping[type[errors.MachtigingError], Answer] = {
    errors.InvalidInput: Answer(400, "Ongeldige invoer", "Uw verzoek klopt niet."),
    errors.NotAuthenticated: Answer(401, "Niet aangemeld", "Wij weten niet wie u bent. Meld u opnieuw aan."),
    errors.NotAllowed: Answer(403, "Niet toegestaan", "U mag dit niet doen."),
    errors.ActionMissing: Answer(403, "Handeling ontbreekt", "Dit toegangsbewijs geeft deze handeling niet."),
    errors.LevelTooLow: Answer(401, "Zekerder inloggen", "Hiervoor moet u zekerder inloggen."),
    errors.NotInForce: Answer(403, "Machtiging geldt niet", "Deze machtiging geldt nu niet."),
    errors.NotFound: Answer(404, "Niet gevonden", "Dit bestaat niet, of u mag het niet zien."),
    errors.Conflict: Answer(409, "Past niet bij wat er al is", "Uw verzoek past niet bij wat er al vastligt."),
    errors.TooLarge: Answer(413, "Te groot", "Wat u stuurt is te groot."),
    errors.UnsupportedMedia: Answer(415, "Soort inhoud niet ondersteund", "Deze soort inhoud nemen wij hier niet aan."),
    errors.TooMany: Answer(429, "Te vaak geprobeerd", "U heeft het te vaak geprobeerd. Wacht even."),
    errors.Refusal: Answer(400, "Geweigerd", "Dit verzoek is geweigerd."),
    errors.Fault: Answer(500, "Er ging iets mis", "Er ging bij ons iets mis. Probeer het later opnieuw."),
    errors.MachtigingError: Answer(500, "Er ging iets mis", "Er ging bij ons iets mis. Probeer het later opnieuw."),
}

# Refusals by the framework, before our code runs: code, title, detail.
_BY_STATUS: Mapping[int, tuple[str, str, str]] = {
    400: ("ongeldige_invoer", "Ongeldige invoer", "Uw verzoek klopt niet."),
    401: ("niet_aangemeld", "Niet aangemeld", "Wij weten niet wie u bent."),
    403: ("niet_toegestaan", "Niet toegestaan", "U mag dit niet doen."),
    404: ("niet_gevonden", "Niet gevonden", "Dit adres bestaat niet."),
    405: ("methode_niet_toegestaan", "Methode niet toegestaan", "Dit kan niet op dit adres."),
    406: ("antwoord_niet_leverbaar", "Antwoord niet leverbaar", "In deze vorm kunnen wij niet antwoorden."),
    408: ("verzoek_te_traag", "Te traag", "Uw verzoek kwam niet op tijd helemaal aan. Probeer het opnieuw."),
    413: ("verzoek_te_groot", "Te groot", "Wat u stuurt is te groot."),
    415: ("soort_niet_ondersteund", "Soort inhoud niet ondersteund", "Deze soort inhoud nemen wij hier niet aan."),
}


@dataclass(frozen=True)
class Problem:
    """A problem details object (RFC 9457) with our members `code`, `verzoekId` and `fouten`.

    With a challenge it has `error`, the code of WWW-Authenticate (RFC 6750 3.1, RFC 9449 7.1, RFC 9470 3).
    """

    status: int
    code: str
    title: str
    detail: str
    faults: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    # The assurance level for a step-up login; empty if none is needed.
    level: str = ""
    # The page that shows current state, for a request with unknown outcome.
    state_page: StatePage | None = None

    def document(self) -> dict[str, Any]:
        """Return the problem as a JSON object."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "verzoekId": request_id.current(),
        }
        if (told := _CHALLENGED.search(self.headers.get("WWW-Authenticate", ""))) is not None:
            members["error"] = told[1]  # some clients look for `use_dpop_nonce` in the body
        if self.faults:
            members["fouten"] = [dict(fault) for fault in self.faults]
        return members


def problem_of(error: errors.MachtigingError) -> Problem:
    """Build the problem for one of our errors, by its most specific class in `PROBLEM_TEMPLATES`."""
    answer = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    if isinstance(error, errors.Fault):
        return _fault(error.code, answer)
    faults: tuple[Mapping[str, str], ...] = ()
    headers: dict[str, str] = {}
    if isinstance(error, errors.InvalidInput):
        faults = tuple({"veld": name, "melding": text} for name, text in error.fields.items())
    elif isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = error.challenge or _challenge(error.code)
    elif isinstance(error, errors.LevelTooLow):
        headers["WWW-Authenticate"] = surer_login(error.acr)
    elif isinstance(error, errors.ActionMissing):
        headers["WWW-Authenticate"] = action_missing(error.action)
    elif isinstance(error, errors.NotAllowed) and error.code == OTHER_USE:
        headers["WWW-Authenticate"] = 'Bearer realm="machtiging", error="insufficient_scope"'  # RFC 6750 section 3.1
    level = error.level if isinstance(error, errors.LevelTooLow) else ""
    return Problem(answer.status, error.code, answer.title, error.public or answer.detail, faults, headers, level)


def _fault(code: str, answer: Answer) -> Problem:
    if code == UNREACHABLE:
        detail = "Onze opslag is even niet bereikbaar. Probeer het zo opnieuw."
        return Problem(503, UNREACHABLE, "Even niet bereikbaar", detail, headers={"Retry-After": "5"})
    return Problem(answer.status, "interne_fout", answer.title, answer.detail)


def _challenge(code: str) -> str:
    # RFC 6750 section 3.1: no error code when no token was offered at all.
    if code == "token_ontbreekt":
        return 'Bearer realm="machtiging"'
    return f'Bearer realm="machtiging", error="invalid_token", error_description="{code}"'


def _with_outcome(request: Request, problem: Problem) -> Problem:
    """Add to a server error: nothing was done, or the outcome is unknown.

    Safe requests say nothing about effects, except a page reached by redirect after a form (`gedaan`).
    """
    if request.method in _SAFE:
        if "gedaan" not in request.query_params:
            return problem
    elif nothing_committed():
        return replace(problem, detail=problem.detail.replace("Probeer", "Er is niets gedaan. Probeer"))
    reason = problem.detail.partition(" Probeer")[0]
    if not wants_page(request):
        return replace(problem, detail=f"{reason} Wij weten niet of dit is gelukt. Kijk eerst wat er nu vastligt.")
    shown = state_page(request)
    detail = f"{reason} Wij weten niet of dit is gelukt. Kijk bij {shown.name} wat er nu geldt."
    return replace(problem, title="Wij weten niet of dit is gelukt", detail=detail, state_page=shown)


def problem_for_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Build the problem for a refusal by the framework."""
    if status not in _BY_STATUS:
        return Problem(status, "verzoek_geweigerd", "Geweigerd", HTTPStatus(status).phrase, headers=headers or {})
    code, title, detail = _BY_STATUS[status]
    return Problem(status, code, title, detail, headers=headers or {})


def wants_page(request: Request) -> bool:
    """Return True if the client is a browser: outside /api, and accepts HTML."""
    if request.url.path.startswith("/api/") or services_if_any(request, PageServices) is None:
        return False
    return "text/html" in request.headers.get("accept", "")


def respond(request: Request, problem: Problem) -> Response:
    """Build the response: a page for a browser, else a problem document."""
    headers = {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}
    if wants_page(request):
        return _page(request, problem, headers)
    return JSONResponse(problem.document(), problem.status, headers | challenges(request, problem.headers), MEDIA_TYPE)


def _page(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response:
    if problem.status == 401 and request.method in {"GET", "HEAD"}:
        if "gedaan" in request.query_params:
            return _log_in_to_see(request)
        back = request.url.path + ("?" + request.url.query if request.url.query else "")
        level = f"&niveau={problem.level}" if problem.level else ""
        return RedirectResponse("/inloggen?terug=" + quote(back, safe="/") + level, 303)
    return _error_page(request, problem, headers)


def _log_in_to_see(request: Request) -> Response:
    """Render a login link if the session ended after a form post. A redirect would be blocked."""
    shown = state_page(request)
    detail = f"U bent niet meer ingelogd. Log opnieuw in en kijk bij {shown.name} wat er nu geldt."
    title = "Wij weten niet of dit is gelukt"
    return _error_page(request, Problem(401, "niet_ingelogd", title, detail, state_page=shown), {})


def _error_page(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response:
    answer = page(request, "fout.html", status=problem.status, problem=problem, verzoek_id=request_id.current())
    answer.headers.update(headers)
    return answer


async def _on_own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MachtigingError)  # noqa: S101 (narrows the type; the handler is registered for it)
    if isinstance(error, errors.Fault):
        _log.error("fault", code=error.code, detail=error.private)
        return respond(request, _with_outcome(request, problem_of(error)))
    if error.private:
        _log.info("refusal", code=error.code, detail=error.private)
    problem = problem_of(error)
    if isinstance(error, errors.Conflict) and wants_page(request):
        problem = replace(problem, state_page=state_page(request))
    return respond(request, problem)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = faults_in(error.errors())
    if any(fault["veld"].startswith("path") for fault in faults):
        return respond(request, problem_for_status(404))
    answer = ANSWERS[errors.InvalidInput]
    return respond(request, Problem(400, "ongeldige_invoer", answer.title, answer.detail, faults))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    return respond(request, problem_for_status(error.status_code, headers))


def _allowed(request: Request) -> list[str]:
    # A framework route knows its own methods only, so all routes of the path are matched.
    routes = request.app.router.routes
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    taken = {m for m in methods if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)}
    return [m for m in methods if m in taken or (m == "HEAD" and "GET" in taken)]


class _Edge:
    """Innermost middleware: turns an unexpected exception into a 500 with only its request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sender(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        begin_count()
        try:
            await self._app(scope, receive, sender)
        except ClientDisconnect:
            _log.info("client_gone")
            if not started:
                await Response(status_code=400)(scope, receive, send)
        except Exception as error:
            if started and isinstance(error.__cause__, errors.MachtigingError):
                _log.warning("broken_off", code=error.__cause__.code, detail=error.__cause__.private)
            else:
                _log.error("unexpected", kind=type(error).__name__, exc_info=error)
            if started:
                raise  # headers are sent: the server aborts, so that no client accepts a truncated body
            asked = Request(scope, receive)
            problem = _with_outcome(asked, problem_of(errors.Fault("interne_fout")))
            await respond(asked, problem)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Register the error handlers: for our errors, the framework's and unexpected ones."""
    app.router.redirect_slashes = False  # a trailing slash is a 404, not a redirect
    app.add_exception_handler(errors.MachtigingError, _on_own_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.user_middleware.append(Middleware(_Edge))  # innermost, so that its responses get the headers too
