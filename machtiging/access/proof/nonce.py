"""The nonce that a proof must hold: made from the time with a key of ours, so that no row is needed to know it again.

With it nobody can make proofs beforehand who had the key in hands for a moment (RFC 9449 sections 8, 9, 11.2). One
nonce does for the authorization server and for the API: they are at one address, and clients remember one per address.
"""

from __future__ import annotations

from datetime import datetime

from machtiging.crypto import secrets
from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing

HEADER = "dpop-nonce"
_WINDOW_SECONDS = 120


def nonce_at(keyring: KeyRing, at: datetime) -> str:
    """The nonce to give out now. It is good for two to four minutes."""
    return _of_window(keyring, int(at.timestamp()) // _WINDOW_SECONDS)


def is_fresh(keyring: KeyRing, nonce: object, at: datetime) -> bool:
    """Whether we gave this out in this window or in the one before."""
    if not isinstance(nonce, str) or not nonce.isascii():
        return False
    window = int(at.timestamp()) // _WINDOW_SECONDS
    return any(secrets.same(nonce, _of_window(keyring, known)) for known in (window, window - 1))


def _of_window(keyring: KeyRing, window: int) -> str:
    return encode_base64url(keyring.blind_index("dpop-nonce", str(window))[:16])
