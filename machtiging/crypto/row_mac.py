"""Message authentication codes of database rows: HMAC-SHA-256 (RFC 2104) under a key that is versioned and rotated.

A MAC is the version of its key (four bytes, big-endian) and 32 bytes of HMAC. Each use of the key has a prefix of its
own, so that the hash of a bearer token can never be the MAC of a row.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

_VERSION_BYTES = 4
MAC_BYTES = _VERSION_BYTES + hashlib.sha256().digest_size
_ROW, _BEARER = b"row\0", b"bearer\0"


class RowMacKeys:
    """Every version of the key; the newest seals, all verify."""

    __slots__ = ("_keys", "newest", "versions")

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)
        self.versions = tuple(sorted(keys))
        self.newest = self.versions[-1]

    def seal(self, message: bytes) -> bytes:
        """The MAC of a message under the newest version."""
        return self.newest.to_bytes(_VERSION_BYTES, "big") + self._hmac(self.newest, _ROW + message)

    def verifies(self, mac: bytes, message: bytes) -> bool:
        """Verify the MAC in constant time. False for an unknown version and a wrong length."""
        version = version_of(mac)
        if version not in self._keys:
            return False
        return hmac.compare_digest(mac[_VERSION_BYTES:], self._hmac(version, _ROW + message))

    def names_unknown_version(self, mac: bytes) -> bool:
        """Tell if the MAC names a version of the key that is not here."""
        version = version_of(mac)
        return version is not None and version not in self._keys

    def bearer_hash(self, token: str) -> bytes:
        """The keyed hash of a token under the newest version."""
        return self._hmac(self.newest, _BEARER + token.encode())

    def bearer_hashes(self, token: str) -> list[bytes]:
        """The keyed hashes of a token under every version, the newest first."""
        return [self._hmac(version, _BEARER + token.encode()) for version in reversed(self.versions)]

    def _hmac(self, version: int, message: bytes) -> bytes:
        return hmac.digest(self._keys[version], message, hashlib.sha256)

    def __repr__(self) -> str:
        return "RowMacKeys(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("RowMacKeys are not to be serialised")


def version_of(mac: bytes) -> int | None:
    """The version of the key that a MAC names; None for what is no MAC."""
    return int.from_bytes(mac[:_VERSION_BYTES], "big") if len(mac) == MAC_BYTES else None
