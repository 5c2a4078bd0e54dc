"""One id per request, made here, shared by log lines, journal and problem details.

An id that the caller sends is echoed in the answer and kept nowhere: whatever it looks like, it can hold a BSN.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

from machtiging.kernel.ids import uuid7

HEADER = "X-Request-ID"
# Echoed as it came; what could be a number of a person is not even that.
_ACCEPTABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!.*[0-9]{8})[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request under way; outside any request, a fresh one."""
    return _current.get() or str(uuid7())


def begin() -> str:
    """Start a request: make its id."""
    request_id = str(uuid7())
    _current.set(request_id)
    return request_id


def answered_to(offered: str, own: str) -> str:
    """The id for the header of the answer: the caller's when it is harmless, else our own."""
    return offered if _ACCEPTABLE.fullmatch(offered) else own


def known() -> str | None:
    """The id of the request under way, or None outside any request."""
    return _current.get() or None
