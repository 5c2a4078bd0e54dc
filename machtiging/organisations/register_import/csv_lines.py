"""Read a CSV file of organisations or of administrators. Pure: no I/O, no framework.

Excel writes UTF-8 with a byte order mark or Windows-1252, and in Dutch a semicolon. RFC 4180 has a comma.
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from machtiging.kernel.errors import InvalidInput, Message

MAX_FILE_BYTES = 100 * 1024
MAX_FILE_LINES = 500
# Spreadsheets take a value that begins with one of these for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class FileKind(StrEnum):
    """The kind of a file, which follows from its first line."""

    ORGANISATIONS = "organisaties"
    ADMINISTRATORS = "medewerkers"


_REQUIRED = {
    FileKind.ORGANISATIONS: frozenset({"naam", "soort", "grond"}),
    FileKind.ADMINISTRATORS: frozenset({"kvk", "naam", "inlogkenmerk", "rollen"}),
}
_OPTIONAL = {
    FileKind.ORGANISATIONS: frozenset(
        {"kvk", "vestiging", "rsin", "oin", "gevoeligheid", "dagen", "niveau", "besluitkenmerk"}
    ),
    FileKind.ADMINISTRATORS: frozenset({"vestiging"}),
}


@dataclass(frozen=True, slots=True)
class CsvLine:
    """A line of the file by column. `fault`: why it cannot be used; None if it can."""

    number: int
    values: Mapping[str, str]
    fault: Message | None = None


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """A file with its kind and its lines. Empty lines are left out."""

    kind: FileKind
    lines: Sequence[CsvLine]


def read_register_file(content: bytes) -> RegisterFile:
    """Read a file. Line numbers are those of an editor, so the first line with values is 2.

    Raises InvalidInput `bestand_leeg`, `bestand_te_groot`, `bestand_met_nul`, `bestand_codering`, `bestand_kop`,
    `bestand_geen_csv` or `bestand_te_veel_regels`.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput("bestand_te_groot", params={"limit": MAX_FILE_BYTES // 1024})
    text = _decode(content)
    if not text.strip():
        raise InvalidInput("bestand_leeg")
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") >= first.count(",") else ","
    rows = _read_rows(text, delimiter)
    if not rows:
        raise InvalidInput("bestand_leeg")
    head = [name.strip().lower() for name in rows[0][1]]
    kind = _find_kind(head)
    if len(rows) - 1 > MAX_FILE_LINES:
        raise InvalidInput("bestand_te_veel_regels", params={"limit": MAX_FILE_LINES})
    if len(rows) == 1:
        raise InvalidInput("bestand_leeg")
    return RegisterFile(kind, [_build_line(number, head, cells) for number, cells in rows[1:]])


def _decode(content: bytes) -> str:
    if b"\0" in content:
        number = content[: content.index(b"\0")].count(b"\n") + 1
        raise InvalidInput("bestand_met_nul", params={"line": number})
    try:
        return content.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as fault:
        if content.startswith(BOM_UTF8):
            number = content[: fault.start].count(b"\n") + 1
            raise InvalidInput("bestand_codering", params={"line": number}) from fault
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as fault:
        number = content[: fault.start].count(b"\n") + 1
        raise InvalidInput("bestand_codering", params={"line": number}) from fault


def _read_rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the lines that are not empty, each with its number."""
    reader, found, number = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((number, cells))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput("bestand_geen_csv", params={"line": reader.line_num}) from error
    return found


def _find_kind(head: Sequence[str]) -> FileKind:
    """Return the kind of file with these columns. Raises InvalidInput `bestand_kop`."""
    for kind in FileKind:
        names = frozenset(head)
        if len(names) == len(head) and _REQUIRED[kind] <= names <= _REQUIRED[kind] | _OPTIONAL[kind]:
            return kind
    raise InvalidInput("bestand_kop")


def _build_line(number: int, head: Sequence[str], cells: Sequence[str]) -> CsvLine:
    values = dict(zip(head, (" ".join(cell.split(" ")).strip(" ") for cell in cells), strict=False))
    if len(cells) != len(head):
        return CsvLine(number, values, Message("regel_kolommen", {"columns": len(head), "found": len(cells)}))
    if any(cell.strip(" ").startswith(_FORMULA_STARTS) for cell in cells):
        return CsvLine(number, values, Message("regel_met_formule"))
    return CsvLine(number, values)
