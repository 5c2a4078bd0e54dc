"""AES-256-GCM with the place of the plaintext as associated data: what is moved, swapped or changed does not open.

A sealed value is one version byte, a random nonce of 96 bits, and the ciphertext with its tag of 128 bits
(NIST SP 800-38D). Random nonces are safe below 2^32 values per key; a key belongs to one citizen, so that is far away.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from machtiging.kernel.errors import Fault

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
_SHORTEST = len(_VERSION) + _NONCE_BYTES + 16


def _associated_data(place: tuple[str, ...]) -> bytes:
    # A part that is empty or holds the separator could make two places read the same.
    if not place or any(not part or "|" in part for part in place):
        raise ValueError("a place is one or more words without '|'")
    return ("v1|" + "|".join(place)).encode()


class DataKey:
    """One symmetric key. It seals for a place (table, row, part) and opens only there."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("an AES-256 key has 32 bytes")
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, *place: str) -> bytes:
        """Encrypt for this place. Raises ValueError when the place is empty or ambiguous."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plaintext, _associated_data(place))

    def open(self, sealed: bytes, *place: str) -> bytes:
        """Decrypt what was sealed for this place. Raises Fault `versleuteling_klopt_niet` for everything else."""
        associated = _associated_data(place)
        if len(sealed) < _SHORTEST or sealed[:1] != _VERSION:
            raise Fault("versleuteling_klopt_niet", private="not a sealed value of version 1")
        view = memoryview(sealed)
        try:
            return self._cipher.decrypt(view[1 : 1 + _NONCE_BYTES], view[1 + _NONCE_BYTES :], associated)
        except InvalidTag:
            # "from None": the ciphertext and the key have no place in a traceback.
            raise Fault("versleuteling_klopt_niet", private="changed, moved or sealed with another key") from None

    def __repr__(self) -> str:
        return "DataKey(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a DataKey is not to be serialised")
