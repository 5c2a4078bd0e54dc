"""The pages of docs/integrate: their fenced blocks, tables and examples.

The info string of a block says what a test does with it:

- `sh` is executed, in the order of the page; the `text` block after it is its output, in which `…` is any text.
- `sh running` is already running in the test. `sh background` runs until the page ends, `sh background=instead` too,
  after all others were stopped.
- `sh browser=KEY,NAME` prints an address for a browser. This persona opens it, and chooses the box of that person.
- `needs=PROGRAM` is executed only where that program is.
- `json file=NAME` and so on is part of this file in `docs/integrate/examples`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "integrate"
EXAMPLES = GUIDE / "examples"
PAGES = tuple(sorted(GUIDE.glob("*.md")))
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (?P<codes>`.*?) \| (?P<status>[^|]*) \| (?P<advice>[^|]*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class FencedBlock:
    """A fenced block: its language, the settings of its info string, and its text."""

    language: str
    settings: dict[str, str]
    text: str

    @property
    def is_command(self) -> bool:
        return self.language == "sh" and "running" not in self.settings


@dataclass(frozen=True)
class GuideCommand:
    """A block of commands with the output that the page shows."""

    block: FencedBlock
    output: str | None = None


@dataclass(frozen=True)
class ErrorRow:
    """A row of an error table. The status is a number or `redirect`."""

    codes: tuple[str, ...]
    status: str
    advice: str = field(compare=False)


@cache
def read_page(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def list_blocks(page: Path) -> tuple[FencedBlock, ...]:
    found = []
    for info, text in _FENCE.findall(read_page(page)):
        language, *words = info.split(" ")
        pairs = (word.partition("=") for word in words)
        found.append(FencedBlock(language, {name: value for name, _, value in pairs}, text))
    return tuple(found)


def list_commands(page: Path) -> Iterator[GuideCommand]:
    """The commands of a page, each with the `text` block that follows it directly."""
    blocks = list_blocks(page)
    for number, block in enumerate(blocks):
        if block.is_command:
            after = blocks[number + 1] if number + 1 < len(blocks) else None
            is_output = after is not None and after.language == "text"
            yield GuideCommand(block, after.text if is_output else None)


def list_error_rows(page: Path) -> Iterator[ErrorRow]:
    """The rows of the tables whose second column is a status."""
    for table in re.findall(r"^\| (?:code|error) \| status \|.*?(?=^$|\Z)", read_page(page), re.MULTILINE | re.DOTALL):
        for row in _ROW.finditer(table):
            yield ErrorRow(tuple(re.findall(r"`([^`]+)`", row["codes"])), row["status"].strip(), row["advice"])


def list_table_codes(page: Path) -> Iterator[str]:
    """The codes in the first column of the tables without a status."""
    tables = re.findall(r"^\| (?:reason|code of [^|]*) \|.*?(?=^$|\Z)", read_page(page), re.MULTILINE | re.DOTALL)
    for row in (line for table in tables for line in table.splitlines()[2:]):
        yield from re.findall(r"`([a-z0-9_]+)`", row.split("|")[1])


def build_output_pattern(output: str) -> re.Pattern[str]:
    """A pattern for the output that a page shows. `…` is any text on one line."""
    return re.compile(re.escape(output.strip()).replace("…", "[^\n]*"))
