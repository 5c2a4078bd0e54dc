"""`keys.json`: which keys there are, of what kind, in which state, since when. Names and times only, never a secret."""

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
    """What a key is for. A signing kind is the algorithm that its keys are pinned to."""

    BLIND_INDEX = "blind-index"
    PSEUDONYM = "pseudonym"
    KEK = "kek"
    ROW_MAC = "row-mac"
    PS256 = "ps256"
    RS256 = "rs256"
    ES256 = "es256"

    @property
    def signs(self) -> bool:
        """Whether this is a signing kind."""
        return self in SIGNING

    @property
    def algorithm(self) -> str:
        """The `alg` of RFC 7518 that a signing kind is pinned to."""
        return self.value.upper()


SIGNING = frozenset({Kind.PS256, Kind.RS256, Kind.ES256})
# One version for ever: a changed index would no longer find a citizen, a changed pseudonym would make every
# citizen a stranger to every client. Replacing these is a migration of data, not a rotation.
UNVERSIONED = frozenset({Kind.BLIND_INDEX, Kind.PSEUDONYM})
# Newer than the first release: a ring from before lacks it, and `keys generate` adds it. No other kind is ever added
# to a ring that is in use: its key was lost, and has to come back from a backup.
ADDED_LATER = frozenset({Kind.ROW_MAC})
# Of these the newest version is the active one, and the older ones still open or verify.
_NEWEST_IS_ACTIVE = {Kind.KEK: "wraps", Kind.ROW_MAC: "seals"}


class State(StrEnum):
    """Published: in the JWKS, does not sign yet. Active: signs or wraps. Retired: still verifies or unwraps.

    A published key with an `activated_at` is active from then on, as `as_of` says, whatever stands in the file.
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
        """The number at the end of the name; 1 for kinds that have one version."""
        return 1 if self.kind in UNVERSIONED else int(self.name.rpartition("-")[2])


def name_of(kind: Kind, version: int) -> str:
    """The name of a version of a kind, which is also its file name without the suffix."""
    return kind.value if kind in UNVERSIONED else f"{kind.value}-{version}"


def scheduled(entry: Entry) -> bool:
    """Whether this key waits for the moment from which it signs."""
    return entry.state is State.PUBLISHED and entry.activated_at is not None


def as_of(entries: Sequence[Entry], at: datetime) -> tuple[Entry, ...]:
    """The ring as it is at this instant: keys whose moment has come sign, and those before them have retired."""
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
    """The manifest as text."""
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
    """The manifest from text. Raises Fault `sleutelbos_onleesbaar` when it is not one, or does not add up.

    Not `complete`: a kind that was added in a later release may be missing. Otherwise that is Fault
    `sleutel_ontbreekt`, which says what to do.
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
    """The kinds that a ring from an earlier release cannot have, and has not."""
    return [kind for kind in Kind if kind in ADDED_LATER and kind not in {entry.kind for entry in entries}]


def complaints(entries: Sequence[Entry]) -> list[str]:
    """What does not add up in a ring: each kind has exactly one active key, and a retired key says since when."""
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
