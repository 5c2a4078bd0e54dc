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

_KEY_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class KeyKind(StrEnum):
    """The purpose of a key. A signing kind is the algorithm of its keys."""

    BLIND_INDEX = "blind-index"
    PSEUDONYM = "pseudonym"
    KEK = "kek"
    ROW_MAC = "row-mac"
    PS256 = "ps256"
    RS256 = "rs256"
    ES256 = "es256"

    @property
    def is_signing_kind(self) -> bool:
        """True for a signing kind."""
        return self in SIGNING_KINDS

    @property
    def algorithm(self) -> str:
        """The RFC 7518 `alg` of a signing kind."""
        return self.value.upper()


SIGNING_KINDS = frozenset({KeyKind.PS256, KeyKind.RS256, KeyKind.ES256})
# These never rotate: a changed index no longer finds a citizen, and a changed pseudonym breaks every client's link to
# its users. Replacing them is a data migration.
UNVERSIONED_KINDS = frozenset({KeyKind.BLIND_INDEX, KeyKind.PSEUDONYM})
# Kinds that `keys generate` may add to a ring of an earlier release. Any other missing key was lost and must be
# restored from a backup.
KINDS_OF_LATER_RELEASES = frozenset({KeyKind.ROW_MAC})
# Kinds whose newest version is active, while older versions still decrypt or verify.
_VERSIONED_KIND_VERBS = {KeyKind.KEK: "wraps", KeyKind.ROW_MAC: "seals"}


class KeyState(StrEnum):
    """The state of a key: published, active or retired.

    Published: in the JWKS, does not sign yet. Active: signs or wraps. Retired: still verifies or unwraps. A published
    key with `activated_at` is active from that time on (see `entries_at`), whatever state the file has.
    """

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key of the ring, without its secret."""

    name: str
    kind: KeyKind
    state: KeyState
    created_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def version(self) -> int:
        """The version at the end of the name; 1 for unversioned kinds."""
        return 1 if self.kind in UNVERSIONED_KINDS else int(self.name.rpartition("-")[2])


def key_name(kind: KeyKind, version: int) -> str:
    """Return the name of a key version, which is also its file name without suffix."""
    return kind.value if kind in UNVERSIONED_KINDS else f"{kind.value}-{version}"


def is_scheduled(entry: KeyEntry) -> bool:
    """Return True for a published key with an activation time."""
    return entry.state is KeyState.PUBLISHED and entry.activated_at is not None


def entries_at(entries: Sequence[KeyEntry], at: datetime) -> tuple[KeyEntry, ...]:
    """Return the entries at this instant, with due activations and retirements applied."""
    activated_at = {
        entry.kind: entry.activated_at for entry in entries if is_scheduled(entry) and _active_since(entry) <= at
    }
    return tuple(_apply_activation(entry, activated_at.get(entry.kind)) for entry in entries)


def _active_since(entry: KeyEntry) -> datetime:
    return entry.activated_at or entry.created_at


def _apply_activation(entry: KeyEntry, activated_at: datetime | None) -> KeyEntry:
    if activated_at is None:
        return entry
    if is_scheduled(entry):
        return replace(entry, state=KeyState.ACTIVE)
    return replace(entry, state=KeyState.RETIRED, retired_at=activated_at) if entry.state is KeyState.ACTIVE else entry


def serialise_manifest(entries: Sequence[KeyEntry]) -> str:
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


def parse_manifest(text: str, *, require_all_kinds: bool = True) -> tuple[KeyEntry, ...]:
    """Parse and check the manifest. Raises Fault `sleutelbos_onleesbaar` if invalid.

    `require_all_kinds` False allows that a kind of a later release is missing. Otherwise that is Fault
    `sleutel_ontbreekt`, with its repair.
    """
    try:
        document = json.loads(text)
        if document["version"] != 1:
            raise ValueError("a version this release does not know")
        entries = tuple(_parse_entry(row) for row in document["keys"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Fault("sleutelbos_onleesbaar", private=f"keys.json: {type(error).__name__}: {error}") from error
    for complaint in find_inconsistencies(entries):
        raise Fault("sleutelbos_onleesbaar", private=f"keys.json: {complaint}")
    missing = find_missing_kinds(entries)
    if missing and require_all_kinds:
        mend = "this release needs one; make it with `machtiging keys generate`"
        raise Fault("sleutel_ontbreekt", private=f"keys.json: no key of kind {missing[0]}: {mend}")
    return entries


def _parse_entry(row: dict[str, str]) -> KeyEntry:
    unknown = set(row) - {"name", "kind", "state", "created_at", "activated_at", "retired_at"}
    if unknown:
        raise ValueError(f"unknown member {sorted(unknown)[0]}")
    entry = KeyEntry(
        name=row["name"],
        kind=KeyKind(row["kind"]),
        state=KeyState(row["state"]),
        created_at=_parse_instant(row["created_at"]),
        activated_at=_parse_instant(row["activated_at"]) if "activated_at" in row else None,
        retired_at=_parse_instant(row["retired_at"]) if "retired_at" in row else None,
    )
    if not _KEY_NAME_PATTERN.fullmatch(entry.name) or entry.name != key_name(entry.kind, entry.version):
        raise ValueError(f"name {entry.name!r} does not fit kind {entry.kind}")
    return entry


def _parse_instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value


def find_missing_kinds(entries: Sequence[KeyEntry]) -> list[KeyKind]:
    """Return the kinds of later releases that this ring lacks."""
    return [
        kind for kind in KeyKind if kind in KINDS_OF_LATER_RELEASES and kind not in {entry.kind for entry in entries}
    ]


def find_inconsistencies(entries: Sequence[KeyEntry]) -> list[str]:
    """Return the inconsistencies of a ring as sentences.

    Each kind has exactly one active key, and each retired key has `retired_at`.
    """
    active = Counter(entry.kind for entry in entries if entry.state is KeyState.ACTIVE)
    wanted = [kind for kind in KeyKind if kind not in find_missing_kinds(entries)]
    found = [f"{active[kind]} active keys of kind {kind}, want 1" for kind in wanted if active[kind] != 1]
    names = Counter(entry.name for entry in entries)
    found += [f"{name} stands twice" for name, times in names.items() if times > 1]
    found += [
        f"{entry.name} is {entry.state} and its retired_at says otherwise"
        for entry in entries
        if (entry.state is KeyState.RETIRED) != (entry.retired_at is not None)
    ]
    dated = Counter(entry.kind for entry in entries if is_scheduled(entry))
    found += [
        f"{dated[kind]} keys of kind {kind} wait for a moment" for kind in KeyKind if dated[kind] > kind.is_signing_kind
    ]
    for kind, does in _VERSIONED_KIND_VERBS.items():
        newest = max((entry.version for entry in entries if entry.kind is kind), default=0)
        found += [
            f"{entry.name} {does} while {kind}-{newest} is newer"
            for entry in entries
            if entry.kind is kind and entry.state is KeyState.ACTIVE and entry.version != newest
        ]
    return found
