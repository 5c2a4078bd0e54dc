"""Strict parsing of a JWS, and verification of JWTs from others (RFC 7515, 7519, 8725).

A token never chooses a key or an algorithm. `kid` is looked up in a fixed set, and every key is pinned to its algorithm
(algorithm confusion, `alg: none`). Headers with a key (`jwk`, `jku`, `x5u`) or with rules (`crit`) are refused.
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

MAX_TOKEN_LENGTH = 16 * 1024
# Far above any real token. Counting brackets bounds the depth without parsing.
_MAX_BRACKETS = 256
_MAX_KEYS = 64
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
_MIN_RSA_BITS = 2048
_MAX_HEADER_LENGTH = 8 * 1024
_GENERIC_TYPES = (None, "jwt")
_BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
# Maps base64url to the alphabet of binascii. Characters of plain base64 and padding become invalid.
_TO_BASE64 = str.maketrans("-_+/=", "+/!!!")
# The valid last characters by length modulo 4: their unused trailing bits are zero.
_CANONICAL_LAST_CHARACTERS = {1: "", 2: _BASE64URL[::16], 3: _BASE64URL[::4]}
PublicKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class UnverifiedJws:
    """A well-formed JWS whose signature is not verified."""

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes


def reject_token(reason: str) -> NoReturn:
    """Raise the general refusal; `reason` goes to the log only."""
    raise NotAuthenticated("token_ongeldig", private=reason)


def parse_jws(token: str, *, allow_embedded_jwk: bool = False, max_length: int = MAX_TOKEN_LENGTH) -> UnverifiedJws:
    """Parse a compact JWS. Raises NotAuthenticated `token_ongeldig` when malformed or longer than `max_length`.

    With `allow_embedded_jwk` the header may hold a `jwk`, which `crypto.proof_of_possession` validates.
    """
    if not isinstance(token, str) or len(token) > max_length:
        reject_token("token is too long, or no text")
    segments = token.split(".")
    if len(segments) != 3 or not all(segments):
        reject_token("token has not three parts")
    if len(segments[0]) > _MAX_HEADER_LENGTH:  # the header may hold a key or a certificate
        reject_token("header is too long")
    header, payload, signature = (decode_base64url(segment) for segment in segments)
    parsed = parse_strict_json(header)
    if forbidden := (_REFUSED_HEADERS - ({"jwk"} if allow_embedded_jwk else set())) & parsed.keys():
        reject_token(f"header {min(forbidden)} is not accepted")
    if not isinstance(parsed.get("alg"), str):
        reject_token("header alg is missing")
    if not all(isinstance(parsed.get(name, ""), str) for name in ("kid", "typ")):
        reject_token("header kid or typ is no text")
    return UnverifiedJws(parsed, payload, token.rpartition(".")[0].encode("ascii"), signature)


def decode_base64url(segment: str) -> bytes:
    """Decode base64url in canonical form only. Raises NotAuthenticated `token_ongeldig`.

    With loose trailing bits, two different texts would be the same token.
    """
    over = len(segment) % 4
    try:
        raw = binascii.a2b_base64(segment.translate(_TO_BASE64) + "=" * (-over % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        reject_token("a part is not base64url")
    if over and segment[-1] not in _CANONICAL_LAST_CHARACTERS[over]:
        reject_token("a part is not canonical base64url")
    return raw


def encode_base64url(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse_strict_json(data: bytes) -> dict[str, Any]:
    """Parse a JSON object: bounded depth, no duplicate members, no NaN.

    Raises NotAuthenticated `token_ongeldig`.
    """
    if data.count(b"{") + data.count(b"[") > _MAX_BRACKETS:
        reject_token("JSON is too deep or too wide")
    try:
        value = _STRICT_DECODER.decode(data.decode())
    except (ValueError, RecursionError):
        reject_token("a part is not JSON")
    if not isinstance(value, dict):
        reject_token("a part is not a JSON object")
    return value


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT_DECODER = json.JSONDecoder(object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant)


def typ_matches(actual: object, expected: str | Collection[str] | None) -> bool:
    """Compare header `typ` with the expected one (RFC 8725 section 3.11).

    None expects a plain JWT. The prefix `application/` is optional.
    """
    name = actual.lower().removeprefix("application/") if isinstance(actual, str) else actual
    if expected is None:
        return name in _GENERIC_TYPES
    return name in ({expected.lower()} if isinstance(expected, str) else {one.lower() for one in expected})


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
    parts = parse_jws(token)
    verify_parsed_jws(parts, jwks, algorithms=algorithms, typ=typ)
    return parse_strict_json(parts.payload)


def verify_parsed_jws(
    parts: UnverifiedJws, jwks: dict[str, Any], *, algorithms: Sequence[str], typ: str | Collection[str] | None
) -> None:
    """Verify a JWS that is already parsed. Checks and raises as `verify_jwt`."""
    if not algorithms or not _KEY_TYPES.keys() >= set(algorithms):
        raise Fault("algoritme_niet_toegestaan", private=f"not among the closed list: {list(algorithms)}")
    algorithm = parts.header["alg"]
    if algorithm not in algorithms:
        reject_token(f"alg {algorithm[:20]!r} is not accepted here")
    if not typ_matches(parts.header.get("typ"), typ):
        reject_token("typ is not the one wanted here")
    verify_signature(parts, _select_key(jwks, algorithm, parts.header.get("kid")), algorithm)


def verify_signature(parts: UnverifiedJws, key: PublicKey, algorithm: str) -> None:
    """Verify the signature with one key and one algorithm. Raises NotAuthenticated `token_ongeldig`.

    Does the steps of joserfc's own verification, without parsing the token again.
    """
    registry = _jws_registry(algorithm)
    try:
        registry.check_header(parts.header)
        registry.validate_signature_size(parts.signature)
        method = registry.get_alg(algorithm)
        method.check_key(key)
        genuine = method.verify(parts.signing_input, parts.signature, key)
    except (JoseError, ValueError, TypeError) as error:
        reject_token(f"signature: {type(error).__name__}")
    if not genuine:
        reject_token("signature: not of this key")


def compute_signature(signing_input: bytes, key: PublicKey, algorithm: str) -> bytes:
    """Sign bytes with the private half of a key of ours (RFC 7515 section 5.1). Raises JoseError."""
    method = _jws_registry(algorithm).get_alg(algorithm)
    method.check_key(key)
    signature: bytes = method.sign(signing_input, key)
    return signature


@cache
def _jws_registry(algorithm: str) -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=[algorithm])


def _select_key(jwks: dict[str, Any], algorithm: str, kid: str | None) -> RSAKey | ECKey | OKPKey:
    """Select the only key that fits, by `kid` if present. Two fitting keys are refused."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
        reject_token("the signer's key set is no key set")
    fitting = [key for key in keys if is_key_for_algorithm(key, algorithm) and (kid is None or key.get("kid") == kid)]
    if len(fitting) != 1:
        reject_token(f"{len(fitting)} keys fit this token, want 1")
    return _import_key(fitting[0], _KEY_TYPES[algorithm][1])


def is_key_for_algorithm(key: Any, algorithm: str) -> bool:
    """Return True for a JWK whose members fit this algorithm (RFC 7517 section 4)."""
    return (
        isinstance(key, dict)
        and key.get("kty") == _KEY_TYPES[algorithm][0]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    )


def import_public_key(jwk: dict[str, Any], algorithm: str) -> PublicKey:
    """Import a public key for one algorithm. Raises NotAuthenticated `token_ongeldig`."""
    return _import_key(jwk, _KEY_TYPES[algorithm][1])


@lru_cache(maxsize=1024)
def _import_cached_key(
    family: type[RSAKey] | type[ECKey] | type[OKPKey], public: tuple[tuple[str, str], ...]
) -> RSAKey | ECKey | OKPKey:
    # Cached by the numbers of the key: the import takes longer than a verification.
    return family.import_key(dict(public))


def _import_key(key: dict[str, Any], family: type[RSAKey] | type[ECKey] | type[OKPKey]) -> RSAKey | ECKey | OKPKey:
    modulus = key.get("n", "")
    # Six bits a character. Checked before the import, which only warns.
    if family is RSAKey and isinstance(modulus, str) and len(modulus) * 6 < _MIN_RSA_BITS:
        reject_token("the signer's RSA key is under 2048 bits")
    public = tuple((name, key[name]) for name in ("kty", "n", "e", "crv", "x", "y") if name in key)
    try:
        imported = _import_cached_key(family, public)
        too_small = isinstance(imported, RSAKey) and imported.public_key.key_size < _MIN_RSA_BITS
    except (JoseError, ValueError, TypeError) as error:
        reject_token(f"the signer's key is unreadable: {type(error).__name__}")
    if too_small:
        reject_token("the signer's RSA key is under 2048 bits")
    return imported
