"""DPoP nonces, computed from time and a key, so that none is stored.

A nonce prevents proofs made in advance with a key that was in reach for a moment (RFC 9449 sections 8, 9, 11.2). The
authorization server and the API share one nonce: they have one origin, and clients remember one nonce per origin.
"""

from __future__ import annotations

from datetime import datetime

from machtiging.crypto import secrets
from machtiging.crypto.jose import encode_base64url
from machtiging.crypto.keyring import KeyRing

DPOP_NONCE_HEADER = "dpop-nonce"
_WINDOW_SECONDS = 120


def generate_dpop_nonce(keyring: KeyRing, at: datetime) -> str:
    """Return the current nonce. It is valid for two to four minutes."""
    return _nonce_for_window(keyring, int(at.timestamp()) // _WINDOW_SECONDS)


def is_valid_dpop_nonce(keyring: KeyRing, nonce: object, at: datetime) -> bool:
    """Return True for a nonce of the current or the previous window."""
    if not isinstance(nonce, str) or not nonce.isascii():
        return False
    window = int(at.timestamp()) // _WINDOW_SECONDS
    return any(
        secrets.constant_time_equals(nonce, _nonce_for_window(keyring, window_number))
        for window_number in (window, window - 1)
    )


def _nonce_for_window(keyring: KeyRing, window: int) -> str:
    return encode_base64url(keyring.blind_index("dpop-nonce", str(window))[:16])
