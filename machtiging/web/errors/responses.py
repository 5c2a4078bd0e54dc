"""Error responses: a page for a browser, a problem document for a program."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from machtiging.dependencies import services_if_any
from machtiging.message_catalogue import get_sentence
from machtiging.web import correlation_ids
from machtiging.web.errors.challenges import challenge_headers
from machtiging.web.errors.message_strings import answers_message_string, build_message_response
from machtiging.web.errors.problem_details import PROBLEM_MEDIA_TYPE, ProblemDetails
from machtiging.web.page_urls import find_state_page
from machtiging.web.pages import PageServices, render_page


def wants_page(request: Request) -> bool:
    """Return True if the client is a browser: outside the APIs, and accepts HTML."""
    path = request.url.path
    if path.startswith("/api/") or answers_message_string(path) or services_if_any(request, PageServices) is None:
        return False
    return "text/html" in request.headers.get("accept", "")


def build_problem_response(request: Request, problem: ProblemDetails) -> Response:
    """Build the response: a page for a browser, else a problem document or message string."""
    headers = {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}
    if wants_page(request):
        return _build_page_response(request, problem, headers)
    headers |= challenge_headers(request, problem.headers)
    if answers_message_string(request.url.path):
        return build_message_response(problem, headers)
    return JSONResponse(problem.to_json_object(), problem.status, headers, PROBLEM_MEDIA_TYPE)


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
        request,
        "fout.html",
        status=problem.status,
        problem=problem,
        verzoek_id=correlation_ids.get_or_create_request_id(),
        return_path=request.url.path,  # not the query, which was refused
    )
    answer.headers.update(headers)
    return answer
