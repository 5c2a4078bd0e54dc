"""Making a ring, and bringing new keys into it without a moment in which somebody cannot verify or unwrap.

Per signing kind one key signs (active) and the next one already stands in the JWKS (published). A rotation lets the
next one sign, retires the old one, and publishes a new next one. A new key-encryption key wraps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from machtiging.crypto import keystore, manifest, material
from machtiging.crypto.manifest import UNVERSIONED, Entry, Kind, State, name_of
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import Conflict, Fault, InvalidInput

# Readers may keep our JWKS for an hour, and workers need some seconds to show a new one; a key signs only after
# everybody can have seen it.
PUBLISHED_BEFORE_SIGNING = timedelta(minutes=65)


def generate(directory: Path, at: datetime | None = None) -> None:
    """Make a ring where there is none: the directory (0700), the keys (0600), the manifest. Never replaces a key.

    Raises Fault `sleutel_ontbreekt` or `sleutelbos_onvolledig` when part of an older ring lies there: what is lost can
    come back from a backup only, since a new key under an old name would hide that nothing opens any more.
    """
    with keystore.locked(directory):
        if (directory / keystore.MANIFEST).exists():
            for entry in overview(directory):
                keystore.read_secret(directory, {}, entry.name)
            return
        ring = _first_ring(at or SystemClock().now())
        _refuse_leftovers(directory, ring)
        for entry in ring:
            path = keystore.secret_path(directory, entry.name)
            if path.is_symlink() or path.exists():
                keystore.read_file(path)  # left by a run that was stopped half-way: keep it, if it is fit to keep
            else:
                _make(directory, entry)
        _write(directory, ring)


def overview(directory: Path) -> tuple[Entry, ...]:
    """All keys of the ring with their states. Raises Fault when the ring is unreadable."""
    return manifest.from_json(keystore.read_manifest(directory, {}))


def rotate(directory: Path, kind: Kind, at: datetime, *, at_once: bool = False) -> Entry:
    """Bring the next key of this kind into use and return it. Running workers take it by themselves in some seconds.

    Where no signing key is published yet, one is published and returned instead: it can be brought into use later.
    Raises InvalidInput `sleutel_heeft_een_versie` for the index and pseudonym keys, and Conflict `sleutel_te_nieuw`
    when the next signing key is not yet long enough in the JWKS, unless `at_once` (for a key that has leaked).
    """
    if kind in UNVERSIONED:
        raise InvalidInput("sleutel_heeft_een_versie", "Deze sleutel heeft één versie en kan niet wisselen.")
    with keystore.locked(directory):
        entries = overview(directory)
        if kind.signs and not at_once:
            _check_published_long_enough(entries, kind, at)
        newest = _newest(directory, entries, kind, at, at_once=at_once)
        first = newest.state is State.PUBLISHED and may_sign_from(entries, kind) is None
        turned = [entry if first else _turned(entry, kind, at) for entry in entries] + [newest]
        _make(directory, newest)
        _write(directory, turned)
        _forget_private_halves(directory, turned)
    return newest if first else next(e for e in turned if e.kind is kind and e.state is State.ACTIVE)


def _first_ring(at: datetime) -> list[Entry]:
    ring = [Entry(name_of(kind, 1), kind, State.ACTIVE, at, activated_at=at) for kind in Kind]
    return ring + [Entry(name_of(kind, 2), kind, State.PUBLISHED, at) for kind in Kind if kind.signs]


def _refuse_leftovers(directory: Path, ring: list[Entry]) -> None:
    left = {path.stem for path in directory.glob("*.key")} - {entry.name for entry in ring}
    if left:
        why = f"{directory} holds {min(left)}.key but no {keystore.MANIFEST}: restore it from a backup"
        raise Fault("sleutelbos_onvolledig", private=why)


def may_sign_from(entries: Sequence[Entry], kind: Kind) -> datetime | None:
    """From when the published key of a kind may sign; None when there is none.

    One that was made together with the active key may at once: nobody has a JWKS with the one and without the other.
    """
    following = next((e for e in entries if e.kind is kind and e.state is State.PUBLISHED), None)
    if following is None:
        return None
    active = next(e for e in entries if e.kind is kind and e.state is State.ACTIVE)
    together = following.created_at <= active.created_at
    return following.created_at if together else following.created_at + PUBLISHED_BEFORE_SIGNING


def _check_published_long_enough(entries: tuple[Entry, ...], kind: Kind, at: datetime) -> None:
    begins = may_sign_from(entries, kind)
    if begins is not None and at < begins:
        moment = f"{begins:%Y-%m-%d %H:%M} UTC"
        raise Conflict("sleutel_te_nieuw", f"De volgende sleutel staat nog te kort in de JWKS. Dit kan vanaf {moment}.")


def _newest(directory: Path, entries: tuple[Entry, ...], kind: Kind, at: datetime, *, at_once: bool) -> Entry:
    """A new version, past every number ever used: also past files that the manifest does not know."""
    taken = {entry.version for entry in entries if entry.kind is kind}
    for path in directory.glob(f"{kind}-*.key"):
        number = path.stem.rpartition("-")[2]
        taken |= {int(number)} if number.isdecimal() else set()
    name = name_of(kind, max(taken) + 1)
    if kind.signs and not (at_once and may_sign_from(entries, kind) is None):
        return Entry(name, kind, State.PUBLISHED, at)
    return Entry(name, kind, State.ACTIVE, at, activated_at=at)


def _turned(entry: Entry, kind: Kind, at: datetime) -> Entry:
    if entry.kind is kind and entry.state is State.ACTIVE:
        return replace(entry, state=State.RETIRED, retired_at=at)
    if entry.kind is kind and entry.state is State.PUBLISHED:
        return replace(entry, state=State.ACTIVE, activated_at=at)
    return entry


def _make(directory: Path, entry: Entry) -> None:
    keystore.write_file(keystore.secret_path(directory, entry.name), material.fresh(entry.kind))


def _write(directory: Path, entries: list[Entry]) -> None:
    keystore.write_file(directory / keystore.MANIFEST, manifest.to_json(entries).encode())


def _forget_private_halves(directory: Path, entries: list[Entry]) -> None:
    """A retired key has to verify what it signed, never to sign again: only its public half stays."""
    for entry in entries:
        path = keystore.secret_path(directory, entry.name)
        if entry.kind.signs and entry.state is State.RETIRED and path.exists():
            keystore.write_file(path, material.public_half(keystore.read_file(path), entry))
