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
    decode_base64url,
    encode_base64url,
    import_public_key,
    parse_jws,
    parse_strict_json,
    reject_token,
    typ_matches,
    verify_signature,
)

# The members that RFC 7638 section 3.2 hashes, by key type. No other members are read.
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEY_SHAPE_BY_ALGORITHM = {"ES256": ("EC", "P-256", 32), "Ed25519": ("OKP", "Ed25519", 32), "PS256": ("RSA", None, 0)}
_MIN_RSA_BYTES, _MAX_RSA_BYTES, _MAX_EXPONENT_BYTES = 2048 // 8, 4096 // 8, 4
_FORBIDDEN_KEY_HEADERS = frozenset({"x5c", "x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True)
class VerifiedPossession:
    """The verified claims, and the RFC 7638 thumbprint of the signing key."""

    claims: dict[str, Any]
    jkt: str


def verify_proof_of_possession(
    token: str, *, algorithms: Sequence[str], typ: str, max_length: int
) -> VerifiedPossession:
    """Verify a JWS with the key in its header. The caller checks `iat`, `jti` and all claims.

    The `alg` must be one of `algorithms` and fit the key. The key must be public, on the expected curve or of an
    acceptable size, and without private members. Raises NotAuthenticated `token_ongeldig`.
    """
    if len(token) > max_length:
        reject_token("proof is too long")
    parts = parse_jws(token, allow_embedded_jwk=True)
    algorithm = parts.header["alg"]
    if algorithm not in algorithms or algorithm not in _KEY_SHAPE_BY_ALGORITHM:
        reject_token(f"alg {algorithm[:20]!r} is not accepted here")
    if not typ_matches(parts.header.get("typ"), typ):
        reject_token("typ is not the one wanted here")
    if _FORBIDDEN_KEY_HEADERS & parts.header.keys():
        reject_token("a proof brings its key as jwk, and nothing else")
    text = _validate_public_jwk(parts.header.get("jwk"), algorithm)
    verify_signature(parts, _import_cached_jwk(text, algorithm), algorithm)
    return VerifiedPossession(parse_strict_json(parts.payload), _hash_canonical_jwk(text))


def jwk_thumbprint(jwk: dict[str, Any]) -> str:
    """Return the RFC 7638 SHA-256 thumbprint of a public key.

    Raises NotAuthenticated `token_ongeldig`.
    """
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) for name in members):
        reject_token("a key without a thumbprint")
    return _hash_canonical_jwk(_canonical_jwk(jwk, members))


def _validate_public_jwk(jwk: object, algorithm: str) -> str:
    """Validate a public JWK and return its canonical members (RFC 7638)."""
    kty, curve, size = _KEY_SHAPE_BY_ALGORITHM[algorithm]
    if not isinstance(jwk, dict) or jwk.get("kty") != kty:
        reject_token("jwk is missing, or of a kind that does not fit alg")
    if _PRIVATE_MEMBERS & jwk.keys():
        reject_token("jwk holds a private member")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm or jwk.get("crv", curve) != curve:
        reject_token("jwk is for another use, alg or curve")
    members = _THUMBPRINT_MEMBERS[kty]
    if not all(isinstance(jwk.get(name), str) for name in members):
        reject_token("jwk lacks a member")
    numbers = {name: decode_base64url(jwk[name]) for name in members if name not in ("crv", "kty")}
    if size and any(len(number) != size for number in numbers.values()):
        reject_token("a coordinate of jwk has not the length of its curve")
    if kty == "RSA" and not _is_acceptable_rsa_key(numbers["n"], numbers["e"]):
        reject_token("the RSA key of jwk is too small or too large")
    return _canonical_jwk(jwk, members)


def _is_acceptable_rsa_key(modulus: bytes, exponent: bytes) -> bool:
    """Check the size of an RSA key, without leading zeros.

    The cost of verification grows with the size. A leading zero would give one key two thumbprints.
    """
    plain = modulus[:1] != b"\0" and exponent[:1] != b"\0"
    return plain and _MIN_RSA_BYTES <= len(modulus) <= _MAX_RSA_BYTES and len(exponent) <= _MAX_EXPONENT_BYTES


def _canonical_jwk(jwk: dict[str, Any], members: Sequence[str]) -> str:
    return json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))


def _hash_canonical_jwk(canonical: str) -> str:
    return encode_base64url(hashlib.sha256(canonical.encode()).digest())


@lru_cache(maxsize=1024)
def _import_cached_jwk(canonical: str, algorithm: str) -> PublicKey:
    """Import a canonical JWK, cached by its text.

    A client uses one key many times, and the import costs more than the cache.
    """
    return import_public_key(json.loads(canonical), algorithm)
