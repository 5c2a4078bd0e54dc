"""Structured logging: one JSON object per line, with secrets redacted.

JSON encoding prevents log injection: a value cannot start a new line. Callers must not log bodies, tokens, headers or
requested paths. Redaction here is the second defence: it removes nine-digit numbers and anything like a token.
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

# A BSN; a JWT; a random token of ours; a machtigingscode as displayed.
_SECRET_PATTERN = re.compile(
    r"(?<![0-9A-Fa-f-])\d{9}(?![0-9A-Fa-f-])"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<![\w-])[A-Za-z0-9_-]{43,}(?![\w-])"
    r"|(?<![\w-])[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}(?![\w-])"
)
_REDACTED = "[weggelaten]"
_add_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
_encode_json = json.JSONEncoder().encode
_request_logger: Any = structlog.get_logger("machtiging.request")


class _RequestLogWriter:
    """Writer of request log lines that bypasses structlog, whose cost would dominate a short response.

    Redaction is not needed: no value in these lines comes from the client.
    """

    def __init__(self, stream: TextIO, *, enabled: bool) -> None:
        self._stream = stream
        self._enabled = enabled

    def info(self, event: str, **facts: str | float) -> None:
        if self._enabled:
            record = _add_timestamp(None, "info", {**facts, "event": event, "level": "info"})
            self._stream.write(_encode_json(record) + "\n")
            self._stream.flush()


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_PATTERN.sub(_REDACTED, value)
    if isinstance(value, Mapping):
        return {key: _redact_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(part) for part in value]
    return value


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact secrets in a log event. A structlog processor; runs after tracebacks became text."""
    return {key: value if key in {"request_id", "timestamp"} else _redact_value(value) for key, value in event.items()}


def _add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id_text := request_id.find_request_id():
        event.setdefault("request_id", request_id_text)
    return event


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Configure structlog and standard logging alike; silence uvicorn's access log, which holds raw paths.

    Casbin logs its whole model at INFO, so only its warnings are kept.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
    ]
    last: list[Any] = [structlog.processors.format_exc_info, redact_event, structlog.processors.JSONRenderer()]
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
    global _request_logger  # the log stream belongs to the process
    _request_logger = _RequestLogWriter(stream or sys.stderr, enabled=logging.getLevelName(level) <= logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )


def log_request(**facts: str | float) -> None:
    """Log one answered request. `facts` must not contain text from the client."""
    _request_logger.info("request", **facts)
