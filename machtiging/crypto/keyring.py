"""The key ring: every key of an installation, behind verbs. Nothing outside `crypto/` ever holds a key of the ring."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from machtiging.crypto import keystore, manifest, material
from machtiging.crypto.envelope import KEY_BYTES, DataKey
from machtiging.crypto.manifest import Entry, Kind, State
from machtiging.crypto.own_tokens import OwnTokens, SigningKey
from machtiging.crypto.rotation import generate
from machtiging.crypto.row_mac import RowMacKeys
from machtiging.kernel.clock import Clock, SystemClock
from machtiging.kernel.errors import Fault
from machtiging.supervision import TaskRecord, repeat

__all__ = ["KeyRing", "NewDataKey", "generate", "run_watch"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewDataKey:
    """A data key, and how it is kept: wrapped, by which version of the key-encryption key."""

    key: DataKey
    wrapped: bytes
    kek_version: int


class KeyRing:
    """All keys, read once; `refresh` reads them again after a rotation.

    `trouble` is the code of what is wrong with the ring as it lies there now, while the older one goes on working.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str] = os.environ, clock: Clock | None = None) -> None:
        self._directory = directory
        self._environ = environ
        self._clock = clock or SystemClock()
        self._next: datetime | None = None
        self._names: dict[str, bytes] = {}
        self.trouble = ""
        self.reload()

    @classmethod
    def load(cls, directory: Path, environ: Mapping[str, str] = os.environ, *, clock: Clock | None = None) -> KeyRing:
        """Read the ring. Raises Fault, saying how to mend it, when a key is missing, unreadable or open to others.

        The clock is for keys that sign from a certain moment on.
        """
        return cls(directory, environ, clock)

    def reload(self) -> None:
        """Read the ring again and forget every remembered signature.

        Raises Fault when a key is missing or unreadable, and `sleutelbos_wijkt_af` when a name stands for another
        key than before (somebody put another ring in its place). Then this ring stays as it was.
        """
        stamp = keystore.stamp(self._directory, self._environ)  # first: what changes while we read is read again
        there = manifest.from_json(keystore.read_manifest(self._directory, self._environ))
        entries = manifest.as_of(there, self._clock.now())
        content = {entry: keystore.read_secret(self._directory, self._environ, entry.name) for entry in entries}
        blind_index = _single(content, Kind.BLIND_INDEX)
        pseudonym = _single(content, Kind.PSEUDONYM)
        wrapping = {e.version: DataKey(material.symmetric(c, e)) for e, c in content.items() if e.kind is Kind.KEK}
        row_mac = {e.version: material.symmetric(c, e) for e, c in content.items() if e.kind is Kind.ROW_MAC}
        signing = [SigningKey.of(e, material.signing(c, e)) for e, c in content.items() if e.kind.signs]
        names = {key.entry.name: key.kid.encode() for key in signing}
        names |= {e.name: hashlib.sha256(c.strip()).digest() for e, c in content.items() if not e.kind.signs}
        if other := [name for name in names.keys() & self._names.keys() if names[name] != self._names[name]]:
            raise Fault("sleutelbos_wijkt_af", private=f"{min(other)} is another key than before")
        tokens = OwnTokens(signing)
        self._names, self._stamp = names, stamp
        self._blind_index, self._pseudonym = blind_index, pseudonym
        self._wrapping, self._tokens = wrapping, tokens
        self._newest = max(wrapping)
        self._row_mac = RowMacKeys(row_mac)
        moments = (entry.activated_at for entry in entries if manifest.scheduled(entry))
        self._next = min((moment for moment in moments if moment is not None), default=None)

    def refresh(self) -> bool:
        """Read the ring again if its manifest is another than the one that was read, or the moment of a key has come;
        whether it was.

        Raises Fault as `reload` does; the older ring goes on, `trouble` says so, and the next call tries again.
        """
        try:
            due = self._next is not None and self._next <= self._clock.now()
            if not due and keystore.stamp(self._directory, self._environ) == self._stamp:
                self.trouble = ""
                return False
            self.reload()
        except Fault as fault:
            self.trouble = fault.code
            raise
        self.trouble = ""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The keys in the ring by name."""
        return tuple(sorted(self._names))

    def kid(self, name: str) -> str:
        """What tokens and the journal call a signing key of the ring; of another key its name, which says as much."""
        kid = self._names[name]
        return kid.decode() if kid.startswith(name.encode() + b".") else name

    @property
    def kek_versions(self) -> tuple[int, ...]:
        """The versions of the key-encryption key in the ring; the last one wraps."""
        return tuple(sorted(self._wrapping))

    def blind_index(self, purpose: str, value: str) -> bytes:
        """HMAC-SHA256 of a value, to look it up by without keeping it. Another purpose gives an unrelated index."""
        if not purpose or "\0" in purpose:
            raise ValueError("a purpose is a word")
        return hmac.digest(self._blind_index, b"index\0" + purpose.encode() + b"\0" + value.encode(), hashlib.sha256)

    @property
    def row_mac_version(self) -> int:
        """The version of the key that seals rows now."""
        return self._row_mac.newest

    @property
    def row_mac_versions(self) -> tuple[int, ...]:
        """The versions of the key that seals rows; the last one seals, all verify."""
        return self._row_mac.versions

    def row_mac(self, message: bytes) -> bytes:
        """The MAC of a row, encoded by `storage.row_mac`: with the version of its key before it."""
        return self._row_mac.seal(message)

    def row_mac_verifies(self, mac: bytes, message: bytes) -> bool:
        """Verify that this MAC was made over this message, under any version of the key that is in the ring."""
        if self._row_mac.names_unknown_version(mac):
            # Another worker may seal with a key that is new to us; only the manifest's own change is looked at, so that
            # rows with invented versions do not make us read the ring again and again.
            with suppress(Fault):
                self.refresh()
        return self._row_mac.verifies(mac, message)

    def bearer_hash(self, token: str) -> bytes:
        """A keyed hash of a random token, to find its row by."""
        return self._row_mac.bearer_hash(token)

    def bearer_hashes(self, token: str) -> list[bytes]:
        """That hash under every version of the key, since it was made under the one of its time.

        Another worker may have made it with a key that is new to us, so the ring is read again when it has changed.
        """
        with suppress(Fault):
            self.refresh()
        return self._row_mac.bearer_hashes(token)

    def pseudonym(self, person_id: UUID, sector: str) -> str:
        """What a person is called in one sector: stable there, unrelated elsewhere (OpenID Connect Core 8.1)."""
        if not sector:
            raise ValueError("a pseudonym belongs to a sector")
        message = b"pairwise\0" + person_id.bytes + sector.encode()
        return base64.urlsafe_b64encode(hmac.digest(self._pseudonym, message, hashlib.sha256)).rstrip(b"=").decode()

    def new_data_key(self, person_id: UUID) -> NewDataKey:
        """A fresh data key for this person, wrapped by the newest key-encryption key."""
        return self._wrap(os.urandom(KEY_BYTES), person_id)

    def unwrap_data_key(self, wrapped: bytes, kek_version: int, person_id: UUID) -> DataKey:
        """This person's data key. Raises Fault `versleuteling_klopt_niet` or `sleutelversie_onbekend`."""
        return DataKey(self._unwrap(wrapped, kek_version, person_id))

    def rewrap_data_key(self, wrapped: bytes, kek_version: int, person_id: UUID) -> NewDataKey:
        """The same data key under the newest key-encryption key, so that an older one can be thrown away."""
        return self._wrap(self._unwrap(wrapped, kek_version, person_id), person_id)

    def sign_jwt(self, claims: dict[str, Any], *, typ: str, alg: str = "PS256") -> str:
        """Sign claims as they are with the active key of `alg`. Raises Fault `sleutel_ontbreekt` for another `alg`."""
        return self._tokens.sign(claims, typ=typ, alg=alg)

    def verify_own_jwt(self, token: str, *, typ: str, issuer: str, audience: str, at: datetime) -> dict[str, Any]:
        """Claims of a token of ours: signature, typ, iss, aud, exp, iat and nbf checked (RFC 9068 section 4).

        Raises NotAuthenticated `token_ongeldig`, or `token_verlopen` when nothing but its age is wrong.
        """
        return self._tokens.verify(token, typ=typ, issuer=issuer, audience=audience, at=at)

    def verify_own_jwt_for_anybody(self, token: str, *, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        """As `verify_own_jwt`, for whichever one audience: to tell about it or to end it, never to open a door."""
        return self._tokens.verify_for_anybody(token, typ=typ, issuer=issuer, at=at)

    def verify_own_statement(self, token: str, *, typ: str) -> dict[str, Any]:
        """Claims of something we once signed that does not expire, like a journal head. Never grants access.

        Raises NotAuthenticated `token_ongeldig`.
        """
        return self._tokens.statement(token, typ=typ)

    def public_jwks(self, at: datetime | None = None) -> dict[str, Any]:
        """The public keys as in RFC 7517; with `at`, without keys whose last token has long expired."""
        return self._tokens.jwks(at)

    def _wrap(self, key: bytes, person_id: UUID) -> NewDataKey:
        wrapped = self._wrapping[self._newest].seal(key, *_place(person_id, self._newest))
        return NewDataKey(DataKey(key), wrapped, self._newest)

    def _unwrap(self, wrapped: bytes, kek_version: int, person_id: UUID) -> bytes:
        if kek_version not in self._wrapping:
            # Another worker may have started after a rotation and wrapped with a key that is new to us.
            self.reload()
        wrapping = self._wrapping.get(kek_version)
        if wrapping is None:
            raise Fault("sleutelversie_onbekend", private=f"kek-{kek_version} is not in the ring; restore its file")
        return wrapping.open(wrapped, *_place(person_id, kek_version))

    def __repr__(self) -> str:
        return "KeyRing(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a KeyRing is not to be serialised")


async def run_watch(keyring: KeyRing, *, every: float, stop: asyncio.Event, record: TaskRecord | None = None) -> None:
    """Let a running worker take new keys: look every `every` seconds whether there are any, until told to stop."""
    told = ""

    async def look() -> None:
        nonlocal told
        try:
            if keyring.refresh():
                _log.info("key_ring_read_again", keys=keyring.names)
            told = ""
        except Fault as fault:
            if told != fault.private:
                _log.error("key_ring_not_read", code=fault.code, detail=fault.private)
            told = fault.private

    await repeat(look, record or TaskRecord("sleutelwacht"), every=every, stop=stop)


def _place(person_id: UUID, kek_version: int) -> tuple[str, ...]:
    return "data-key", str(person_id), str(kek_version)


def _single(content: Mapping[Entry, bytes], kind: Kind) -> bytes:
    """The one active key of a kind; the manifest has been checked to hold it."""
    return next(material.symmetric(c, e) for e, c in content.items() if e.kind is kind and e.state is State.ACTIVE)
