"""The logging set-up of the process, put back after a test that configures it."""

from __future__ import annotations

import logging as standard
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from machtiging.web import structured_logging

_DISABLED = ("uvicorn.access", "httpx", "httpcore", "python_multipart", "mail.log")
_LEVELS = ("casbin", "casbin.policy", "casbin.enforcer", "casbin.role")


@contextmanager
def restored_logging() -> Iterator[None]:
    """Put structlog, the root logger and the request log back as they were."""
    root = standard.getLogger()
    handlers, level = root.handlers[:], root.level
    disabled = {name: standard.getLogger(name).disabled for name in _DISABLED}
    levels = {name: standard.getLogger(name).level for name in _LEVELS}
    configured, request_log = structlog.get_config(), structured_logging._request_logger
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, was in disabled.items():
            standard.getLogger(name).disabled = was
        for name, was in levels.items():
            standard.getLogger(name).setLevel(was)
        structlog.configure(**configured)
        structured_logging._request_logger = request_log
