"""Strict reader of `policies/`: any error stops the start, with file and line.

Each policy row is checked, and so is the model. Casbin's own CSV reader knows no quotes and accepts any number of
columns and any word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from machtiging.access.policy_request import FACT_FIELDS, REQUEST_FIELDS
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault

POLICY_COLUMNS = ("id", "eft", "capacity", "act", "theme", "sensitivity", "level", "because")
COLUMN_ENUMS: dict[str, type[StrEnum]] = {
    "capacity": Capacity,
    "act": Act,
    "theme": Theme,
    "sensitivity": Sensitivity,
    "level": Assurance,
}
WILDCARD = "*"
_ROW_ID_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# The required content of model.conf. The clauses of the matcher may be in any order; none may be missing or added.
_MODEL_DEFINITIONS = {
    "request_definition": ("r", ", ".join(REQUEST_FIELDS)),
    "policy_definition": ("p", "id, " + ", ".join(COLUMN_ENUMS) + ", eft"),
    "policy_effect": ("e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))"),
}
_MATCHER_CLAUSES = frozenset([f"r.{name} in p.{name}" for name in COLUMN_ENUMS] + [f"r.{name}" for name in FACT_FIELDS])


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of the policy: allow or deny for these capacities, acts, themes, sensitivities, levels."""

    id: str
    eft: str
    capacity: frozenset[str]
    act: frozenset[str]
    theme: frozenset[str]
    sensitivity: frozenset[str]
    level: frozenset[str]
    because: str

    def column_values(self, column: str) -> frozenset[str]:
        """Return the words of one column of COLUMN_ENUMS."""
        found: frozenset[str] = getattr(self, column)
        return found

    def canonical_text(self) -> str:
        """Return the deciding columns in a canonical spelling, for the digest. The `because` column is left out."""
        return ";".join([self.id, self.eft, *(" ".join(sorted(self.column_values(column))) for column in COLUMN_ENUMS)])


@dataclass(frozen=True, slots=True)
class PolicyContent:
    """The model and the rows of a policy, as read."""

    model: str
    rows: tuple[PolicyRow, ...]

    def compute_digest(self) -> str:
        """Compute the digest that identifies this policy in every journal line."""
        text = "\n".join([self.model, *sorted(row.canonical_text() for row in self.rows)])
        return hashlib.sha256(text.encode()).hexdigest()


def read_policy_rows(directory: Path) -> tuple[PolicyRow, ...]:
    """Read all rows of all `*.csv`, ordered by id. Raises Fault `beleid_onleesbaar` or `beleid_leeg`."""
    files = sorted(directory.glob("*.csv"))
    rows: dict[str, PolicyRow] = {}
    for file in files:
        for place, line in _read_lines(file):
            row = _parse_row(place, line)
            if row.id in rows:
                raise _unreadable_policy_fault(place, f"the id '{row.id}' is used twice")
            rows[row.id] = row
    if not any(row.eft == "allow" for row in rows.values()):
        raise Fault("beleid_leeg", private=f"{directory}: no rows that allow anything in {len(files)} files")
    return tuple(rows[id_] for id_ in sorted(rows))


def _read_lines(file: Path) -> Iterable[tuple[str, str]]:
    numbered = enumerate(_read_text(file).splitlines(), start=1)
    meant = [(f"{file}:{number}", line) for number, line in numbered if line.strip() and not line.startswith("#")]
    if not meant:
        raise _unreadable_policy_fault(f"{file}:1", "the file holds no rows")
    place, header = meant[0]
    if header != ",".join(POLICY_COLUMNS):
        raise _unreadable_policy_fault(place, f"the first line must be {','.join(POLICY_COLUMNS)}")
    return meant[1:]


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable_policy_fault(f"{file}:1", type(error).__name__) from error


def _parse_row(location: str, line: str) -> PolicyRow:
    cells = line.split(",", len(POLICY_COLUMNS) - 1)
    if len(cells) != len(POLICY_COLUMNS):
        raise _unreadable_policy_fault(location, f"{len(cells)} columns instead of {len(POLICY_COLUMNS)}")
    named = dict(zip(POLICY_COLUMNS, cells, strict=True))
    if not _ROW_ID_PATTERN.fullmatch(named["id"]):
        raise _unreadable_policy_fault(location, f"'{named['id']}' is no id: use small letters, digits and hyphens")
    if named["eft"] not in ("allow", "deny"):
        raise _unreadable_policy_fault(location, f"'{named['eft']}' is neither allow nor deny")
    if not named["because"].strip():
        raise _unreadable_policy_fault(location, "the column 'because' is empty")
    words = {column: _parse_cell(location, column, named[column]) for column in COLUMN_ENUMS}
    return PolicyRow(id=named["id"], eft=named["eft"], because=named["because"].strip(), **words)


def _parse_cell(location: str, column: str, cell: str) -> frozenset[str]:
    allowed_words = [str(word) for word in COLUMN_ENUMS[column]]
    if cell == WILDCARD:
        return frozenset(allowed_words)
    words = cell.split(" ")
    for word in words:
        if word not in allowed_words:
            raise _unreadable_policy_fault(location, f"'{word}' is no {column}; known are {', '.join(allowed_words)}")
    if len(set(words)) != len(words):
        raise _unreadable_policy_fault(location, f"a word stands twice in '{cell}'")
    return frozenset(words)


def read_casbin_model(directory: Path) -> str:
    """Read and check `model.conf`. Raises Fault `beleid_onleesbaar` unless it is the expected model."""
    file = directory / "model.conf"
    found = _parse_sections(file)
    expected = {*_MODEL_DEFINITIONS, "matchers"}
    if set(found) != expected:
        raise _unreadable_policy_fault(f"{file}:1", f"the sections must be {', '.join(sorted(expected))}")
    for section, (key, value) in _MODEL_DEFINITIONS.items():
        _, place, line = found[section]
        if line != f"{key} = {value}":
            raise _unreadable_policy_fault(place, f"must read: {key} = {value}")
    _check_matcher(*found["matchers"][1:])
    return "\n".join(f"[{section}]\n{line}" for section, _, line in found.values()) + "\n"


def _parse_sections(file: Path) -> dict[str, tuple[str, str, str]]:
    sections: dict[str, tuple[str, str, str]] = {}
    current = ""
    for number, raw in enumerate(_read_text(file).splitlines(), start=1):
        line, place = raw.strip(), f"{file}:{number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            current = line[1:-1]
        elif not current or current in sections:
            raise _unreadable_policy_fault(place, "every section holds exactly one line")
        else:
            sections[current] = (current, place, line)
    return sections


def _check_matcher(location: str, line: str) -> None:
    clauses: Sequence[str] = line.removeprefix("m = ").split(" && ")
    strange = [clause for clause in clauses if clause not in _MATCHER_CLAUSES]
    missing = sorted(_MATCHER_CLAUSES.difference(clauses))
    if strange or missing or len(clauses) != len(_MATCHER_CLAUSES) or not line.startswith("m = "):
        raise _unreadable_policy_fault(
            location, f"the matcher lacks {missing} and has {strange} that do not belong in it"
        )


def _unreadable_policy_fault(location: str, problem: str) -> Fault:
    return Fault("beleid_onleesbaar", private=f"{location}: {problem}")
