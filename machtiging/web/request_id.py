"""Request ids: one per request, generated here, for log lines, journal and problem details.

An id sent by the client is echoed in the response and never stored: it could contain a BSN.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

from machtiging.kernel.ids import uuid7

HEADER = "X-Request-ID"
# Echoed ids: a UUID, or text without eight digits in a row, which could be a BSN.
_ACCEPTABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!.*[0-9]{8})[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the current request; outside a request, a new one."""
    return _current.get() or str(uuid7())


def begin() -> str:
    """Generate and set the id of a new request."""
    request_id = str(uuid7())
    _current.set(request_id)
    return request_id


def answered_to(offered: str, own: str) -> str:
    """Choose the id for the response header: the client's if harmless, else ours."""
    return offered if _ACCEPTABLE.fullmatch(offered) else own


def known() -> str | None:
    """Return the id of the current request, or None outside a request."""
    return _current.get() or None
