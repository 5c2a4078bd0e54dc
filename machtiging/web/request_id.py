"""One id per request, shared by the response, the log lines and the journal."""

from __future__ import annotations

import re
from contextvars import ContextVar

from machtiging.kernel.ids import uuid7

HEADER = "X-Request-ID"
# It stands in the journal for ever, so what could hold a BSN or another number of a person is not kept.
_ACCEPTABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!.*[0-9]{8})[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request under way; outside any request, a fresh one."""
    return _current.get() or str(uuid7())


def begin(offered: str | None) -> str:
    """Start a request: keep the caller's id when it is harmless, else make one."""
    request_id = offered if offered and _ACCEPTABLE.fullmatch(offered) else str(uuid7())
    _current.set(request_id)
    return request_id


def known() -> str | None:
    """The id of the request under way, or None outside any request."""
    return _current.get() or None
