"""Random tokens, their digests, and comparing without telling how far two values agree."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def random_token(bits: int = 256) -> str:
    """A fresh token of `bits` random bits, base64url without padding. Raises ValueError under 128."""
    if bits < 128 or bits % 8:
        raise ValueError("a token needs at least 128 bits, in whole bytes")
    return secrets.token_urlsafe(bits // 8)


def digest(value: str) -> bytes:
    """SHA-256 of a token with full entropy, to keep instead of the token itself.

    Not for codes that a person types: those have too few possibilities, so they need `KeyRing.blind_index`.
    """
    return hashlib.sha256(value.encode()).digest()


def same(a: str | bytes, b: str | bytes) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    left = a.encode() if isinstance(a, str) else a
    right = b.encode() if isinstance(b, str) else b
    return hmac.compare_digest(left, right)
