"""Correlation ids of a request: our request id, and the trace-id of its trace context.

The request id is generated here, for log lines, journal and problem details. An id sent by the client in `X-Request-ID`
is echoed in the response and never stored: it could contain a BSN.

The trace-id of `traceparent` (W3C Trace Context, level 1) joins our journal and log lines with those of others.
It is accepted if valid, and passed on. Nothing is decided on it: every client may send any value. `tracestate` is
neither stored nor passed on, since it holds free text of others.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from typing import NamedTuple

from machtiging.kernel.bsn import passes_11_proef
from machtiging.kernel.ids import uuid7

REQUEST_ID_HEADER = "X-Request-ID"
TRACEPARENT_HEADER = "traceparent"
_TRACEPARENT_NAME = TRACEPARENT_HEADER.encode()
# Echoed ids: a UUID, or text without eight digits in a row, which could be a BSN.
_ECHOED_ID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?!.*[0-9]{8})[A-Za-z0-9._-]{8,64}")
# 3.2.2: version, trace-id, parent-id and flags in lower case. A later version may add fields behind a dash.
_TRACEPARENT_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ZERO_TRACE_ID, _ZERO_PARENT_ID = "0" * 32, "0" * 16
_SAMPLED_FLAG = 1
_DIGITS = re.compile(r"[0-9]{8,}")


class TraceContext(NamedTuple):
    """A trace-id with the `sampled` flag of the caller."""

    trace_id: str
    sampled: bool = False


_request_id: ContextVar[str] = ContextVar("request_id", default="")
_trace: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)


def get_or_create_request_id() -> str:
    """Return the id of the current request; outside a request, a new one."""
    return _request_id.get() or str(uuid7())


def begin_request() -> str:
    """Generate and set the id of a new request."""
    request_id = str(uuid7())
    _request_id.set(request_id)
    return request_id


def choose_response_id(client_request_id: str, server_request_id: str) -> str:
    """Choose the id for the response header: the client's if harmless, else ours."""
    return client_request_id if _ECHOED_ID_PATTERN.fullmatch(client_request_id) else server_request_id


def find_request_id() -> str | None:
    """Return the id of the current request, or None outside a request."""
    return _request_id.get() or None


def begin_trace(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext:
    """Set the trace of a new request: of its one valid `traceparent`, else new."""
    offered = [value for name, value in headers if name == _TRACEPARENT_NAME]
    trace = (parse_traceparent(offered[0].decode("latin-1")) if len(offered) == 1 else None) or _make_trace()
    _trace.set(trace)
    return trace


def adopt_traceparent(value: str) -> None:
    """Take the trace of this request from its body. An invalid one changes nothing."""
    trace = parse_traceparent(value)
    if trace is not None:
        _trace.set(trace)


def parse_traceparent(value: str) -> TraceContext | None:
    """Parse the header; None if invalid, or if its trace-id could hold a BSN."""
    found = _TRACEPARENT_PATTERN.fullmatch(value)
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if trace_id == _ZERO_TRACE_ID or parent_id == _ZERO_PARENT_ID or _resembles_bsn(trace_id):
        return None
    return TraceContext(trace_id, bool(int(flags, 16) & _SAMPLED_FLAG))


def get_or_create_trace_id() -> str:
    """Return the trace-id of the current request; outside a request, a new one."""
    return (_trace.get() or _make_trace()).trace_id


def find_trace_id() -> str | None:
    """Return the trace-id of the current request, or None outside a request."""
    trace = _trace.get()
    return None if trace is None else trace.trace_id


def build_traceparent() -> str:
    """Build the header of an outbound request. The parent-id is our own."""
    trace = _trace.get() or _make_trace()
    return f"00-{trace.trace_id}-{secrets.token_hex(8)}-{int(trace.sampled):02x}"


def _make_trace() -> TraceContext:
    return TraceContext(secrets.token_hex(16))


def _resembles_bsn(trace_id: str) -> bool:
    """Return True for a trace-id with a valid BSN between letters, or of digits only."""
    if trace_id.isdecimal():
        return True
    return any(passes_11_proef(run.lstrip("0").zfill(9)) for run in _DIGITS.findall(trace_id))
