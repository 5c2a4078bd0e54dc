"""The key ring: all keys of an installation behind methods. No key leaves `crypto/`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from machtiging.crypto import key_manifest, key_material, keystore
from machtiging.crypto.envelope_encryption import KEY_BYTES, DataKey
from machtiging.crypto.key_manifest import KeyEntry, KeyKind, KeyState
from machtiging.crypto.key_operations import NO_EXTERNAL_KEYS, ExternalKeys, FileKeyWrapper, FileSigner, KeyWrapper
from machtiging.crypto.own_tokens import OwnTokenSigner, SigningKey
from machtiging.crypto.rotation import generate_key_ring
from machtiging.crypto.row_mac import RowMacKeys
from machtiging.kernel.clock import Clock, SystemClock
from machtiging.kernel.errors import Fault
from machtiging.supervision import TaskRecord, run_repeatedly

__all__ = ["KeyRing", "WrappedDataKey", "generate_key_ring", "watch_key_ring"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key and its wrapped form, with the version of the key-encryption key."""

    key: DataKey
    wrapped: bytes
    kek_version: int


class KeyRing:
    """All keys, loaded at start; `reload_if_changed` loads them again after a rotation.

    `load_error` is the code of a Fault in the ring on disk, while the older ring stays in use.
    """

    def __init__(
        self,
        directory: Path,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        external: ExternalKeys = NO_EXTERNAL_KEYS,
    ) -> None:
        self._directory = directory
        self._environ = environ
        self._clock = clock or SystemClock()
        self._external = external
        self._next_activation_at: datetime | None = None
        self._names: dict[str, bytes] = {}
        self.load_error = ""
        self.reload()

    @classmethod
    def load(
        cls,
        directory: Path,
        environ: Mapping[str, str] = os.environ,
        *,
        clock: Clock | None = None,
        external: ExternalKeys = NO_EXTERNAL_KEYS,
    ) -> KeyRing:
        """Load the ring. Raises Fault, with its repair, for a missing, unreadable or exposed key.

        The clock is for keys with a scheduled activation; `external` holds keys without a file, as in an HSM.
        """
        return cls(directory, environ, clock, external)

    def reload(self) -> None:
        """Load the ring again and clear the signature cache.

        Raises Fault when a key is missing or unreadable. Raises Fault `sleutelbos_wijkt_af` when a name has another key
        than before, as after a replaced ring. The old ring then stays in use.
        """
        stamp = keystore.manifest_fingerprint(
            self._directory, self._environ
        )  # first: a change while loading causes another reload
        there = key_manifest.parse_manifest(keystore.read_manifest(self._directory, self._environ))
        entries = key_manifest.entries_at(there, self._clock.now())
        content = {
            entry: keystore.read_key(self._directory, self._environ, entry.name)
            for entry in entries
            if not self._is_external(entry)
        }
        blind_index = _active_symmetric_key(content, KeyKind.BLIND_INDEX)
        pseudonym = _active_symmetric_key(content, KeyKind.PSEUDONYM)
        wrapper = self._build_key_wrapper(entries, content)
        row_mac = {
            e.version: key_material.parse_symmetric_key(c, e) for e, c in content.items() if e.kind is KeyKind.ROW_MAC
        }
        signing = [
            SigningKey.from_entry(e, self._external.signers.get(e.name) or FileSigner.parse(content[e], e))
            for e in entries
            if e.kind.is_signing_kind
        ]
        names = _fingerprint_keys(entries, content, signing, wrapper)
        if other := [name for name in names.keys() & self._names.keys() if names[name] != self._names[name]]:
            raise Fault("sleutelbos_wijkt_af", private=f"{min(other)} is another key than before")
        tokens = OwnTokenSigner(signing)
        self._names, self._stamp = names, stamp
        self._kids = {key.entry.name: key.kid for key in signing}
        self._blind_index, self._pseudonym = blind_index, pseudonym
        self._wrapper, self._tokens = wrapper, tokens
        self._kek_versions = tuple(sorted(e.version for e in entries if e.kind is KeyKind.KEK))
        self._row_mac = RowMacKeys(row_mac)
        moments = (entry.activated_at for entry in entries if key_manifest.is_scheduled(entry))
        self._next_activation_at = min((moment for moment in moments if moment is not None), default=None)

    def _is_external(self, entry: KeyEntry) -> bool:
        if entry.kind is KeyKind.KEK:
            return self._external.key_wrapper is not None
        return entry.name in self._external.signers

    def _build_key_wrapper(self, entries: Iterable[KeyEntry], content: Mapping[KeyEntry, bytes]) -> KeyWrapper:
        """Return the wrapper of every KEK in the manifest. Raises Fault `sleutel_ontbreekt`."""
        wrapper = self._external.key_wrapper
        if wrapper is None:
            return FileKeyWrapper({e: c for e, c in content.items() if e.kind is KeyKind.KEK})
        if missing := [e.name for e in entries if e.kind is KeyKind.KEK and e.version not in wrapper.versions]:
            raise Fault("sleutel_ontbreekt", private=f"the external key wrapper has no {min(missing)}")
        return wrapper

    def reload_if_changed(self) -> bool:
        """Reload if the manifest changed or a scheduled activation is due; return True if reloaded.

        Raises Fault as `reload`; the older ring stays in use, `load_error` is set, and the next call tries again.
        """
        try:
            due = self._next_activation_at is not None and self._next_activation_at <= self._clock.now()
            if not due and keystore.manifest_fingerprint(self._directory, self._environ) == self._stamp:
                self.load_error = ""
                return False
            self.reload()
        except Fault as fault:
            self.load_error = fault.code
            raise
        self.load_error = ""
        return True

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys in the ring."""
        return tuple(sorted(self._names))

    def kid_of(self, name: str) -> str:
        """Return the `kid` of a signing key; of another key its name."""
        if name not in self._names:
            raise KeyError(name)
        return self._kids.get(name, name)

    @property
    def kek_versions(self) -> tuple[int, ...]:
        """The versions of the key-encryption key; the last one wraps."""
        return self._kek_versions

    def blind_index(self, purpose: str, value: str) -> bytes:
        """Return the blind index of a value: HMAC-SHA256, to look it up without storing it.

        Another purpose gives an unrelated index. Raises ValueError for an invalid purpose.
        """
        if not purpose or "\0" in purpose:
            raise ValueError("a purpose is a word")
        return hmac.digest(self._blind_index, b"index\0" + purpose.encode() + b"\0" + value.encode(), hashlib.sha256)

    @property
    def row_mac_key_version(self) -> int:
        """The version of the key that makes row MACs now."""
        return self._row_mac.current_version

    def row_mac(self, message: bytes) -> bytes:
        """Return the MAC of a row encoded by `storage.row_mac`, its key version first."""
        return self._row_mac.compute_mac(message)

    def row_mac_verifies(self, mac: bytes, message: bytes) -> bool:
        """Verify the MAC of a message with any key version in the ring."""
        if self._row_mac.has_unknown_version(mac):
            # Another worker may use a newer key. Reload only if the manifest changed, so that forged rows with
            # invented versions cannot force reloads.
            with suppress(Fault):
                self.reload_if_changed()
        return self._row_mac.verify_mac(mac, message)

    def bearer_hash(self, token: str) -> bytes:
        """Return the keyed hash of a random token, to find its row."""
        return self._row_mac.bearer_hash(token)

    def bearer_hashes(self, token: str) -> list[bytes]:
        """Return the keyed hashes of a token with every key version, newest first.

        Another worker may have used a newer key, so a changed ring is reloaded first.
        """
        with suppress(Fault):
            self.reload_if_changed()
        return self._row_mac.bearer_hashes(token)

    def pairwise_subject(self, person_id: UUID, sector: str) -> str:
        """Return the pairwise subject of a person: the pseudonym in one sector (OpenID Connect Core section 8.1).

        Stable in the sector, unrelated elsewhere. Raises ValueError without a sector.
        """
        if not sector:
            raise ValueError("a pseudonym belongs to a sector")
        message = b"pairwise\0" + person_id.bytes + sector.encode()
        return base64.urlsafe_b64encode(hmac.digest(self._pseudonym, message, hashlib.sha256)).rstrip(b"=").decode()

    def create_data_key(self, person_id: UUID) -> WrappedDataKey:
        """Create a data key for this person, wrapped by the newest key-encryption key."""
        return self._wrap_data_key(os.urandom(KEY_BYTES), person_id)

    def unwrap_data_key(self, wrapped: bytes, kek_version: int, person_id: UUID) -> DataKey:
        """Unwrap this person's data key. Raises Fault `versleuteling_klopt_niet` or `sleutelversie_onbekend`."""
        return DataKey(self._unwrap_key_bytes(wrapped, kek_version, person_id))

    def rewrap_data_key(self, wrapped: bytes, kek_version: int, person_id: UUID) -> WrappedDataKey:
        """Wrap the same data key by the newest key-encryption key, to retire an older one."""
        return self._wrap_data_key(self._unwrap_key_bytes(wrapped, kek_version, person_id), person_id)

    def sign_jwt(self, claims: dict[str, Any], *, typ: str, alg: str = "PS256") -> str:
        """Sign claims unchanged with the active key of `alg`. Raises Fault `sleutel_ontbreekt` without one."""
        return self._tokens.sign_jwt(claims, typ=typ, alg=alg)

    def verify_own_jwt(self, token: str, *, typ: str, issuer: str, audience: str, at: datetime) -> dict[str, Any]:
        """Verify our token and return its claims (RFC 9068 section 4).

        Checks signature, typ, iss, aud, exp, iat and nbf. Raises NotAuthenticated `token_ongeldig`, or `token_verlopen`
        when only the expiry is wrong.
        """
        return self._tokens.verify_own_jwt(token, typ=typ, issuer=issuer, audience=audience, at=at)

    def verify_own_jwt_any_audience(self, token: str, *, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        """Verify our token for any single audience.

        For introspection and revocation, never for access. Raises as `verify_own_jwt`.
        """
        return self._tokens.verify_own_jwt_any_audience(token, typ=typ, issuer=issuer, at=at)

    def verify_own_statement(self, token: str, *, typ: str) -> dict[str, Any]:
        """Return the claims of our signed record without expiry, like a journal head.

        Never grants access. Raises NotAuthenticated `token_ongeldig`.
        """
        return self._tokens.verify_own_statement(token, typ=typ)

    def public_jwks(self, at: datetime | None = None) -> dict[str, Any]:
        """Return the public keys as a JWK Set (RFC 7517).

        With `at`, keys whose last token has expired by then are left out.
        """
        return self._tokens.public_jwks(at)

    def list_signing_keys(self, alg: str) -> list[dict[str, Any]]:
        """Return every public key of `alg` that was ever active, with its period.

        For signed records of any age: a retired key stays in it.
        """
        return self._tokens.list_used_keys(alg)

    def _wrap_data_key(self, key: bytes, person_id: UUID) -> WrappedDataKey:
        newest = self._kek_versions[-1]
        wrapped = self._wrapper.wrap(key, newest, *_data_key_context(person_id, newest))
        return WrappedDataKey(DataKey(key), wrapped, newest)

    def _unwrap_key_bytes(self, wrapped: bytes, kek_version: int, person_id: UUID) -> bytes:
        if kek_version not in self._kek_versions:
            # Another worker may have wrapped with a newer key after a rotation.
            self.reload()
        if kek_version not in self._kek_versions:
            raise Fault("sleutelversie_onbekend", private=f"kek-{kek_version} is not in the ring; restore its file")
        return self._wrapper.unwrap(wrapped, kek_version, *_data_key_context(person_id, kek_version))

    def __repr__(self) -> str:
        return "KeyRing(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a KeyRing is not to be serialised")


async def watch_key_ring(
    keyring: KeyRing, *, every: float, stop: asyncio.Event, record: TaskRecord | None = None
) -> None:
    """Reload the key ring when it changes, every `every` seconds, until `stop` is set."""
    last_problem = ""

    async def reload_key_ring() -> None:
        nonlocal last_problem
        try:
            if keyring.reload_if_changed():
                _log.info("key_ring_read_again", keys=keyring.key_names)
            last_problem = ""
        except Fault as fault:
            if last_problem != fault.private:
                _log.error("key_ring_not_read", code=fault.code, detail=fault.private)
            last_problem = fault.private

    await run_repeatedly(reload_key_ring, record or TaskRecord("sleutelwacht"), every=every, stop=stop)


def _data_key_context(person_id: UUID, kek_version: int) -> tuple[str, ...]:
    return "data-key", str(person_id), str(kek_version)


def _fingerprint_keys(
    entries: Iterable[KeyEntry],
    content: Mapping[KeyEntry, bytes],
    signing: Iterable[SigningKey],
    wrapper: KeyWrapper,
) -> dict[str, bytes]:
    """Return a fingerprint of every key by name. It shows that a name has another key than before."""
    names = {key.entry.name: key.kid.encode() for key in signing}
    names |= {e.name: wrapper.check_value(e.version) for e in entries if e.kind is KeyKind.KEK}
    names |= {e.name: hashlib.sha256(c.strip()).digest() for e, c in content.items() if e.name not in names}
    return names


def _active_symmetric_key(content: Mapping[KeyEntry, bytes], kind: KeyKind) -> bytes:
    """Return the only active key of a kind. The manifest was checked to hold it."""
    return next(
        key_material.parse_symmetric_key(c, e)
        for e, c in content.items()
        if e.kind is kind and e.state is KeyState.ACTIVE
    )
