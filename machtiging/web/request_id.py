"""Request ids: one per request, generated here, for log lines, journal and problem details.

An id sent by the client is echoed in the response and never stored: it could contain a BSN.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

from machtiging.kernel.ids import uuid7

REQUEST_ID_HEADER = "X-Request-ID"
# Echoed ids: a UUID, or text without eight digits in a row, which could be a BSN.
_ECHOED_ID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!.*[0-9]{8})[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def get_or_create_request_id() -> str:
    """Return the id of the current request; outside a request, a new one."""
    return _current.get() or str(uuid7())


def begin_request() -> str:
    """Generate and set the id of a new request."""
    request_id = str(uuid7())
    _current.set(request_id)
    return request_id


def choose_response_id(client_request_id: str, server_request_id: str) -> str:
    """Choose the id for the response header: the client's if harmless, else ours."""
    return client_request_id if _ECHOED_ID_PATTERN.fullmatch(client_request_id) else server_request_id


def find_request_id() -> str | None:
    """Return the id of the current request, or None outside a request."""
    return _current.get() or None
