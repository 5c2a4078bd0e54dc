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
from machtiging.kernel.commits import nothing_committed, start_commit_count
from machtiging.message_catalogue import describe_fields, describe_refusal, get_sentence
from machtiging.web import request_id
from machtiging.web.doors import challenge_headers, insufficient_scope_challenge, step_up_challenge
from machtiging.web.pages import PageServices, StatePage, find_state_page, render_page
from machtiging.web.validation import describe_faults

PROBLEM_MEDIA_TYPE = "application/problem+json"
# The code for a valid token with another audience or scope.
TOKEN_FOR_OTHER_USE = "token_voor_ander_gebruik"
STORAGE_UNREACHABLE = "opslag_niet_bereikbaar"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE_ERROR = re.compile(r'[ ,]error="([a-z_]+)"')
_log = structlog.get_logger("machtiging.web")


class ProblemTemplate(NamedTuple):
    """The HTTP status for one error class, and the key of its texts in the catalogue."""

    status: int
    key: str

    @property
    def title(self) -> str:
        """The title of the problem."""
        return get_sentence(f"problem.{self.key}.title")

    @property
    def detail(self) -> str:
        """The sentence for an error without one of its own."""
        return get_sentence(f"problem.{self.key}")


PROBLEM_TEMPLATES: Mapping[type[errors.MachtigingError], ProblemTemplate] = {
    errors.InvalidInput: ProblemTemplate(400, "invalid_input"),
    errors.NotAuthenticated: ProblemTemplate(401, "not_authenticated"),
    errors.NotAllowed: ProblemTemplate(403, "not_allowed"),
    errors.ActionMissing: ProblemTemplate(403, "action_missing"),
    errors.LevelTooLow: ProblemTemplate(401, "level_too_low"),
    errors.NotInForce: ProblemTemplate(403, "not_in_force"),
    errors.NotFound: ProblemTemplate(404, "not_found"),
    errors.Conflict: ProblemTemplate(409, "conflict"),
    errors.TooLarge: ProblemTemplate(413, "too_large"),
    errors.UnsupportedMedia: ProblemTemplate(415, "unsupported_media"),
    errors.TooMany: ProblemTemplate(429, "too_many"),
    errors.Refusal: ProblemTemplate(400, "refusal"),
    errors.Fault: ProblemTemplate(500, "fault"),
    errors.MachtigingError: ProblemTemplate(500, "fault"),
}

# Codes of refusals by the framework, before our code runs.
_CODE_BY_STATUS: Mapping[int, str] = {
    400: "ongeldige_invoer",
    401: "niet_aangemeld",
    403: "niet_toegestaan",
    404: "niet_gevonden",
    405: "methode_niet_toegestaan",
    406: "antwoord_niet_leverbaar",
    408: "verzoek_te_traag",
    413: "verzoek_te_groot",
    415: "soort_niet_ondersteund",
}


@dataclass(frozen=True)
class ProblemDetails:
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

    def to_json_object(self) -> dict[str, Any]:
        """Return the problem as a JSON object."""
        members: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "verzoekId": request_id.get_or_create_request_id(),
        }
        if (told := _CHALLENGE_ERROR.search(self.headers.get("WWW-Authenticate", ""))) is not None:
            members["error"] = told[1]  # some clients look for `use_dpop_nonce` in the body
        if self.faults:
            members["fouten"] = [dict(fault) for fault in self.faults]
        return members


def problem_from_error(error: errors.MachtigingError) -> ProblemDetails:
    """Build the problem for one of our errors, by its most specific class in `PROBLEM_TEMPLATES`."""
    answer = next(PROBLEM_TEMPLATES[kind] for kind in type(error).__mro__ if kind in PROBLEM_TEMPLATES)
    if isinstance(error, errors.Fault):
        return _problem_from_fault(error.code, answer)
    faults: tuple[Mapping[str, str], ...] = ()
    headers: dict[str, str] = {}
    if isinstance(error, errors.InvalidInput):
        faults = tuple({"veld": name, "melding": text} for name, text in describe_fields(error).items())
    elif isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = error.challenge or _bearer_challenge(error.code)
    elif isinstance(error, errors.LevelTooLow):
        headers["WWW-Authenticate"] = step_up_challenge(error.acr)
    elif isinstance(error, errors.ActionMissing):
        headers["WWW-Authenticate"] = insufficient_scope_challenge(error.action)
    elif isinstance(error, errors.NotAllowed) and error.code == TOKEN_FOR_OTHER_USE:
        headers["WWW-Authenticate"] = 'Bearer realm="machtiging", error="insufficient_scope"'  # RFC 6750 section 3.1
    level = error.level if isinstance(error, errors.LevelTooLow) else ""
    detail = describe_refusal(error) or answer.detail
    return ProblemDetails(answer.status, error.code, answer.title, detail, faults, headers, level)


def _problem_from_fault(code: str, template: ProblemTemplate) -> ProblemDetails:
    if code == STORAGE_UNREACHABLE:
        title, detail = get_sentence("problem.storage_unreachable.title"), get_sentence("problem.storage_unreachable")
        return ProblemDetails(503, STORAGE_UNREACHABLE, title, detail, headers={"Retry-After": "5"})
    return ProblemDetails(template.status, "interne_fout", template.title, template.detail)


def _bearer_challenge(code: str) -> str:
    # RFC 6750 section 3.1: no error code when no token was offered at all.
    if code == "token_ontbreekt":
        return 'Bearer realm="machtiging"'
    return f'Bearer realm="machtiging", error="invalid_token", error_description="{code}"'


def _add_request_outcome(request: Request, problem: ProblemDetails) -> ProblemDetails:
    """Add to a server error: nothing was done, or the outcome is unknown.

    Safe requests say nothing about effects, except a page reached by redirect after a form (`gedaan`).
    """
    if request.method in _SAFE_METHODS:
        if "gedaan" not in request.query_params:
            return problem
    elif nothing_committed():
        nothing_done = get_sentence("outcome.nothing_done")
        return replace(problem, detail=problem.detail.replace("Probeer", f"{nothing_done} Probeer"))
    reason = problem.detail.partition(" Probeer")[0]
    if not wants_page(request):
        return replace(problem, detail=f"{reason} {get_sentence('outcome.unknown')}")
    shown = find_state_page(request)
    detail = f"{reason} {get_sentence('outcome.unknown.page', page=shown.name)}"
    return replace(problem, title=get_sentence("outcome.unknown.title"), detail=detail, state_page=shown)


def problem_from_status(status: int, headers: Mapping[str, str] | None = None) -> ProblemDetails:
    """Build the problem for a refusal by the framework."""
    if status not in _CODE_BY_STATUS:
        title, phrase = get_sentence("problem.refusal.title"), HTTPStatus(status).phrase
        return ProblemDetails(status, "verzoek_geweigerd", title, phrase, headers=headers or {})
    title, detail = get_sentence(f"status.{status}.title"), get_sentence(f"status.{status}")
    return ProblemDetails(status, _CODE_BY_STATUS[status], title, detail, headers=headers or {})


def wants_page(request: Request) -> bool:
    """Return True if the client is a browser: outside /api, and accepts HTML."""
    if request.url.path.startswith("/api/") or services_if_any(request, PageServices) is None:
        return False
    return "text/html" in request.headers.get("accept", "")


def build_problem_response(request: Request, problem: ProblemDetails) -> Response:
    """Build the response: a page for a browser, else a problem document."""
    headers = {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}
    if wants_page(request):
        return _build_page_response(request, problem, headers)
    return JSONResponse(
        problem.to_json_object(),
        problem.status,
        headers | challenge_headers(request, problem.headers),
        PROBLEM_MEDIA_TYPE,
    )


def _build_page_response(request: Request, problem: ProblemDetails, headers: Mapping[str, str]) -> Response:
    if problem.status == 401 and request.method in {"GET", "HEAD"}:
        if "gedaan" in request.query_params:
            return _render_login_required(request)
        back = request.url.path + ("?" + request.url.query if request.url.query else "")
        level = f"&niveau={problem.level}" if problem.level else ""
        return RedirectResponse("/inloggen?terug=" + quote(back, safe="/") + level, 303)
    return _render_error_page(request, problem, headers)


def _render_login_required(request: Request) -> Response:
    """Render a login link if the session ended after a form post. A redirect would be blocked."""
    shown = find_state_page(request)
    title, detail = get_sentence("outcome.unknown.title"), get_sentence("outcome.logged_out", page=shown.name)
    return _render_error_page(request, ProblemDetails(401, "niet_ingelogd", title, detail, state_page=shown), {})


def _render_error_page(request: Request, problem: ProblemDetails, headers: Mapping[str, str]) -> Response:
    answer = render_page(
        request, "fout.html", status=problem.status, problem=problem, verzoek_id=request_id.get_or_create_request_id()
    )
    answer.headers.update(headers)
    return answer


async def _handle_machtiging_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MachtigingError)  # noqa: S101 (narrows the type; the handler is registered for it)
    if isinstance(error, errors.Fault):
        _log.error("fault", code=error.code, detail=error.private)
        return build_problem_response(request, _add_request_outcome(request, problem_from_error(error)))
    if error.private:
        _log.info("refusal", code=error.code, detail=error.private)
    problem = problem_from_error(error)
    if isinstance(error, errors.Conflict) and wants_page(request):
        problem = replace(problem, state_page=find_state_page(request))
    return build_problem_response(request, problem)


async def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = describe_faults(error.errors())
    if any(fault["veld"].startswith("path") for fault in faults):
        return build_problem_response(request, problem_from_status(404))
    answer = PROBLEM_TEMPLATES[errors.InvalidInput]
    return build_problem_response(request, ProblemDetails(400, "ongeldige_invoer", answer.title, answer.detail, faults))


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_find_allowed_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    return build_problem_response(request, problem_from_status(error.status_code, headers))


def _find_allowed_methods(request: Request) -> list[str]:
    # A framework route knows its own methods only, so all routes of the path are matched.
    routes = request.app.router.routes
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    taken = {m for m in methods if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)}
    return [m for m in methods if m in taken or (m == "HEAD" and "GET" in taken)]


class _UnexpectedErrorMiddleware:
    """Innermost middleware: turns an unexpected exception into a 500 with only its request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_and_track_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        start_commit_count()
        try:
            await self._app(scope, receive, send_and_track_start)
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
            problem = _add_request_outcome(asked, problem_from_error(errors.Fault("interne_fout")))
            await build_problem_response(asked, problem)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Register the error handlers: for our errors, the framework's and unexpected ones."""
    app.router.redirect_slashes = False  # a trailing slash is a 404, not a redirect
    app.add_exception_handler(errors.MachtigingError, _handle_machtiging_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.user_middleware.append(
        Middleware(_UnexpectedErrorMiddleware)
    )  # innermost, so that its responses get the headers too
