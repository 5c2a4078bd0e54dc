"""Sign and verify our own JWTs: JWT access token (RFC 9068), ID token and others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from machtiging.crypto.jose import (
    MAX_TOKEN_LENGTH,
    PublicKey,
    encode_base64url,
    import_public_key,
    parse_jws,
    parse_strict_json,
    reject_token,
    typ_matches,
    verify_signature,
)
from machtiging.crypto.key_manifest import KeyEntry, KeyState
from machtiging.crypto.key_operations import Signer
from machtiging.kernel.errors import Fault, NotAuthenticated

# A retired key verifies this long: more than the longest token lifetime plus the restart of all workers.
RETIRED_KEY_LIFETIME = timedelta(hours=24)
# Clock skew in seconds between the hosts of one installation.
_CLOCK_SKEW_SECONDS = 5
_SIGNATURE_CACHE_SIZE = 4096
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
_PRIVATE_JWK_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One signing key of the ring: manifest entry, signer and public key."""

    entry: KeyEntry
    signer: Signer
    public: PublicKey

    @classmethod
    def from_entry(cls, entry: KeyEntry, signer: Signer) -> SigningKey:
        """Build the key. Raises Fault `sleutel_onleesbaar` if the signer does not fit, or shows a private half."""
        jwk = signer.public_jwk()
        if signer.alg != entry.kind.algorithm or not _PRIVATE_JWK_MEMBERS.isdisjoint(jwk):
            raise Fault("sleutel_onleesbaar", private=f"{entry.name}: its signer does not fit")
        try:
            return cls(entry, signer, import_public_key(jwk, signer.alg))
        except NotAuthenticated as refused:
            raise Fault("sleutel_onleesbaar", private=f"{entry.name}: {refused.private}") from None

    @property
    def kid(self) -> str:
        """The `kid` of its tokens."""
        return self.signer.kid

    @property
    def algorithm(self) -> str:
        """The only algorithm of this key."""
        return self.entry.kind.algorithm

    def can_verify_at(self, at: datetime) -> bool:
        """Return True while tokens of this key are accepted."""
        return self.entry.retired_at is None or at < self.entry.retired_at + RETIRED_KEY_LIFETIME


@dataclass(frozen=True, slots=True)
class _VerifiedJws:
    key: SigningKey
    typ: str
    payload: bytes


class OwnTokenSigner:
    """Signs JWTs, and verifies them with a cache of signature checks.

    Only the result of the *signature* check is cached, by SHA-256 of the whole token: the same bytes give the same
    result while the ring is unchanged. Checks that depend on time or audience are never cached.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._active_keys = {key.algorithm: key for key in self._keys.values() if key.entry.state is KeyState.ACTIVE}
        self._signature_cache: dict[bytes, _VerifiedJws] = {}

    def sign_jwt(self, claims: dict[str, Any], *, typ: str, alg: str) -> str:
        """Sign claims as a compact JWS with the active key of `alg`.

        Raises Fault `sleutel_ontbreekt` when there is none.
        """
        key = self._active_keys.get(alg)
        if key is None:
            raise Fault("sleutel_ontbreekt", private=f"no active key for alg {alg}")
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        header = json.dumps({"alg": alg, "kid": key.kid, "typ": typ}, separators=(",", ":")).encode()
        signing_input = f"{encode_base64url(header)}.{encode_base64url(payload)}"
        token = f"{signing_input}.{encode_base64url(key.signer.sign(signing_input.encode()))}"
        if len(token) > MAX_TOKEN_LENGTH:
            raise Fault("token_te_groot", private="we would refuse this token ourselves")
        return token

    def verify_own_statement(self, token: str, *, typ: str) -> dict[str, Any]:
        """Return the claims of a signed record of any age. For records, not for access.

        A retired key is accepted. Raises NotAuthenticated `token_ongeldig`.
        """
        return parse_strict_json(self._verify_signature_cached(token, typ).payload)

    def verify_own_jwt(self, token: str, *, typ: str, issuer: str, audience: str, at: datetime) -> dict[str, Any]:
        """Return the claims of our token for this audience at this instant.

        Raises NotAuthenticated `token_ongeldig`, or `token_verlopen` when only the expiry is wrong.
        """
        claims = self._verify_key_and_issuer(token, typ, issuer, at)
        audiences = claims.get("aud")
        if audience not in (audiences if isinstance(audiences, list) else [audiences]):
            reject_token("aud is another")
        _verify_time_claims(claims, at.timestamp())
        return claims

    def verify_own_jwt_any_audience(self, token: str, *, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        """Return the claims of our token for any single audience.

        For introspection and revocation, never for access. Raises as `verify_own_jwt`.
        """
        claims = self._verify_key_and_issuer(token, typ, issuer, at)
        if not isinstance(claims.get("aud"), str):
            reject_token("aud is not one name")
        _verify_time_claims(claims, at.timestamp())
        return claims

    def _verify_key_and_issuer(self, token: str, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        found = self._verify_signature_cached(token, typ)
        if not found.key.can_verify_at(at):
            reject_token("its key has been retired for too long")
        claims: dict[str, Any] = json.loads(found.payload)
        if claims.get("iss") != issuer:
            reject_token("iss is not us")
        return claims

    def public_jwks(self, at: datetime | None = None) -> dict[str, Any]:
        """Return the verification keys as a JWK Set (RFC 7517).

        With `at`, keys that no longer verify are left out.
        """
        return {"keys": [key.signer.public_jwk() for key in self._keys.values() if at is None or key.can_verify_at(at)]}

    def list_used_keys(self, alg: str) -> list[dict[str, Any]]:
        """Return the JWKs of `alg`, with `van` and for a retired key `tot`. A published key is left out."""
        found = []
        for key in self._keys.values():
            entry = key.entry
            if key.algorithm != alg or entry.state is KeyState.PUBLISHED:
                continue
            period = {"van": (entry.activated_at or entry.created_at).isoformat()}
            period |= {} if entry.retired_at is None else {"tot": entry.retired_at.isoformat()}
            found.append(key.signer.public_jwk() | period)
        return found

    def _verify_signature_cached(self, token: str, typ: str) -> _VerifiedJws:
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            reject_token("token is too long, or no text")
        fingerprint = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._signature_cache.get(fingerprint)
        if found is None:
            found = self._verify_jws(token)
            if len(self._signature_cache) >= _SIGNATURE_CACHE_SIZE:
                del self._signature_cache[next(iter(self._signature_cache))]
            self._signature_cache[fingerprint] = found
        if not typ_matches(found.typ, typ):
            reject_token("typ is not the one wanted here")
        return found

    def _verify_jws(self, token: str) -> _VerifiedJws:
        parts = parse_jws(token)
        if parts.header.keys() != {"alg", "kid", "typ"}:
            reject_token("not a header of ours")
        key = self._keys.get(parts.header["kid"])
        if key is None or parts.header["alg"] != key.algorithm:
            reject_token("kid is not ours, or alg is not the one of its key")
        verify_signature(parts, key.public, key.algorithm)
        parse_strict_json(parts.payload)
        return _VerifiedJws(key, parts.header["typ"], parts.payload)


def _verify_time_claims(claims: dict[str, Any], now: float) -> None:
    if _read_numeric_date(claims, "iat") > now + _CLOCK_SKEW_SECONDS:
        reject_token("iat lies in the future")
    if "nbf" in claims and _read_numeric_date(claims, "nbf") > now + _CLOCK_SKEW_SECONDS:
        reject_token("nbf lies in the future")
    if _read_numeric_date(claims, "exp") <= now:
        raise NotAuthenticated("token_verlopen", private="exp")


def _read_numeric_date(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # Not isinstance: bool is an int in Python. We never issue fractions.
    if type(value) is not int:
        reject_token(f"{name} is missing or no whole number")
    return value
