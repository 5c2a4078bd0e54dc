"""Error handlers: for our errors, the framework's and unexpected ones.

An unexpected exception is a 500 with only its request id, so no internal detail leaks.
"""

from __future__ import annotations

from dataclasses import replace

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from machtiging.kernel import errors
from machtiging.kernel.commits import nothing_committed, start_commit_count
from machtiging.message_catalogue import get_sentence
from machtiging.web.errors.problem_details import (
    PROBLEM_TEMPLATES,
    ProblemDetails,
    problem_from_error,
    problem_from_status,
)
from machtiging.web.errors.responses import build_problem_response, wants_page
from machtiging.web.framework_internals import add_innermost_middleware, disable_slash_redirects, has_route
from machtiging.web.page_urls import find_state_page
from machtiging.web.validation import describe_faults

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_log = structlog.get_logger("machtiging.web")


def _add_request_outcome(request: Request, problem: ProblemDetails) -> ProblemDetails:
    """Add to a server error: nothing was done, or the outcome is unknown.

    Safe requests say nothing about effects, except a page reached by redirect after a form (`gedaan`).
    """
    if request.method in _SAFE_METHODS and "gedaan" not in request.query_params:
        return problem
    reason = problem.detail.removesuffix(problem.advice).rstrip()
    if request.method not in _SAFE_METHODS and nothing_committed():
        return replace(problem, detail=f"{reason} {get_sentence('outcome.nothing_done')} {problem.advice}")
    if not wants_page(request):
        return replace(problem, detail=f"{reason} {get_sentence('outcome.unknown')}")
    shown = find_state_page(request)
    detail = f"{reason} {get_sentence('outcome.unknown.page', page=shown.name)}"
    return replace(problem, title=get_sentence("outcome.unknown.title"), detail=detail, state_page=shown)


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
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    allowed = {method for method in methods if has_route(request, method)}
    return [m for m in methods if m in allowed or (m == "HEAD" and "GET" in allowed)]


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
            request = Request(scope, receive)
            problem = _add_request_outcome(request, problem_from_error(errors.Fault("interne_fout")))
            await build_problem_response(request, problem)(scope, receive, send)


def install_error_handlers(app: FastAPI) -> None:
    """Register the error handlers: for our errors, the framework's and unexpected ones."""
    disable_slash_redirects(app)
    app.add_exception_handler(errors.MachtigingError, _handle_machtiging_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    add_innermost_middleware(app, _UnexpectedErrorMiddleware)  # innermost, so that its responses get the headers too
