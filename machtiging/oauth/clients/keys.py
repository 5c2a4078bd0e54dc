"""Validation of client keys: public, supported, strong enough, with distinct `kid`. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from machtiging.oauth.client import BY_ITSELF, PRIVATE_KEY_JWT
from machtiging.oauth.clients.bound import faults_in_certificates

_MOST = 10
_SMALLEST_RSA_BYTES, _LARGEST_RSA_BYTES = 256, 1024
_COORDINATE_BYTES = 32
_PUBLIC_MEMBERS = {
    "EC": frozenset({"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}),
    "RSA": frozenset({"kty", "n", "e", "kid", "use", "alg", "key_ops"}),
}
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_ALGORITHM = {"EC": "ES256", "RSA": "PS256"}


def faults_in(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Find the error in `jwks`, or in its absence: at most one. `jwks_uri` may replace it."""
    method = metadata.get("token_endpoint_auth_method")
    jwks, needed = metadata.get("jwks"), method == PRIVATE_KEY_JWT
    if method == BY_ITSELF and "jwks_uri" not in metadata:
        return faults_in_certificates(metadata)
    if "jwks_uri" in metadata and jwks is not None:
        return {"jwks_uri": "Geef jwks of jwks_uri, niet allebei."}
    if "jwks_uri" in metadata:
        return {} if needed else {"jwks_uri": "Alleen een client met private_key_jwt heeft sleutels."}
    if jwks is None:
        return {"jwks": "Met private_key_jwt horen hier de publieke sleutels, of een jwks_uri."} if needed else {}
    if not needed:
        return {"jwks": "Alleen een client met private_key_jwt heeft sleutels."}
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MOST:
        return {"jwks": f"Hier hoort een JWK Set met 1 tot {_MOST} sleutels."}
    fault = next((fault for key in found if (fault := _fault_of(key)) is not None), None)
    if fault is None and not _told_apart(found):
        fault = "Elke sleutel moet een eigen kid hebben."
    return {} if fault is None else {"jwks": fault}


def usable_in(document: Any) -> dict[str, Any] | None:
    """Select the usable keys of a fetched JWK Set. None without one, or for an untrusted set.

    Keys for other uses and unknown members are dropped (RFC 7517 section 5). A set with a private key, or with two keys
    without distinct `kid`, is rejected as a whole.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > _MOST or any(_holds_a_secret(key) for key in found):
        return None
    known = [_known_members(key) for key in found if _is_of_a_kind(key)]
    fit = [key for key in known if _fault_of(key) is None]
    return {"keys": fit} if fit and _told_apart(fit) else None


def _is_of_a_kind(key: Any) -> bool:
    return isinstance(key, dict) and isinstance(key.get("kty"), str) and key["kty"] in _PUBLIC_MEMBERS


def _holds_a_secret(key: Any) -> bool:
    return isinstance(key, dict) and bool(key.keys() & _SECRET_MEMBERS)


def _known_members(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name in _PUBLIC_MEMBERS[key["kty"]]}


def _told_apart(keys: list[dict[str, Any]]) -> bool:
    kids = [key.get("kid") for key in keys]
    return len(keys) == 1 or (None not in kids and len(set(kids)) == len(kids))


def _fault_of(key: Any) -> str | None:
    if not _is_of_a_kind(key):
        return "Een sleutel is EC (P-256) of RSA."
    kty = key["kty"]
    if key.keys() - _PUBLIC_MEMBERS[kty]:
        # A private key in a registration is compromised.
        return "Een sleutel heeft leden die hier niet horen. Geef alleen publieke sleutels, nooit een geheime."
    if key.get("use", "sig") != "sig" or key.get("alg", _ALGORITHM[kty]) != _ALGORITHM[kty]:
        return "Een sleutel is er om te ondertekenen: EC met ES256, RSA met PS256."
    if key.get("key_ops", ["verify"]) != ["verify"]:
        return 'De key_ops van een publieke sleutel zijn ["verify"].'
    # Base64 decoding skips foreign characters, and PostgreSQL cannot store every JSON string.
    plain = all(isinstance(value, str) and value.isprintable() for name, value in key.items() if name != "key_ops")
    if not plain or len(key.get("kid", "")) > 128:
        return "Een sleutel is gewone tekst, en een kid daarin heeft hoogstens 128 tekens."
    return _weakness(key)


def _weakness(key: dict[str, Any]) -> str | None:
    if key["kty"] == "EC":
        right = key.get("crv") == "P-256" and all(len(_bytes(key.get(c))) == _COORDINATE_BYTES for c in ("x", "y"))
        return None if right else "Een EC-sleutel heeft kromme P-256 en de coordinaten x en y."
    size = len(_bytes(key.get("n")).lstrip(b"\0"))
    if not _SMALLEST_RSA_BYTES <= size <= _LARGEST_RSA_BYTES or not _bytes(key.get("e")):
        return "Een RSA-sleutel heeft minstens 2048 en hoogstens 8192 bits."
    return None


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2048 or not value.isascii():
        return b""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return b""
