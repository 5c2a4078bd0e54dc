"""Row MACs: HMAC-SHA-256 (RFC 2104) with a versioned, rotated key.

A MAC is the key version (four bytes, big-endian) and 32 bytes of HMAC. Each use of the key has a prefix, so the hash of
a bearer token is never the MAC of a row.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

_VERSION_BYTES = 4
MAC_BYTES = _VERSION_BYTES + hashlib.sha256().digest_size
_ROW, _BEARER = b"row\0", b"bearer\0"


class RowMacKeys:
    """All versions of the key. The newest one makes MACs; all verify."""

    __slots__ = ("_keys", "newest", "versions")

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)
        self.versions = tuple(sorted(keys))
        self.newest = self.versions[-1]

    def seal(self, message: bytes) -> bytes:
        """Return the MAC of a message with the newest version."""
        return self.newest.to_bytes(_VERSION_BYTES, "big") + self._hmac(self.newest, _ROW + message)

    def verifies(self, mac: bytes, message: bytes) -> bool:
        """Verify the MAC in constant time. False for an unknown version or a wrong length."""
        version = version_of(mac)
        if version not in self._keys:
            return False
        return hmac.compare_digest(mac[_VERSION_BYTES:], self._hmac(version, _ROW + message))

    def names_unknown_version(self, mac: bytes) -> bool:
        """Return True if the MAC names a key version that is not loaded."""
        version = version_of(mac)
        return version is not None and version not in self._keys

    def bearer_hash(self, token: str) -> bytes:
        """Return the keyed hash of a token with the newest version."""
        return self._hmac(self.newest, _BEARER + token.encode())

    def bearer_hashes(self, token: str) -> list[bytes]:
        """Return the keyed hashes of a token with every version, newest first."""
        return [self._hmac(version, _BEARER + token.encode()) for version in reversed(self.versions)]

    def _hmac(self, version: int, message: bytes) -> bytes:
        return hmac.digest(self._keys[version], message, hashlib.sha256)

    def __repr__(self) -> str:
        return "RowMacKeys(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("RowMacKeys are not to be serialised")


def version_of(mac: bytes) -> int | None:
    """Return the key version of a MAC; None for a value of another length."""
    return int.from_bytes(mac[:_VERSION_BYTES], "big") if len(mac) == MAC_BYTES else None
