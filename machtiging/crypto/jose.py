"""Strict parsing of a JWS, and verification of JWTs from others (RFC 7515, 7519, 8725).

A token never chooses a key or an algorithm. `kid` is looked up in a fixed set, and every key is pinned to its
algorithm. Headers with a key (`jwk`, `jku`, `x5u`) or with rules (`crit`) are refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from machtiging.kernel.errors import Fault, NotAuthenticated

MAXIMUM_SIZE = 16 * 1024
# Far above any real token. Counting brackets bounds the depth without parsing.
_MAXIMUM_BRACKETS = 256
_MAXIMUM_KEYS = 64
_REFUSED_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "b64", "zip"})
_KEY_TYPES: dict[str, tuple[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {
    "RS256": ("RSA", RSAKey),
    "PS256": ("RSA", RSAKey),
    "PS384": ("RSA", RSAKey),
    "PS512": ("RSA", RSAKey),
    "ES256": ("EC", ECKey),
    "ES384": ("EC", ECKey),
    "ES512": ("EC", ECKey),
    "Ed25519": ("OKP", OKPKey),
}
_SMALLEST_RSA = 2048
_LARGEST_HEADER = 8 * 1024
_GENERIC_TYPES = (None, "jwt")
_BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
# Maps base64url to the alphabet of binascii. Characters of plain base64 and padding become invalid.
_TO_BASE64 = str.maketrans("-_+/=", "+/!!!")
# The valid last characters by length modulo 4: their unused trailing bits are zero.
_LAST = {1: "", 2: _BASE64URL[::16], 3: _BASE64URL[::4]}
PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Parts:
    """A well-formed JWS whose signature is not verified."""

    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes


def refuse(reason: str) -> NoReturn:
    """Raise the general refusal; `reason` goes to the log only."""
    raise NotAuthenticated("token_ongeldig", "Dit toegangsbewijs klopt niet. Log opnieuw in.", private=reason)


def take_apart(token: str, *, brings_key: bool = False) -> Parts:
    """Parse a compact JWS. Raises NotAuthenticated `token_ongeldig` when malformed.

    With `allow_embedded_jwk` the header may hold a `jwk`, which `crypto.proof_of_possession` validates.
    """
    if not isinstance(token, str) or len(token) > MAXIMUM_SIZE:
        refuse("token is too long, or no text")
    segments = token.split(".")
    if len(segments) != 3 or not all(segments):
        refuse("token has not three parts")
    if len(segments[0]) > _LARGEST_HEADER:  # the header may hold a key or a certificate
        refuse("header is too long")
    header, payload, signature = (canonical_base64url(segment) for segment in segments)
    parsed = strict_json(header)
    if forbidden := (_REFUSED_HEADERS - ({"jwk"} if brings_key else set())) & parsed.keys():
        refuse(f"header {min(forbidden)} is not accepted")
    if not isinstance(parsed.get("alg"), str):
        refuse("header alg is missing")
    if not all(isinstance(parsed.get(name, ""), str) for name in ("kid", "typ")):
        refuse("header kid or typ is no text")
    return Parts(parsed, payload, token.rpartition(".")[0].encode("ascii"), signature)


def canonical_base64url(segment: str) -> bytes:
    """Decode base64url in canonical form only. Raises NotAuthenticated `token_ongeldig`.

    With loose trailing bits, two different texts would be the same token.
    """
    over = len(segment) % 4
    try:
        raw = binascii.a2b_base64(segment.translate(_TO_BASE64) + "=" * (-over % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        refuse("a part is not base64url")
    if over and segment[-1] not in _LAST[over]:
        refuse("a part is not canonical base64url")
    return raw


def encode_base64url(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def strict_json(data: bytes) -> dict[str, Any]:
    """Parse a JSON object: bounded depth, no duplicate members, no NaN.

    Raises NotAuthenticated `token_ongeldig`.
    """
    if data.count(b"{") + data.count(b"[") > _MAXIMUM_BRACKETS:
        refuse("JSON is too deep or too wide")
    try:
        value = _STRICT.decode(data.decode())
    except (ValueError, RecursionError):
        refuse("a part is not JSON")
    if not isinstance(value, dict):
        refuse("a part is not a JSON object")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def type_fits(actual: object, wanted: str | Collection[str] | None) -> bool:
    """Compare header `typ` with the expected one (RFC 8725 section 3.11).

    None expects a plain JWT. The prefix `application/` is optional.
    """
    name = actual.lower().removeprefix("application/") if isinstance(actual, str) else actual
    if wanted is None:
        return name in _GENERIC_TYPES
    return name in ({wanted.lower()} if isinstance(wanted, str) else {one.lower() for one in wanted})


def verify_jwt(
    token: str,
    jwks: dict[str, Any],
    *,
    algorithms: Sequence[str],
    typ: str | Collection[str] | None,
) -> dict[str, Any]:
    """Verify a JWT with these public keys and algorithms, and return its claims.

    Checks signature, size, structure and `typ`. The caller checks `iss`, `aud`, `exp` and all other claims. Raises
    NotAuthenticated `token_ongeldig`. Raises Fault if `algorithms` contains a symmetric algorithm or `none`.
    """
    parts = take_apart(token)
    verify_parts(parts, jwks, algorithms=algorithms, typ=typ)
    return strict_json(parts.payload)


def verify_parts(
    parts: Parts, jwks: dict[str, Any], *, algorithms: Sequence[str], typ: str | Collection[str] | None
) -> None:
    """Verify a JWS that is already parsed. Checks and raises as `verify_jwt`."""
    if not algorithms or not _KEY_TYPES.keys() >= set(algorithms):
        raise Fault("algoritme_niet_toegestaan", private=f"not among the closed list: {list(algorithms)}")
    algorithm = parts.header["alg"]
    if algorithm not in algorithms:
        refuse(f"alg {algorithm[:20]!r} is not accepted here")
    if not type_fits(parts.header.get("typ"), typ):
        refuse("typ is not the one wanted here")
    check_signature(parts, _pick(jwks, algorithm, parts.header.get("kid")), algorithm)


def check_signature(parts: Parts, key: PublicKey, algorithm: str) -> None:
    """Verify the signature with one key and one algorithm. Raises NotAuthenticated `token_ongeldig`.

    Does the steps of joserfc's own verification, without parsing the token again.
    """
    registry = _registry(algorithm)
    try:
        registry.check_header(parts.header)
        registry.validate_signature_size(parts.signature)
        method = registry.get_alg(algorithm)
        method.check_key(key)
        genuine = method.verify(parts.signed, parts.signature, key)
    except (JoseError, ValueError, TypeError) as error:
        refuse(f"signature: {type(error).__name__}")
    if not genuine:
        refuse("signature: not of this key")


@cache
def _registry(algorithm: str) -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=[algorithm])


def _pick(jwks: dict[str, Any], algorithm: str, kid: str | None) -> RSAKey | ECKey | OKPKey:
    """Select the only key that fits, by `kid` if present. Two fitting keys are refused."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or len(keys) > _MAXIMUM_KEYS:
        refuse("the signer's key set is no key set")
    fitting = [key for key in keys if could_verify(key, algorithm) and (kid is None or key.get("kid") == kid)]
    if len(fitting) != 1:
        refuse(f"{len(fitting)} keys fit this token, want 1")
    return _import(fitting[0], _KEY_TYPES[algorithm][1])


def could_verify(key: Any, algorithm: str) -> bool:
    """Return True for a JWK whose members fit this algorithm (RFC 7517 section 4)."""
    return (
        isinstance(key, dict)
        and key.get("kty") == _KEY_TYPES[algorithm][0]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    )


def import_public(jwk: dict[str, Any], algorithm: str) -> PublicKey:
    """Import a public key for one algorithm. Raises NotAuthenticated `token_ongeldig`."""
    return _import(jwk, _KEY_TYPES[algorithm][1])


@lru_cache(maxsize=1024)
def _imported(
    family: type[RSAKey] | type[ECKey] | type[OKPKey], public: tuple[tuple[str, str], ...]
) -> RSAKey | ECKey | OKPKey:
    # Cached by the numbers of the key: the import takes longer than a verification.
    return family.import_key(dict(public))


def _import(key: dict[str, Any], family: type[RSAKey] | type[ECKey] | type[OKPKey]) -> RSAKey | ECKey | OKPKey:
    modulus = key.get("n", "")
    # Six bits a character. Checked before the import, which only warns.
    if family is RSAKey and isinstance(modulus, str) and len(modulus) * 6 < _SMALLEST_RSA:
        refuse("the signer's RSA key is under 2048 bits")
    public = tuple((name, key[name]) for name in ("kty", "n", "e", "crv", "x", "y") if name in key)
    try:
        imported = _imported(family, public)
        too_small = isinstance(imported, RSAKey) and imported.public_key.key_size < _SMALLEST_RSA
    except (JoseError, ValueError, TypeError) as error:
        refuse(f"the signer's key is unreadable: {type(error).__name__}")
    if too_small:
        refuse("the signer's RSA key is under 2048 bits")
    return imported
