"""JWTs signed by this server: signing them, and verifying them on every request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws

from machtiging.crypto.jose import MAXIMUM_SIZE, check_signature, refuse, strict_json, take_apart, type_fits
from machtiging.crypto.manifest import Entry, State
from machtiging.crypto.material import SigningMaterial
from machtiging.kernel.errors import Fault, NotAuthenticated

# A retired key verifies this long: more than the longest token lifetime plus the restart of all workers.
RETIRED_KEY_VERIFIES = timedelta(hours=24)
# Clock skew in seconds between the hosts of one installation.
_CLOCKS_DIFFER = 5
_MEMO_SIZE = 4096


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One signing key. `kid` holds part of the RFC 7638 thumbprint, so it is unique to this installation."""

    entry: Entry
    material: SigningMaterial
    kid: str

    @classmethod
    def of(cls, entry: Entry, material: SigningMaterial) -> SigningKey:
        """Build the key with its `kid`."""
        return cls(entry, material, f"{entry.name}.{material.thumbprint()[:8]}")

    @property
    def algorithm(self) -> str:
        """The only algorithm of this key."""
        return self.entry.kind.algorithm

    def verifies_at(self, at: datetime) -> bool:
        """Return True while tokens of this key are accepted."""
        return self.entry.retired_at is None or at < self.entry.retired_at + RETIRED_KEY_VERIFIES


@dataclass(frozen=True, slots=True)
class _Verified:
    key: SigningKey
    typ: str
    payload: bytes


class OwnTokens:
    """Signs JWTs, and verifies them with a cache of signature checks.

    Only the result of the *signature* check is cached, by SHA-256 of the whole token: the same bytes give the same
    result while the ring is unchanged. Checks that depend on time or audience are never cached.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._active = {key.algorithm: key for key in self._keys.values() if key.entry.state is State.ACTIVE}
        self._memo: dict[bytes, _Verified] = {}

    def sign(self, claims: dict[str, Any], *, typ: str, alg: str) -> str:
        """Sign claims as a compact JWS with the active key of `alg`.

        Raises Fault `sleutel_ontbreekt` when there is none.
        """
        key = self._active.get(alg)
        if key is None:
            raise Fault("sleutel_ontbreekt", private=f"no active key for alg {alg}")
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        token = jws.serialize_compact({"alg": alg, "kid": key.kid, "typ": typ}, payload, key.material, algorithms=[alg])
        if len(token) > MAXIMUM_SIZE:
            raise Fault("token_te_groot", private="we would refuse this token ourselves")
        return token

    def statement(self, token: str, *, typ: str) -> dict[str, Any]:
        """Return the claims of a signed record of any age. For records, not for access.

        A retired key is accepted. Raises NotAuthenticated `token_ongeldig`.
        """
        return strict_json(self._verified(token, typ).payload)

    def verify(self, token: str, *, typ: str, issuer: str, audience: str, at: datetime) -> dict[str, Any]:
        """Return the claims of our token for this audience at this instant.

        Raises NotAuthenticated `token_ongeldig`, or `token_verlopen` when only the expiry is wrong.
        """
        claims = self._valid(token, typ, issuer, at)
        audiences = claims.get("aud")
        if audience not in (audiences if isinstance(audiences, list) else [audiences]):
            refuse("aud is another")
        _check_age(claims, at.timestamp())
        return claims

    def verify_for_anybody(self, token: str, *, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        """Return the claims of our token for any single audience.

        For introspection and revocation, never for access. Raises as `verify_own_jwt`.
        """
        claims = self._valid(token, typ, issuer, at)
        if not isinstance(claims.get("aud"), str):
            refuse("aud is not one name")
        _check_age(claims, at.timestamp())
        return claims

    def _valid(self, token: str, typ: str, issuer: str, at: datetime) -> dict[str, Any]:
        found = self._verified(token, typ)
        if not found.key.verifies_at(at):
            refuse("its key has been retired for too long")
        claims: dict[str, Any] = json.loads(found.payload)
        if claims.get("iss") != issuer:
            refuse("iss is not us")
        return claims

    def jwks(self, at: datetime | None = None) -> dict[str, Any]:
        """Return the verification keys as a JWK Set (RFC 7517).

        With `at`, keys that no longer verify are left out.
        """
        return {
            "keys": [
                {**key.material.as_dict(private=False), "kid": key.kid, "alg": key.algorithm, "use": "sig"}
                for key in self._keys.values()
                if at is None or key.verifies_at(at)
            ]
        }

    def _verified(self, token: str, typ: str) -> _Verified:
        if not isinstance(token, str) or len(token) > MAXIMUM_SIZE:
            refuse("token is too long, or no text")
        fingerprint = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._memo.get(fingerprint)
        if found is None:
            found = self._check(token)
            if len(self._memo) >= _MEMO_SIZE:
                del self._memo[next(iter(self._memo))]
            self._memo[fingerprint] = found
        if not type_fits(found.typ, typ):
            refuse("typ is not the one wanted here")
        return found

    def _check(self, token: str) -> _Verified:
        parts = take_apart(token)
        if parts.header.keys() != {"alg", "kid", "typ"}:
            refuse("not a header of ours")
        key = self._keys.get(parts.header["kid"])
        if key is None or parts.header["alg"] != key.algorithm:
            refuse("kid is not ours, or alg is not the one of its key")
        check_signature(parts, key.material, key.algorithm)
        strict_json(parts.payload)
        return _Verified(key, parts.header["typ"], parts.payload)


def _check_age(claims: dict[str, Any], now: float) -> None:
    if _instant(claims, "iat") > now + _CLOCKS_DIFFER:
        refuse("iat lies in the future")
    if "nbf" in claims and _instant(claims, "nbf") > now + _CLOCKS_DIFFER:
        refuse("nbf lies in the future")
    if _instant(claims, "exp") <= now:
        raise NotAuthenticated("token_verlopen", "Dit toegangsbewijs is verlopen. Log opnieuw in.", private="exp")


def _instant(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # Not isinstance: bool is an int in Python. We never issue fractions.
    if type(value) is not int:
        refuse(f"{name} is missing or no whole number")
    return value
