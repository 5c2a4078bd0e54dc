"""The manifest `keys.json`: name, kind, state and times of each key, never a secret."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from machtiging.kernel.errors import Fault

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class Kind(StrEnum):
    """The purpose of a key. A signing kind is the algorithm of its keys."""

    BLIND_INDEX = "blind-index"
    PSEUDONYM = "pseudonym"
    KEK = "kek"
    ROW_MAC = "row-mac"
    PS256 = "ps256"
    RS256 = "rs256"
    ES256 = "es256"

    @property
    def signs(self) -> bool:
        """True for a signing kind."""
        return self in SIGNING

    @property
    def algorithm(self) -> str:
        """The RFC 7518 `alg` of a signing kind."""
        return self.value.upper()


SIGNING = frozenset({Kind.PS256, Kind.RS256, Kind.ES256})
# These never rotate: a changed index no longer finds a citizen, and a changed pseudonym breaks every client's link to
# its users. Replacing them is a data migration.
UNVERSIONED = frozenset({Kind.BLIND_INDEX, Kind.PSEUDONYM})
# Kinds that `keys generate` may add to a ring of an earlier release. Any other missing key was lost and must be
# restored from a backup.
ADDED_LATER = frozenset({Kind.ROW_MAC})
# Kinds whose newest version is active, while older versions still decrypt or verify.
_NEWEST_IS_ACTIVE = {Kind.KEK: "wraps", Kind.ROW_MAC: "seals"}


class State(StrEnum):
    """The state of a key: published, active or retired.

    Published: in the JWKS, does not sign yet. Active: signs or wraps. Retired: still verifies or unwraps. A published
    key with `activated_at` is active from that time on (see `entries_at`), whatever state the file has.
    """

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the ring, without its secret."""

    name: str
    kind: Kind
    state: State
    created_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def version(self) -> int:
        """The version at the end of the name; 1 for unversioned kinds."""
        return 1 if self.kind in UNVERSIONED else int(self.name.rpartition("-")[2])


def name_of(kind: Kind, version: int) -> str:
    """Return the name of a key version, which is also its file name without suffix."""
    return kind.value if kind in UNVERSIONED else f"{kind.value}-{version}"


def scheduled(entry: Entry) -> bool:
    """Return True for a published key with an activation time."""
    return entry.state is State.PUBLISHED and entry.activated_at is not None


def as_of(entries: Sequence[Entry], at: datetime) -> tuple[Entry, ...]:
    """Return the entries at this instant, with due activations and retirements applied."""
    begun = {entry.kind: entry.activated_at for entry in entries if scheduled(entry) and _since(entry) <= at}
    return tuple(_begun(entry, begun.get(entry.kind)) for entry in entries)


def _since(entry: Entry) -> datetime:
    return entry.activated_at or entry.created_at


def _begun(entry: Entry, begins: datetime | None) -> Entry:
    if begins is None:
        return entry
    if scheduled(entry):
        return replace(entry, state=State.ACTIVE)
    return replace(entry, state=State.RETIRED, retired_at=begins) if entry.state is State.ACTIVE else entry


def to_json(entries: Sequence[Entry]) -> str:
    """Serialise the manifest as JSON."""
    rows = [
        {
            "name": entry.name,
            "kind": entry.kind.value,
            "state": entry.state.value,
            **{
                field: value.isoformat()
                for field in ("created_at", "activated_at", "retired_at")
                if (value := getattr(entry, field)) is not None
            },
        }
        for entry in entries
    ]
    return json.dumps({"version": 1, "keys": rows}, indent=2) + "\n"


def from_json(text: str, *, complete: bool = True) -> tuple[Entry, ...]:
    """Parse and check the manifest. Raises Fault `sleutelbos_onleesbaar` if invalid.

    `require_all_kinds` False allows that a kind of a later release is missing. Otherwise that is Fault
    `sleutel_ontbreekt`, with its repair.
    """
    try:
        document = json.loads(text)
        if document["version"] != 1:
            raise ValueError("a version this release does not know")
        entries = tuple(_entry(row) for row in document["keys"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Fault("sleutelbos_onleesbaar", private=f"keys.json: {type(error).__name__}: {error}") from error
    for complaint in complaints(entries):
        raise Fault("sleutelbos_onleesbaar", private=f"keys.json: {complaint}")
    missing = missing_kinds(entries)
    if missing and complete:
        mend = "this release needs one; make it with `machtiging keys generate`"
        raise Fault("sleutel_ontbreekt", private=f"keys.json: no key of kind {missing[0]}: {mend}")
    return entries


def _entry(row: dict[str, str]) -> Entry:
    unknown = set(row) - {"name", "kind", "state", "created_at", "activated_at", "retired_at"}
    if unknown:
        raise ValueError(f"unknown member {sorted(unknown)[0]}")
    entry = Entry(
        name=row["name"],
        kind=Kind(row["kind"]),
        state=State(row["state"]),
        created_at=_instant(row["created_at"]),
        activated_at=_instant(row["activated_at"]) if "activated_at" in row else None,
        retired_at=_instant(row["retired_at"]) if "retired_at" in row else None,
    )
    if not _NAME.fullmatch(entry.name) or entry.name != name_of(entry.kind, entry.version):
        raise ValueError(f"name {entry.name!r} does not fit kind {entry.kind}")
    return entry


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value


def missing_kinds(entries: Sequence[Entry]) -> list[Kind]:
    """Return the kinds of later releases that this ring lacks."""
    return [kind for kind in Kind if kind in ADDED_LATER and kind not in {entry.kind for entry in entries}]


def complaints(entries: Sequence[Entry]) -> list[str]:
    """Return the inconsistencies of a ring as sentences.

    Each kind has exactly one active key, and each retired key has `retired_at`.
    """
    active = Counter(entry.kind for entry in entries if entry.state is State.ACTIVE)
    wanted = [kind for kind in Kind if kind not in missing_kinds(entries)]
    found = [f"{active[kind]} active keys of kind {kind}, want 1" for kind in wanted if active[kind] != 1]
    names = Counter(entry.name for entry in entries)
    found += [f"{name} stands twice" for name, times in names.items() if times > 1]
    found += [
        f"{entry.name} is {entry.state} and its retired_at says otherwise"
        for entry in entries
        if (entry.state is State.RETIRED) != (entry.retired_at is not None)
    ]
    dated = Counter(entry.kind for entry in entries if scheduled(entry))
    found += [f"{dated[kind]} keys of kind {kind} wait for a moment" for kind in Kind if dated[kind] > kind.signs]
    for kind, does in _NEWEST_IS_ACTIVE.items():
        newest = max((entry.version for entry in entries if entry.kind is kind), default=0)
        found += [
            f"{entry.name} {does} while {kind}-{newest} is newer"
            for entry in entries
            if entry.kind is kind and entry.state is State.ACTIVE and entry.version != newest
        ]
    return found
