"""Envelope encryption with AES-256-GCM; the context of the plaintext is associated data.

Encryption at rest of letters and personal data. A value that was moved, swapped or changed does not decrypt. A sealed
value is one version byte, a random nonce of 96 bits, and the ciphertext with a tag of 128 bits (NIST SP 800-38D).
Random nonces are safe below 2^32 values per key; each citizen has a key, so that number is never reached.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from machtiging.kernel.errors import Fault

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
INDEX_BYTES = 16
_MIN_SEALED_BYTES = len(_VERSION) + _NONCE_BYTES + 16


def _associated_data(context: tuple[str, ...]) -> bytes:
    # An empty part, or one with the separator, could give two contexts the same encoding.
    if not context or any(not part or "|" in part for part in context):
        raise ValueError("a place is one or more words without '|'")
    return ("v1|" + "|".join(context)).encode()


class DataKey:
    """A symmetric key. It encrypts for a context (table, row, part) and decrypts only there."""

    __slots__ = ("_cipher", "_key")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("an AES-256 key has 32 bytes")
        self._cipher, self._key = AESGCM(key), key

    def encrypt(self, plaintext: bytes, *context: str) -> bytes:
        """Encrypt for this context. Raises ValueError when the context is empty or ambiguous."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plaintext, _associated_data(context))

    def decrypt(self, sealed: bytes, *context: str) -> bytes:
        """Decrypt a value of this context. Raises Fault `versleuteling_klopt_niet` for any other value."""
        associated = _associated_data(context)
        if len(sealed) < _MIN_SEALED_BYTES or sealed[:1] != _VERSION:
            raise Fault("versleuteling_klopt_niet", private="not a sealed value of version 1")
        view = memoryview(sealed)
        try:
            return self._cipher.decrypt(view[1 : 1 + _NONCE_BYTES], view[1 + _NONCE_BYTES :], associated)
        except InvalidTag:
            # "from None": no ciphertext or key in a traceback.
            raise Fault("versleuteling_klopt_niet", private="changed, moved or sealed with another key") from None

    def derive(self, derivation: HKDF) -> bytes:
        """Derive another key from this one (RFC 5869)."""
        return derivation.derive(self._key)

    def __repr__(self) -> str:
        return "DataKey(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a DataKey is not to be serialised")


class KeyedIndex:
    """An index key of one party for one purpose: equal values have equal indexes.

    The key is derived from the data key with HKDF-SHA-256 (RFC 5869). An index is an HMAC-SHA-256 (RFC 2104), cut to
    16 bytes. It shows no value without the key, and the same value has another index at another party.
    """

    __slots__ = ("_key",)

    def __init__(self, data_key: DataKey, purpose: str) -> None:
        derivation = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"machtiging index v1|" + purpose.encode())
        self._key = data_key.derive(derivation)

    def compute(self, kind: str, value: str) -> bytes:
        """Return the index of a value of this kind."""
        return hmac.digest(self._key, f"{kind}\0{value}".encode(), hashlib.sha256)[:INDEX_BYTES]

    def __repr__(self) -> str:
        return "KeyedIndex(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a KeyedIndex is not to be serialised")
