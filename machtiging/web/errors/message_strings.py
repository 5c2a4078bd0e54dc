"""Errors as one message string, for the paths of AuthZEN (Authorization API 1.0 section 10.1.2).

All other APIs answer problem details (RFC 9457).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from machtiging.web.correlation_ids import get_or_create_request_id
from machtiging.web.errors.problem_details import ProblemDetails

_PATH_PREFIXES = ("/access/v1/", "/authzen/")
# A wrong media type is a bad request there: its table of codes has no 415.
_STATUS_BY_STATUS: Mapping[int, int] = {415: 400}


def answers_message_string(path: str) -> bool:
    """Return True for a path whose errors are one message string."""
    return path.startswith(_PATH_PREFIXES)


def build_message_response(problem: ProblemDetails, headers: Mapping[str, str]) -> Response:
    """Build the error: a JSON string with the sentence, the code and our request id."""
    message = f"{problem.detail} ({problem.code}, {get_or_create_request_id()})"
    return JSONResponse(message, _STATUS_BY_STATUS.get(problem.status, problem.status), dict(headers))
