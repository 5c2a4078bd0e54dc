"""Random tokens, their digests, and constant-time comparison."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def random_token(bits: int = 256) -> str:
    """Generate a token of `bits` random bits, base64url without padding.

    Raises ValueError under 128 bits or for a part of a byte.
    """
    if bits < 128 or bits % 8:
        raise ValueError("a token needs at least 128 bits, in whole bytes")
    return secrets.token_urlsafe(bits // 8)


def digest(value: str) -> bytes:
    """Return the SHA-256 of a random token, to store instead of the token.

    Not for codes that people type: their entropy is too low. Use `KeyRing.blind_index`.
    """
    return hashlib.sha256(value.encode()).digest()


def same(a: str | bytes, b: str | bytes) -> bool:
    """Compare two secrets in constant time."""
    left = a.encode() if isinstance(a, str) else a
    right = b.encode() if isinstance(b, str) else b
    return hmac.compare_digest(left, right)
