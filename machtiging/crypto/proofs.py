"""Proof of possession: a JWS with an embedded public key (RFC 9449 section 4).

It only proves possession of the private key. The sender's identity follows from the binding of the thumbprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from machtiging.crypto.jose import (
    PublicKey,
    canonical_base64url,
    check_signature,
    encode_base64url,
    import_public,
    refuse,
    strict_json,
    take_apart,
    type_fits,
)

# The members that RFC 7638 section 3.2 hashes, by key type. No other members are read.
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KIND = {"ES256": ("EC", "P-256", 32), "Ed25519": ("OKP", "Ed25519", 32), "PS256": ("RSA", None, 0)}
_SMALLEST_RSA, _LARGEST_RSA, _LARGEST_EXPONENT = 2048 // 8, 4096 // 8, 4
_ELSEWHERE = frozenset({"x5c", "x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class Proven:
    """The verified claims, and the RFC 7638 thumbprint of the signing key."""

    claims: dict[str, Any]
    jkt: str


def verify_proof(token: str, *, algorithms: Sequence[str], typ: str, longest: int) -> Proven:
    """Verify a JWS with the key in its header. The caller checks `iat`, `jti` and all claims.

    The `alg` must be one of `algorithms` and fit the key. The key must be public, on the expected curve or of an
    acceptable size, and without private members. Raises NotAuthenticated `token_ongeldig`.
    """
    if len(token) > longest:
        refuse("proof is too long")
    parts = take_apart(token, brings_key=True)
    algorithm = parts.header["alg"]
    if algorithm not in algorithms or algorithm not in _KIND:
        refuse(f"alg {algorithm[:20]!r} is not accepted here")
    if not type_fits(parts.header.get("typ"), typ):
        refuse("typ is not the one wanted here")
    if _ELSEWHERE & parts.header.keys():
        refuse("a proof brings its key as jwk, and nothing else")
    text = _public(parts.header.get("jwk"), algorithm)
    check_signature(parts, _imported(text, algorithm), algorithm)
    return Proven(strict_json(parts.payload), _digest(text))


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 SHA-256 thumbprint of a public key.

    Raises NotAuthenticated `token_ongeldig`.
    """
    members = _MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) for name in members):
        refuse("a key without a thumbprint")
    return _digest(_canonical(jwk, members))


def _public(jwk: object, algorithm: str) -> str:
    """Validate a public JWK and return its canonical members (RFC 7638)."""
    kty, curve, size = _KIND[algorithm]
    if not isinstance(jwk, dict) or jwk.get("kty") != kty:
        refuse("jwk is missing, or of a kind that does not fit alg")
    if _SECRET & jwk.keys():
        refuse("jwk holds a private member")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm or jwk.get("crv", curve) != curve:
        refuse("jwk is for another use, alg or curve")
    members = _MEMBERS[kty]
    if not all(isinstance(jwk.get(name), str) for name in members):
        refuse("jwk lacks a member")
    numbers = {name: canonical_base64url(jwk[name]) for name in members if name not in ("crv", "kty")}
    if size and any(len(number) != size for number in numbers.values()):
        refuse("a coordinate of jwk has not the length of its curve")
    if kty == "RSA" and not _sane_rsa(numbers["n"], numbers["e"]):
        refuse("the RSA key of jwk is too small or too large")
    return _canonical(jwk, members)


def _sane_rsa(modulus: bytes, exponent: bytes) -> bool:
    """Check the size of an RSA key, without leading zeros.

    The cost of verification grows with the size. A leading zero would give one key two thumbprints.
    """
    plain = modulus[:1] != b"\0" and exponent[:1] != b"\0"
    return plain and _SMALLEST_RSA <= len(modulus) <= _LARGEST_RSA and len(exponent) <= _LARGEST_EXPONENT


def _canonical(jwk: dict[str, Any], members: Sequence[str]) -> str:
    return json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))


def _digest(canonical: str) -> str:
    return encode_base64url(hashlib.sha256(canonical.encode()).digest())


@lru_cache(maxsize=1024)
def _imported(canonical: str, algorithm: str) -> PublicKey:
    """Import a canonical JWK, cached by its text.

    A client uses one key many times, and the import costs more than the cache.
    """
    return import_public(json.loads(canonical), algorithm)
