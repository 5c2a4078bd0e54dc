"""The command line as an operator uses it, on the database of a test."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machtiging.__main__ import main
from machtiging.cli import errors
from tests.builders.crypto import a_key_directory
from tests.builders.logging_state import restored_logging


@dataclass(frozen=True)
class Ended:
    """The exit code and output of a command. `told` is the output for the operator, on one line."""

    code: int
    out: str
    told: str


@dataclass(frozen=True)
class CommandLine:
    """Runs commands of an installation."""

    keys: Path
    capsys: Any
    monkeypatch: Any

    async def __call__(self, *words: str, typed: str = "") -> Ended:
        """Run one; `typed` comes on standard input, as from a pipe."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with restored_logging():
            code = await asyncio.to_thread(main, list(words))
        said = self.capsys.readouterr()
        return Ended(code, said.out, " ".join(said.err.split()))


def a_command_line(database_url: str | None, place: Path, capsys: Any, monkeypatch: Any) -> CommandLine:
    """An installation with keys of its own, on this database (None: none yet)."""
    keys = a_key_directory(place / "keys")
    monkeypatch.setenv("MACHTIGING_KEYS_DIR", str(keys))
    monkeypatch.setenv("MACHTIGING_DATA_DIR", str(place / "data"))
    for console in (errors.out, errors.err):  # made when they were imported, for whatever terminal there was
        monkeypatch.setattr(console, "width", 220)
    if database_url is None:
        monkeypatch.delenv("MACHTIGING_DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("MACHTIGING_DATABASE_URL", database_url)
    return CommandLine(keys, capsys, monkeypatch)
