"""The command line as an operator uses it, on the database of a test."""

from __future__ import annotations

import asyncio
import io
import logging as standard
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from machtiging.__main__ import main
from machtiging.cli import errors
from machtiging.web import structured_logging
from tests.builders.keys import make_key_directory


@dataclass(frozen=True)
class Ended:
    """The exit code and output of a command. `operator_output` is the output for the operator, on one line."""

    code: int
    out: str
    operator_output: str


@dataclass(frozen=True)
class CommandLine:
    """Runs commands of an installation."""

    keys: Path
    capsys: Any
    monkeypatch: Any

    async def __call__(self, *words: str, typed: str = "") -> Ended:
        """Run one; `typed` comes on standard input, as from a pipe."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with preserve_logging():
            code = await asyncio.to_thread(main, list(words))
        said = self.capsys.readouterr()
        return Ended(code, said.out, " ".join(said.err.split()))


def make_command_line(database_url: str | None, place: Path, capsys: Any, monkeypatch: Any) -> CommandLine:
    """An installation with keys of its own, on this database (None: none yet)."""
    keys = make_key_directory(place / "keys")
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(keys))
    monkeypatch.setenv("MACHTIGING_DATA_DIR", str(place / "data"))
    for console in (errors.out, errors.err):  # made when they were imported, for whatever terminal there was
        monkeypatch.setattr(console, "width", 220)
    if database_url is None:
        monkeypatch.delenv("MACHTIGING_DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("MACHTIGING_DATABASE_URL", database_url)
    return CommandLine(keys, capsys, monkeypatch)


_DISABLED = ("uvicorn.access", "httpx", "httpcore", "python_multipart", "mail.log")
_LEVELS = ("casbin", "casbin.policy", "casbin.enforcer", "casbin.role")


@contextmanager
def preserve_logging() -> Iterator[None]:
    """Put structlog, the root logger, the request log and the exception hooks back."""
    root = standard.getLogger()
    handlers, level = root.handlers[:], root.level
    disabled = {name: standard.getLogger(name).disabled for name in _DISABLED}
    levels = {name: standard.getLogger(name).level for name in _LEVELS}
    configured, request_log = structlog.get_config(), structured_logging._request_logger
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        standard.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, was in disabled.items():
            standard.getLogger(name).disabled = was
        for name, was in levels.items():
            standard.getLogger(name).setLevel(was)
        structlog.configure(**configured)
        structured_logging._request_logger = request_log
