"""Structured logging: one JSON object per line, with secrets redacted.

JSON encoding prevents log injection: a value cannot start a new line. Callers must not log bodies, tokens, headers or
requested paths. Redaction here is the second defence: it removes nine-digit numbers and anything like a token.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from machtiging.web import correlation_ids

# A BSN; a JWT; a random token of ours; a machtigingscode as displayed.
_SECRET_PATTERN = re.compile(
    r"(?<![0-9A-Fa-f-])\d{9}(?![0-9A-Fa-f-])"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?<![\w-])[A-Za-z0-9_-]{43,}(?![\w-])"
    r"|(?<![\w-])[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}(?![\w-])"
    r"|(?<![\w-])[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}(?![\w-])"
)
_REDACTED = "[weggelaten]"
# Made once: `json.dumps` makes an encoder for every line.
_encoder = json.JSONEncoder(default=repr)
_request_logger: Any = structlog.get_logger("machtiging.request")


class _LineWriter:
    """Write finished lines to one stream, one at a time.

    structlog calls the method named after the level. A line is lost when the stream is gone: no request fails for it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = write


class _LibraryLogHandler(logging.StreamHandler[_LineWriter]):
    """Give the records of standard logging, which libraries use, to the same writer."""

    terminator = ""

    def __init__(self, writer: _LineWriter, processors: Sequence[Processor]) -> None:
        super().__init__(writer)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[*_CONTEXT_PROCESSORS, structlog.stdlib.ExtraAdder()],
                processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
            )
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name that logging calls)
        """Name the logger of a record that cannot be formatted. Standard logging would print a traceback."""
        structlog.get_logger(__name__).error("log_record_unreadable", logger=record.name)


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
    return {
        key: value if key in {"request_id", "timestamp", "trace_id"} else _redact_value(value)
        for key, value in event.items()
    }


def _add_correlation_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id_text := correlation_ids.find_request_id():
        event.setdefault("request_id", request_id_text)
    if trace_id := correlation_ids.find_trace_id():
        event.setdefault("trace_id", trace_id)
    return event


def _encode_json(event: Mapping[str, Any], **_options: Any) -> str:
    return _encoder.encode(event)


_CONTEXT_PROCESSORS: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_correlation_ids,
)
_RENDER_PROCESSORS: tuple[Processor, ...] = (
    structlog.processors.format_exc_info,
    redact_event,
    structlog.processors.JSONRenderer(serializer=_encode_json),
)


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Let one writer write every log line: ours, those of libraries, warnings, uncaught errors.

    Silences uvicorn's access log, which holds raw paths. Casbin logs its whole model at INFO, so only its warnings are
    kept.
    """
    writer = _LineWriter(stream or sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [_LibraryLogHandler(writer, _RENDER_PROCESSORS)]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
    for name in ("uvicorn.access", "httpx", "httpcore", "python_multipart", "mail.log"):
        logging.getLogger(name).disabled = True
    for name in ("casbin", "casbin.policy", "casbin.enforcer", "casbin.role"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_CONTEXT_PROCESSORS, *_RENDER_PROCESSORS],
        logger_factory=lambda *_: writer,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=False,
    )
    global _request_logger  # the log stream belongs to the process
    _request_logger = structlog.get_logger("machtiging.request").bind()  # bound once: a line for every request
    _log_uncaught_errors()
    logging.captureWarnings(capture=True)


def _log_uncaught_errors() -> None:
    """Log errors that nothing catches: in the main thread, another thread or a destructor."""

    def log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        structlog.get_logger(__name__).critical("uncaught_error", exc_info=(kind, error, trace))

    sys.excepthook = log_uncaught
    threading.excepthook = lambda caught: log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
    sys.unraisablehook = lambda caught: log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def log_request(**facts: str | float) -> None:
    """Log one answered request. `facts` must not contain text from the client."""
    _request_logger.info("request", **facts)
