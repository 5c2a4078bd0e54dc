"""Key rotation without a gap in verification or unwrapping, and creation of the key ring.

Each signing kind has one active key, which signs, and one published key, which is in the JWKS already. A rotation
activates the published key, retires the old one and publishes a new one. A new key-encryption key is active at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from machtiging.crypto import key_manifest, key_material, keystore
from machtiging.crypto.key_manifest import UNVERSIONED_KINDS, KeyEntry, KeyKind, KeyState, entries_at, key_name
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Conflict, Fault, InvalidInput

# Clients may cache the JWKS for an hour, and workers need some seconds to reload. A key signs only after every
# client can have it.
MIN_PUBLICATION_TIME = timedelta(minutes=65)
MAX_ACTIVATION_DELAY = timedelta(days=366)


def generate_key_ring(directory: Path, at: datetime | None = None) -> tuple[KeyEntry, ...]:
    """Create a key ring if there is none, and return the new keys.

    Creates the directory (0700), the keys (0600) and the manifest. Never replaces a key. In an existing ring it deletes
    the private half of retired keys, and adds kinds of a later release. Raises Fault `sleutel_ontbreekt` or
    `sleutelbos_onvolledig` if part of an older ring is present: restore a lost key from a backup. A new key under an
    old name would hide that old data cannot be decrypted.
    """
    at = at or SystemClock().now()
    with keystore.lock_directory(directory):
        if (directory / keystore.MANIFEST_NAME).exists():
            return _complete_key_ring(directory, at)
        ring = _initial_entries(at)
        _reject_leftover_keys(directory, ring)
        for entry in ring:
            path = keystore.key_path(directory, entry.name)
            if path.is_symlink() or path.exists():
                keystore.read_private_file(path)  # left by an interrupted run: keep it if it is readable
            else:
                _write_key(directory, entry)
        _write_manifest(directory, ring)
        return tuple(ring)


def _complete_key_ring(directory: Path, at: datetime) -> tuple[KeyEntry, ...]:
    there = key_manifest.parse_manifest(keystore.read_manifest(directory, {}), require_all_kinds=False)
    for entry in there:
        keystore.read_key(directory, {}, entry.name)
    added = tuple(
        _next_version_entry(directory, there, kind, at, immediately=False)
        for kind in key_manifest.find_missing_kinds(there)
    )
    for entry in added:
        _write_key(directory, entry)
    now = entries_at((*there, *added), at)
    if now != there:
        _write_manifest(directory, now)
        _delete_retired_private_keys(directory, now)
    return added


def read_key_entries(directory: Path) -> tuple[KeyEntry, ...]:
    """Read all keys with their states from the manifest. Raises Fault if unreadable."""
    return key_manifest.parse_manifest(keystore.read_manifest(directory, {}))


def rotate_key(
    directory: Path, kind: KeyKind, at: datetime, *, immediately: bool = False, activate_at: datetime | None = None
) -> KeyEntry:
    """Activate the next key of this kind and return it.

    Running workers reload it within some seconds. `activate_at` schedules the activation; until then another rotation
    can change it. If no signing key is published yet, one is published and returned instead, to be activated later.
    Raises InvalidInput `sleutel_heeft_een_versie` for the index and pseudonym keys, `sleutel_zonder_moment`,
    `moment_voorbij` or `moment_te_ver`. Raises Conflict `sleutel_te_nieuw` if the next signing key would be in the JWKS
    for too short a time, unless `immediately` (for a leaked key).
    """
    if kind in UNVERSIONED_KINDS:
        raise InvalidInput("sleutel_heeft_een_versie")
    if activate_at is not None:
        _validate_activation_time(kind, activate_at, at)
    with keystore.lock_directory(directory):
        entries = entries_at(read_key_entries(directory), at)
        if kind.is_signing_kind and not immediately:
            _check_published_long_enough(entries, kind, at, activate_at)
        turned, chosen = _plan_rotation(directory, entries, kind, at, immediately=immediately, activate_at=activate_at)
        for entry in turned[len(entries) :]:
            _write_key(directory, entry)
        _write_manifest(directory, turned)
        _delete_retired_private_keys(directory, turned)
    return chosen


def _validate_activation_time(kind: KeyKind, activate_at: datetime, at: datetime) -> None:
    if not kind.is_signing_kind:
        raise InvalidInput("sleutel_zonder_moment")
    if activate_at <= at:
        raise InvalidInput("moment_voorbij")
    if activate_at > at + MAX_ACTIVATION_DELAY:
        raise InvalidInput("moment_te_ver")


def _plan_rotation(
    directory: Path,
    entries: Sequence[KeyEntry],
    kind: KeyKind,
    at: datetime,
    *,
    immediately: bool,
    activate_at: datetime | None,
) -> tuple[list[KeyEntry], KeyEntry]:
    """Return the entries after the rotation, new keys last, and the key in question."""
    published = [entry for entry in entries if entry.kind is kind and entry.state is KeyState.PUBLISHED]
    following = published[0] if published else None
    newest = [] if len(published) > 1 else [_next_version_entry(directory, entries, kind, at, immediately=immediately)]
    if following is None and newest[0].state is KeyState.PUBLISHED:
        first = newest[0] if activate_at is None else replace(newest[0], activated_at=activate_at)
        return [*entries, first], first
    if activate_at is not None and following is not None:
        waits = replace(following, activated_at=activate_at)
        return [*(waits if entry is following else entry for entry in entries), *newest], waits
    turned = [_rotate_entry(entry, kind, following, at) for entry in entries] + newest
    return turned, next(e for e in turned if e.kind is kind and e.state is KeyState.ACTIVE)


def _initial_entries(at: datetime) -> list[KeyEntry]:
    ring = [KeyEntry(key_name(kind, 1), kind, KeyState.ACTIVE, at, activated_at=at) for kind in KeyKind]
    return ring + [
        KeyEntry(key_name(kind, 2), kind, KeyState.PUBLISHED, at) for kind in KeyKind if kind.is_signing_kind
    ]


def _reject_leftover_keys(directory: Path, ring: list[KeyEntry]) -> None:
    leftovers = {path.stem for path in directory.glob("*.key")} - {entry.name for entry in ring}
    if leftovers:
        why = f"{directory} holds {min(leftovers)}.key but no {keystore.MANIFEST_NAME}: restore it from a backup"
        raise Fault("sleutelbos_onvolledig", private=why)


def earliest_signing_time(entries: Sequence[KeyEntry], kind: KeyKind) -> datetime | None:
    """Return the earliest activation of the published key of a kind; None without one.

    A key created together with the active key may be activated at once: both have been in the JWKS equally long.
    """
    following = next((e for e in entries if e.kind is kind and e.state is KeyState.PUBLISHED), None)
    return None if following is None else _earliest_activation_time(entries, following)


def activation_time(entries: Sequence[KeyEntry], entry: KeyEntry) -> datetime:
    """Return the scheduled activation of a published key, or else the earliest possible one."""
    return entry.activated_at or _earliest_activation_time(entries, entry)


def _earliest_activation_time(entries: Sequence[KeyEntry], entry: KeyEntry) -> datetime:
    active = next(e for e in entries if e.kind is entry.kind and e.state is KeyState.ACTIVE)
    together = entry.created_at <= active.created_at
    return entry.created_at if together else entry.created_at + MIN_PUBLICATION_TIME


def _check_published_long_enough(
    entries: Sequence[KeyEntry], kind: KeyKind, at: datetime, activate_at: datetime | None
) -> None:
    may = earliest_signing_time(entries, kind)
    if may is None and activate_at is not None:
        may = at + MIN_PUBLICATION_TIME  # this rotation publishes it
    if may is not None and (activate_at or at) < may:
        moment = f"{may.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        raise Conflict("sleutel_te_nieuw", params={"moment": moment})


def _next_version_entry(
    directory: Path, entries: Sequence[KeyEntry], kind: KeyKind, at: datetime, *, immediately: bool
) -> KeyEntry:
    """Create an entry with a version above every number used before.

    Includes files that the manifest does not list.
    """
    used_versions = {entry.version for entry in entries if entry.kind is kind}
    for path in directory.glob(f"{kind}-*.key"):
        number = path.stem.rpartition("-")[2]
        used_versions |= {int(number)} if number.isdecimal() else set()
    name = key_name(kind, max(used_versions, default=0) + 1)
    if kind.is_signing_kind and not (immediately and earliest_signing_time(entries, kind) is None):
        return KeyEntry(name, kind, KeyState.PUBLISHED, at)
    return KeyEntry(name, kind, KeyState.ACTIVE, at, activated_at=at)


def _rotate_entry(entry: KeyEntry, kind: KeyKind, following: KeyEntry | None, at: datetime) -> KeyEntry:
    if entry.kind is kind and entry.state is KeyState.ACTIVE:
        return replace(entry, state=KeyState.RETIRED, retired_at=at)
    if entry is following:
        return replace(entry, state=KeyState.ACTIVE, activated_at=at)
    return entry


def _write_key(directory: Path, entry: KeyEntry) -> None:
    keystore.write_private_file(
        keystore.key_path(directory, entry.name), key_material.generate_key_material(entry.kind)
    )


def _write_manifest(directory: Path, entries: Sequence[KeyEntry]) -> None:
    keystore.write_private_file(directory / keystore.MANIFEST_NAME, key_manifest.serialise_manifest(entries).encode())


def _delete_retired_private_keys(directory: Path, entries: Sequence[KeyEntry]) -> None:
    """Replace retired signing keys by their public half: they verify but never sign again."""
    for entry in entries:
        path = keystore.key_path(directory, entry.name)
        if entry.kind.is_signing_kind and entry.state is KeyState.RETIRED and path.exists():
            keystore.write_private_file(path, key_material.extract_public_key(keystore.read_private_file(path), entry))
