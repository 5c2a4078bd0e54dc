"""Creation and rotation of the key ring without a gap in verification or unwrapping.

Each signing kind has one active key, which signs, and one published key, which is in the JWKS already. A rotation
activates the published key, retires the old one and publishes a new one. A new key-encryption key is active at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from machtiging.crypto import keystore, manifest, material
from machtiging.crypto.manifest import UNVERSIONED, Entry, Kind, State, as_of, name_of
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Conflict, Fault, InvalidInput

# Clients may cache the JWKS for an hour, and workers need some seconds to reload. A key signs only after every
# client can have it.
PUBLISHED_BEFORE_SIGNING = timedelta(minutes=65)
LONGEST_AHEAD = timedelta(days=366)


def generate(directory: Path, at: datetime | None = None) -> tuple[Entry, ...]:
    """Create a key ring if there is none, and return the new keys.

    Creates the directory (0700), the keys (0600) and the manifest. Never replaces a key. In an existing ring it deletes
    the private half of retired keys, and adds kinds of a later release. Raises Fault `sleutel_ontbreekt` or
    `sleutelbos_onvolledig` if part of an older ring is present: restore a lost key from a backup. A new key under an
    old name would hide that old data cannot be decrypted.
    """
    at = at or SystemClock().now()
    with keystore.locked(directory):
        if (directory / keystore.MANIFEST).exists():
            return _complete(directory, at)
        ring = _first_ring(at)
        _refuse_leftovers(directory, ring)
        for entry in ring:
            path = keystore.secret_path(directory, entry.name)
            if path.is_symlink() or path.exists():
                keystore.read_file(path)  # left by an interrupted run: keep it if it is readable
            else:
                _make(directory, entry)
        _write(directory, ring)
        return tuple(ring)


def _complete(directory: Path, at: datetime) -> tuple[Entry, ...]:
    there = manifest.from_json(keystore.read_manifest(directory, {}), complete=False)
    for entry in there:
        keystore.read_secret(directory, {}, entry.name)
    added = tuple(_newest(directory, there, kind, at, at_once=False) for kind in manifest.missing_kinds(there))
    for entry in added:
        _make(directory, entry)
    now = as_of((*there, *added), at)
    if now != there:
        _write(directory, now)
        _forget_private_halves(directory, now)
    return added


def overview(directory: Path) -> tuple[Entry, ...]:
    """Read all keys with their states from the manifest. Raises Fault if unreadable."""
    return manifest.from_json(keystore.read_manifest(directory, {}))


def rotate(
    directory: Path, kind: Kind, at: datetime, *, at_once: bool = False, begins: datetime | None = None
) -> Entry:
    """Activate the next key of this kind and return it.

    Running workers reload it within some seconds. `activate_at` schedules the activation; until then another rotation
    can change it. If no signing key is published yet, one is published and returned instead, to be activated later.
    Raises InvalidInput `sleutel_heeft_een_versie` for the index and pseudonym keys, `sleutel_zonder_moment`,
    `moment_voorbij` or `moment_te_ver`. Raises Conflict `sleutel_te_nieuw` if the next signing key would be in the JWKS
    for too short a time, unless `immediately` (for a leaked key).
    """
    if kind in UNVERSIONED:
        raise InvalidInput("sleutel_heeft_een_versie", "Deze sleutel heeft één versie en kan niet wisselen.")
    if begins is not None:
        _check_moment(kind, begins, at)
    with keystore.locked(directory):
        entries = as_of(overview(directory), at)
        if kind.signs and not at_once:
            _check_published_long_enough(entries, kind, at, begins)
        turned, chosen = _rotated(directory, entries, kind, at, at_once=at_once, begins=begins)
        for entry in turned[len(entries) :]:
            _make(directory, entry)
        _write(directory, turned)
        _forget_private_halves(directory, turned)
    return chosen


def _check_moment(kind: Kind, begins: datetime, at: datetime) -> None:
    if not kind.signs:
        raise InvalidInput("sleutel_zonder_moment", "Deze sleutel ziet niemand van buiten. Wissel hem meteen.")
    if begins <= at:
        raise InvalidInput("moment_voorbij", "Dit moment is al voorbij.")
    if begins > at + LONGEST_AHEAD:
        raise InvalidInput("moment_te_ver", "Dit moment is meer dan een jaar ver weg.")


def _rotated(
    directory: Path, entries: Sequence[Entry], kind: Kind, at: datetime, *, at_once: bool, begins: datetime | None
) -> tuple[list[Entry], Entry]:
    """Return the entries after the rotation, new keys last, and the key in question."""
    published = [entry for entry in entries if entry.kind is kind and entry.state is State.PUBLISHED]
    following = published[0] if published else None
    newest = [] if len(published) > 1 else [_newest(directory, entries, kind, at, at_once=at_once)]
    if following is None and newest[0].state is State.PUBLISHED:
        first = newest[0] if begins is None else replace(newest[0], activated_at=begins)
        return [*entries, first], first
    if begins is not None and following is not None:
        waits = replace(following, activated_at=begins)
        return [*(waits if entry is following else entry for entry in entries), *newest], waits
    turned = [_turned(entry, kind, following, at) for entry in entries] + newest
    return turned, next(e for e in turned if e.kind is kind and e.state is State.ACTIVE)


def _first_ring(at: datetime) -> list[Entry]:
    ring = [Entry(name_of(kind, 1), kind, State.ACTIVE, at, activated_at=at) for kind in Kind]
    return ring + [Entry(name_of(kind, 2), kind, State.PUBLISHED, at) for kind in Kind if kind.signs]


def _refuse_leftovers(directory: Path, ring: list[Entry]) -> None:
    left = {path.stem for path in directory.glob("*.key")} - {entry.name for entry in ring}
    if left:
        why = f"{directory} holds {min(left)}.key but no {keystore.MANIFEST}: restore it from a backup"
        raise Fault("sleutelbos_onvolledig", private=why)


def may_sign_from(entries: Sequence[Entry], kind: Kind) -> datetime | None:
    """Return the earliest activation of the published key of a kind; None without one.

    A key created together with the active key may be activated at once: both have been in the JWKS equally long.
    """
    following = next((e for e in entries if e.kind is kind and e.state is State.PUBLISHED), None)
    return None if following is None else _may_sign(entries, following)


def signs_from(entries: Sequence[Entry], entry: Entry) -> datetime:
    """Return the scheduled activation of a published key, or else the earliest possible one."""
    return entry.activated_at or _may_sign(entries, entry)


def _may_sign(entries: Sequence[Entry], entry: Entry) -> datetime:
    active = next(e for e in entries if e.kind is entry.kind and e.state is State.ACTIVE)
    together = entry.created_at <= active.created_at
    return entry.created_at if together else entry.created_at + PUBLISHED_BEFORE_SIGNING


def _check_published_long_enough(entries: Sequence[Entry], kind: Kind, at: datetime, begins: datetime | None) -> None:
    may = may_sign_from(entries, kind)
    if may is None and begins is not None:
        may = at + PUBLISHED_BEFORE_SIGNING  # this rotation publishes it
    if may is not None and (begins or at) < may:
        moment = f"{may.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        raise Conflict("sleutel_te_nieuw", f"De volgende sleutel staat nog te kort in de JWKS. Dit kan vanaf {moment}.")


def _newest(directory: Path, entries: Sequence[Entry], kind: Kind, at: datetime, *, at_once: bool) -> Entry:
    """Create an entry with a version above every number used before.

    Includes files that the manifest does not list.
    """
    taken = {entry.version for entry in entries if entry.kind is kind}
    for path in directory.glob(f"{kind}-*.key"):
        number = path.stem.rpartition("-")[2]
        taken |= {int(number)} if number.isdecimal() else set()
    name = name_of(kind, max(taken, default=0) + 1)
    if kind.signs and not (at_once and may_sign_from(entries, kind) is None):
        return Entry(name, kind, State.PUBLISHED, at)
    return Entry(name, kind, State.ACTIVE, at, activated_at=at)


def _turned(entry: Entry, kind: Kind, following: Entry | None, at: datetime) -> Entry:
    if entry.kind is kind and entry.state is State.ACTIVE:
        return replace(entry, state=State.RETIRED, retired_at=at)
    if entry is following:
        return replace(entry, state=State.ACTIVE, activated_at=at)
    return entry


def _make(directory: Path, entry: Entry) -> None:
    keystore.write_file(keystore.secret_path(directory, entry.name), material.fresh(entry.kind))


def _write(directory: Path, entries: Sequence[Entry]) -> None:
    keystore.write_file(directory / keystore.MANIFEST, manifest.to_json(entries).encode())


def _forget_private_halves(directory: Path, entries: Sequence[Entry]) -> None:
    """Replace retired signing keys by their public half: they verify but never sign again."""
    for entry in entries:
        path = keystore.secret_path(directory, entry.name)
        if entry.kind.signs and entry.state is State.RETIRED and path.exists():
            keystore.write_file(path, material.public_half(keystore.read_file(path), entry))
