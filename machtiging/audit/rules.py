"""How lines are chained: each hash covers the line, its number and the hash before it. Anybody can recompute it.

The hash is SHA-256 over UTF-8 JSON without spaces, members sorted: the columns of the line as they stand in the
database, `seq`, and `previous` in hexadecimal. `occurred_at` is the text of the seconds since 1970 with six decimals;
`facts` is the text of the jsonb value, which PostgreSQL keeps in one canonical form. Parsing either could lose digits,
and so hide a change.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

# What the first line follows on.
GENESIS = bytes(32)
HEAD_TYPE = "journal-head+jwt"
HEAD_ALGORITHM = "ES256"
COLUMNS = (
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


class Fields(Protocol):
    """A line by the names of its columns: a database row, or a dictionary."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column."""
        ...


def link(previous: bytes, seq: int, line: Fields) -> bytes:
    """The hash of a line at its place in the chain. `line` has at least COLUMNS, read exactly (`audit.exact`)."""
    document: dict[str, Any] = {name: None if line[name] is None else str(line[name]) for name in COLUMNS}
    document["seq"] = seq
    document["previous"] = previous.hex()
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def head_claims(seq: int, chain_hash: bytes, previous_seq: int, at: datetime) -> dict[str, Any]:
    """What a signed head says: up to `seq` the chain ends in this hash; the head before it stood at `previous`."""
    return {"seq": seq, "hash": chain_hash.hex(), "previous": previous_seq, "signed_at": at.astimezone(UTC).isoformat()}


class ProblemKind(StrEnum):
    """What can be wrong with a journal."""

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
class Problem:
    """One thing that is wrong, and at which number."""

    kind: ProblemKind
    seq: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain: a number and the hash there."""

    seq: int
    hash: bytes


START = Place(0, GENESIS)


def examine(before: Place, line: Fields) -> list[Problem]:
    """What is wrong with one line, given the line that stands before it."""
    seq: int | None = line["seq"]
    problems = []
    if seq is None or seq <= before.seq:
        text = f"Regel {seq or 'zonder nummer'} (id {line['id']}) staat er dubbel in, of is ertussen gezet."
        return [Problem(ProblemKind.DOUBLE, seq, text)]
    if seq > before.seq + 1:
        problems.append(Problem(ProblemKind.MISSING, before.seq + 1, missing(before.seq + 1, seq - 1)))
    elif line["previous_hash"] != before.hash:
        text = f"Regel {seq} sluit niet aan op regel {before.seq}: een van de twee is vervangen."
        problems.append(Problem(ProblemKind.DETACHED, seq, text))
    # A missing hash is a wrong one: whoever tampers may also have dropped NOT NULL.
    if link(line["previous_hash"] or b"", seq, line) != line["hash"]:
        text = f"Regel {seq} is veranderd, verplaatst of vervangen."
        problems.append(Problem(ProblemKind.CHANGED, seq, text))
    return problems


def missing(first: int, last: int) -> str:
    """The sentence for lines that are not there."""
    return f"Regel {first} ontbreekt." if first == last else f"De regels {first} tot en met {last} ontbreken."
