"""Rate limit middleware: answers 429 before the body or the database is used."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from machtiging.kernel.errors import TooMany
from machtiging.message_catalogue import ENGLISH, get_sentence
from machtiging.web.errors.problem_details import problem_from_error
from machtiging.web.errors.responses import build_problem_response, wants_page
from machtiging.web.framework_internals import add_innermost_middleware
from machtiging.web.headers import add_header
from machtiging.web.rate_limit.callers import CallerIdentifier
from machtiging.web.rate_limit.limiter import CallerKind, Quota, RateLimiter, Rejection

_LOG_INTERVAL_SECONDS = 10.0
_log = structlog.get_logger("machtiging.web")


class RateLimitMiddleware:
    """Counts every request for its callers and rejects it over a limit."""

    def __init__(
        self,
        app: ASGIApp,
        quotas: Mapping[CallerKind, Quota],
        make_identifier: Callable[[], CallerIdentifier],
        oauth_paths: Collection[str],
    ) -> None:
        self._app = app
        self._limiter = RateLimiter(quotas)
        self._identifier = make_identifier()
        self._oauth_paths = [[path.strip("/")] for path in oauth_paths]
        self._rejections = RejectionLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429, or pass the request on and count it until its response is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        callers, fingerprint = self._identifier.identify_callers(scope)
        rejection = self._limiter.acquire(callers)
        if rejection is not None:
            self._rejections.count_rejection(rejection.kind)
            await self._build_rejection_response(Request(scope), rejection)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._limiter.release(callers)
            self._identifier.remember_person(scope, fingerprint)

    def _build_rejection_response(self, request: Request, rejection: Rejection) -> Response:
        refusal = TooMany(rejection.code, params={"n": rejection.retry_after}, retry_after=rejection.retry_after)
        # Requests pipelined on the same connection are not read.
        add_header(request.scope, "Connection", "close")
        problem = problem_from_error(refusal)
        if request.scope["path"].split("/", 2)[1:2] not in self._oauth_paths:
            if wants_page(request):  # the reader may share the address with others, so no blame
                problem = replace(problem, title="Even wachten")
            return build_problem_response(request, problem)
        # RFC 6749 section 5.2 has no code of its own for this; 4.1.2.1 has.
        body = {"error": "temporarily_unavailable", "error_description": get_sentence("oauth.rate_limit", ENGLISH)}
        return JSONResponse(body, problem.status, headers={**problem.headers, "Cache-Control": "no-store"})


class RejectionLog:
    """Logs at most one warning in ten seconds, however many rejections there are."""

    def __init__(self) -> None:
        self._counts: Counter[CallerKind] = Counter()
        self._next_at = 0.0

    def count_rejection(self, kind: CallerKind) -> None:
        """Count one rejection. The caller is not logged: an address is personal data."""
        self._counts[kind] += 1
        now = time.monotonic()
        if now >= self._next_at:
            _log.warning("rate_limited", **{str(each): number for each, number in self._counts.items()})
            self._counts.clear()
            self._next_at = now + _LOG_INTERVAL_SECONDS


def install(
    app: FastAPI,
    *,
    quotas: Mapping[CallerKind, Quota],
    make_identifier: Callable[[], CallerIdentifier],
    oauth_paths: Collection[str],
) -> None:
    """Add rate limiting around all middleware installed after this. `oauth_paths` answer as RFC 6749 section 5.2."""
    add_innermost_middleware(
        app, RateLimitMiddleware, quotas=quotas, make_identifier=make_identifier, oauth_paths=oauth_paths
    )
