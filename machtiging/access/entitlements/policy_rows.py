"""Strict reader of `policies/bevoegdheden/`: an error stops the start, with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from machtiging.access.entitlements.rules import IdentifierKind, Purpose, VerificationQuestion
from machtiging.kernel.errors import Fault, InvalidInput
from machtiging.kernel.oin import Oin

ENTITLEMENTS_FOLDER = "bevoegdheden"
ENTITLEMENT_COLUMNS = ("id", "eft", "afnemer", "vraag", "dienst", "doel", "kenmerk", "because")
WILDCARD = "*"
_ENUM_COLUMNS: dict[str, type[StrEnum]] = {
    "vraag": VerificationQuestion,
    "doel": Purpose,
    "kenmerk": IdentifierKind,
}
_ID_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DIENST_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# The whole model. The file is read for people and compared with this: it cannot allow more than it says here.
MODEL_LINES = (
    "[request_definition]",
    "r = afnemer, vraag, dienst, doel, kenmerk, own_dienst",
    "[policy_definition]",
    "p = id, afnemer, vraag, dienst, doel, kenmerk, eft",
    "[policy_effect]",
    "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "[matchers]",
    "m = r.own_dienst && r.afnemer in p.afnemer && r.vraag in p.vraag && r.dienst in p.dienst"
    " && r.doel in p.doel && r.kenmerk in p.kenmerk",
)


class AnyWord(frozenset[str]):
    """The cell `*` of an open column: contains every word."""

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str)


@dataclass(frozen=True, slots=True)
class EntitlementRow:
    """One row: allow or deny these questions of these agencies. None is every agency or dienst."""

    id: str
    eft: str
    afnemers: frozenset[str] | None
    questions: frozenset[str]
    diensten: frozenset[str] | None
    purposes: frozenset[str]
    identifiers: frozenset[str]
    because: str

    def casbin_values(self) -> list[object]:
        """Return the cells in the order of the model. A cell is a set, so `in` compares whole words."""
        return [
            self.id,
            AnyWord() if self.afnemers is None else self.afnemers,
            self.questions,
            AnyWord() if self.diensten is None else self.diensten,
            self.purposes,
            self.identifiers,
            self.eft,
        ]

    def canonical_text(self) -> str:
        """Return the row in a canonical spelling, for the digest."""
        words = (self.afnemers, self.questions, self.diensten, self.purposes, self.identifiers)
        cells = (WILDCARD if cell is None else " ".join(sorted(cell)) for cell in words)
        return ";".join([self.id, self.eft, *cells])

    def covers_agency(self, oin: str) -> bool:
        """Return True if the row is about this agency."""
        return self.afnemers is None or oin in self.afnemers


def read_entitlement_rows(policies_dir: Path) -> tuple[EntitlementRow, ...]:
    """Read all rows, ordered by id. Without the folder no agency may ask anything.

    Raises Fault `beleid_onleesbaar`.
    """
    folder = policies_dir / ENTITLEMENTS_FOLDER
    if not folder.is_dir():
        return ()
    _check_model(folder / "model.conf")
    rows: dict[str, EntitlementRow] = {}
    for file in sorted(folder.glob("*.csv")):
        for place, line in _read_lines(file):
            row = _parse_row(place, line)
            if row.id in rows:
                raise _unreadable(place, f"the id '{row.id}' is used twice")
            rows[row.id] = row
    return tuple(rows[row_id] for row_id in sorted(rows))


def _check_model(file: Path) -> None:
    lines = tuple(line.strip() for line in _read_text(file).splitlines())
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if found != MODEL_LINES:
        wrong = next((line for line in found if line not in MODEL_LINES), "a line is missing, or stands elsewhere")
        raise _unreadable(f"{file}:1", f"not the model of this release: {wrong}")


def _read_lines(file: Path) -> Iterable[tuple[str, str]]:
    numbered = enumerate(_read_text(file).splitlines(), start=1)
    rows = [(f"{file}:{number}", line) for number, line in numbered if line.strip() and not line.startswith("#")]
    if not rows or rows[0][1] != ",".join(ENTITLEMENT_COLUMNS):
        raise _unreadable(f"{file}:1", f"the first line must be {','.join(ENTITLEMENT_COLUMNS)}")
    return rows[1:]


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"{file}:1", type(error).__name__) from error


def _parse_row(place: str, line: str) -> EntitlementRow:
    cells = line.split(",", len(ENTITLEMENT_COLUMNS) - 1)
    if len(cells) != len(ENTITLEMENT_COLUMNS):
        raise _unreadable(place, f"{len(cells)} columns instead of {len(ENTITLEMENT_COLUMNS)}")
    named = dict(zip(ENTITLEMENT_COLUMNS, cells, strict=True))
    if not _ID_PATTERN.fullmatch(named["id"]):
        raise _unreadable(place, f"'{named['id']}' is no id: use small letters, digits and hyphens")
    if named["eft"] not in ("allow", "deny"):
        raise _unreadable(place, f"'{named['eft']}' is neither allow nor deny")
    if not named["because"].strip():
        raise _unreadable(place, "the column 'because' is empty")
    closed = {column: _parse_words(place, column, named[column]) for column in _ENUM_COLUMNS}
    return EntitlementRow(
        id=named["id"],
        eft=named["eft"],
        afnemers=_parse_oins(place, named["afnemer"]),
        questions=closed["vraag"],
        diensten=_parse_diensten(place, named["dienst"]),
        purposes=closed["doel"],
        identifiers=closed["kenmerk"],
        because=named["because"].strip(),
    )


def _split_cell(place: str, cell: str) -> list[str]:
    words = cell.split(" ")
    if len(set(words)) != len(words):
        raise _unreadable(place, f"a word stands twice in '{cell}'")
    return words


def _parse_words(place: str, column: str, cell: str) -> frozenset[str]:
    allowed = [str(word) for word in _ENUM_COLUMNS[column]]
    if cell == WILDCARD:
        return frozenset(allowed)
    words = _split_cell(place, cell)
    for word in words:
        if word not in allowed:
            raise _unreadable(place, f"'{word}' is no {column}; possible are {', '.join(allowed)}")
    return frozenset(words)


def _parse_oins(place: str, cell: str) -> frozenset[str] | None:
    if cell == WILDCARD:
        return None
    try:
        return frozenset(Oin(word).value for word in _split_cell(place, cell))
    except InvalidInput as error:
        raise _unreadable(place, f"'{cell}' is no list of OINs") from error


def _parse_diensten(place: str, cell: str) -> frozenset[str] | None:
    if cell == WILDCARD:
        return None
    words = _split_cell(place, cell)
    if not all(_DIENST_PATTERN.fullmatch(word) for word in words):
        raise _unreadable(place, f"'{cell}' is no list of codes of diensten")
    return frozenset(words)


def _unreadable(place: str, problem: str) -> Fault:
    return Fault("beleid_onleesbaar", private=f"{place}: {problem}")
