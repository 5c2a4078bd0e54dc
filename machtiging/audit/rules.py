"""Hash chain of the journal. Each hash covers the line, its number and the previous hash.

Anybody can recompute it. The hash is SHA-256 over UTF-8 JSON without spaces and with sorted members: the columns that
the line format covers, as stored in the database, `seq`, and `previous` in hexadecimal. `occurred_at` is the text
of the seconds since 1970 with six decimals. `facts` is the canonical text of the jsonb value in PostgreSQL.
Parsing either could lose digits, and so hide a change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

# The previous hash of the first line.
GENESIS_HASH = bytes(32)
HEAD_TYPE = "journal-head+jwt"
HEAD_ALGORITHM = "ES256"
_COLUMNS_OF_FORMAT_1 = (
    "id",
    "occurred_at",
    "act",
    "outcome",
    "reason",
    "actor_id",
    "capacity",
    "client_id",
    "for_person_id",
    "machtiging_id",
    "object_kind",
    "object_id",
    "policy_digest",
    "request_id",
    "facts",
)
_COLUMNS_SINCE_FORMAT_2 = ("format", "on_behalf_of", "trace_id")
# The columns that the hash of a line covers, by its line format. New columns get the next one.
COLUMNS_BY_FORMAT: Mapping[int, tuple[str, ...]] = {
    1: _COLUMNS_OF_FORMAT_1,
    2: (*_COLUMNS_OF_FORMAT_1, *_COLUMNS_SINCE_FORMAT_2),
}
CURRENT_FORMAT = max(COLUMNS_BY_FORMAT)
LINE_COLUMNS = COLUMNS_BY_FORMAT[CURRENT_FORMAT]
# The format itself is in no hash of format 1; every other column that is not covered must be empty.
_MAY_BE_UNCOVERED = frozenset({"format"})


class LineFields(Protocol):
    """A line by column name: a database row or a dictionary."""

    def __getitem__(self, name: str, /) -> Any:
        """Return the value of a column."""
        ...


def hash_line(previous: bytes, seq: int, line: LineFields) -> bytes:
    """Compute the hash of a line at its position in the chain.

    `line` has at least LINE_COLUMNS, in canonical form (`audit.canonical`). Raises KeyError for an unknown format.
    """
    covered = COLUMNS_BY_FORMAT[line["format"]]
    document: dict[str, Any] = {name: None if line[name] is None else str(line[name]) for name in covered}
    document["seq"] = seq
    document["previous"] = previous.hex()
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def head_claims(seq: int, chain_hash: bytes, previous_seq: int, at: datetime) -> dict[str, Any]:
    """Return the claims of a signed head. They say that the chain up to `seq` ends in this hash.

    `previous` is the number of the previous head.
    """
    return {"seq": seq, "hash": chain_hash.hex(), "previous": previous_seq, "signed_at": at.astimezone(UTC).isoformat()}


class JournalProblemKind(StrEnum):
    """The kinds of damage to a journal."""

    CHANGED = "veranderd"
    CUT_OFF = "afgeknipt"
    DETACHED = "losgeraakt"
    DOUBLE = "dubbel"
    HEAD_FORGED = "kop_vervalst"
    HEAD_MISSING = "kop_ontbreekt"
    MISSING = "ontbreekt"
    STRAY = "verdwaald"
    UNSIGNED = "niet_ondertekend"


@dataclass(frozen=True, slots=True)
class JournalProblem:
    """One problem found in the journal, with the number of the line."""

    kind: JournalProblemKind
    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """A position in the chain: a line number and the hash of that line."""

    seq: int
    hash: bytes


CHAIN_START = ChainPosition(0, GENESIS_HASH)


def check_line(previous: ChainPosition, line: LineFields) -> list[JournalProblem]:
    """Check one line against the previous one. Returns the problems found."""
    seq: int | None = line["seq"]
    problems = []
    if seq is None or seq <= previous.seq:
        text = f"Regel {seq or 'zonder nummer'} (id {line['id']}) staat er dubbel in, of is ertussen gezet."
        return [JournalProblem(JournalProblemKind.DOUBLE, seq, text)]
    if seq > previous.seq + 1:
        problems.append(
            JournalProblem(
                JournalProblemKind.MISSING, previous.seq + 1, describe_missing_lines(previous.seq + 1, seq - 1)
            )
        )
    elif line["previous_hash"] != previous.hash:
        text = f"Regel {seq} sluit niet aan op regel {previous.seq}: een van de twee is vervangen."
        problems.append(JournalProblem(JournalProblemKind.DETACHED, seq, text))
    problems += _check_content(seq, line)
    return problems


def _check_content(seq: int, line: LineFields) -> list[JournalProblem]:
    """Check the hash over the covered columns, and that the other columns are empty."""
    covered = COLUMNS_BY_FORMAT.get(line["format"])
    if covered is None:
        text = f"Regel {seq} heeft een vorm die wij niet kennen ({line['format']})."
        return [JournalProblem(JournalProblemKind.CHANGED, seq, text)]
    filled = [name for name in LINE_COLUMNS if name not in (*covered, *_MAY_BE_UNCOVERED) and line[name] is not None]
    if filled:
        text = f"Regel {seq} heeft inhoud die haar vorm niet kent ({', '.join(filled)})."
        return [JournalProblem(JournalProblemKind.CHANGED, seq, text)]
    # An absent hash counts as wrong: an attacker may also have dropped the NOT NULL constraint.
    if hash_line(line["previous_hash"] or b"", seq, line) != line["hash"]:
        text = f"Regel {seq} is veranderd, verplaatst of vervangen."
        return [JournalProblem(JournalProblemKind.CHANGED, seq, text)]
    return []


def describe_missing_lines(first: int, last: int) -> str:
    """Return the Dutch sentence about missing lines."""
    return f"Regel {first} ontbreekt." if first == last else f"De regels {first} tot en met {last} ontbreken."
