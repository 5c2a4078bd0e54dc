"""Logs as JSON lines, one event each: nothing in a value can start a new line, and secrets do not get in.

What may be logged is decided where it is logged (never a body, a token, a header or a path as asked). The redaction
here is the second net: nine digits in a row and anything that looks like a token are blotted out of every value.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from machtiging.web import request_id

# A BSN; a JWT; a long random word as we hand out; a machtigingscode as it is shown.
_SECRETS = re.compile(
    r"(?<![0-9A-Fa-f-])\d{9}(?![0-9A-Fa-f-])"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<![\w-])[A-Za-z0-9_-]{43,}(?![\w-])"
    r"|(?<![\w-])[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}(?![\w-])"
)
_BLOT = "[weggelaten]"
_stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)
_as_json = json.JSONEncoder().encode
_of_requests: Any = structlog.get_logger("machtiging.request")


class _RequestLines:
    """The lines about requests, written at once: through structlog they would be the dearest part of a short answer.

    They need no second net: nothing in them was written by a stranger.
    """

    def __init__(self, stream: TextIO, *, wanted: bool) -> None:
        self._stream = stream
        self._wanted = wanted

    def info(self, event: str, **facts: str | float) -> None:
        if self._wanted:
            said = _stamped(None, "info", {**facts, "event": event, "level": "info"})
            self._stream.write(_as_json(said) + "\n")
            self._stream.flush()


def _blotted(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRETS.sub(_BLOT, value)
    if isinstance(value, Mapping):
        return {key: _blotted(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_blotted(part) for part in value]
    return value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out what must not be in a log. A structlog processor, after the trace back has become text."""
    return {key: value if key in {"request_id", "timestamp"} else _blotted(value) for key, value in event.items()}


def _with_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if known := request_id.known():
        event.setdefault("request_id", known)
    return event


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers alike; uvicorn's own access log (raw paths) goes silent.

    Casbin tells its whole model at INFO; only its warnings are news.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request_id,
    ]
    last: list[Any] = [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
    for name in ("uvicorn.access", "httpx", "httpcore", "python_multipart", "mail.log"):
        logging.getLogger(name).disabled = True
    for name in ("casbin", "casbin.policy", "casbin.enforcer", "casbin.role"):
        logging.getLogger(name).setLevel(logging.WARNING)
    global _of_requests  # where logs go is a property of the process
    _of_requests = _RequestLines(stream or sys.stderr, wanted=logging.getLevelName(level) <= logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )


def request_line(**facts: str | float) -> None:
    """Log that a request was answered. `facts` are our own words and numbers, never a word of the asker."""
    _of_requests.info("request", **facts)
