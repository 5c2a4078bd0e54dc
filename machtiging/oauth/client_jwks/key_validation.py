"""Validation of client keys: public, supported, strong enough, with distinct `kid`. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from machtiging.oauth.client import PRIVATE_KEY_JWT, SELF_SIGNED_TLS_CLIENT_AUTH
from machtiging.oauth.client_jwks.registered_certificates import find_certificate_errors

_MAX_KEYS = 10
_MIN_RSA_BYTES, _MAX_RSA_BYTES = 256, 1024
_COORDINATE_BYTES = 32
_PUBLIC_MEMBERS = {
    "EC": frozenset({"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}),
    "RSA": frozenset({"kty", "n", "e", "kid", "use", "alg", "key_ops"}),
}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_ALGORITHM = {"EC": "ES256", "RSA": "PS256"}


def find_jwks_errors(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Find the error in `jwks`, or in its absence: at most one. `jwks_uri` may replace it."""
    method = metadata.get("token_endpoint_auth_method")
    jwks, needed = metadata.get("jwks"), method == PRIVATE_KEY_JWT
    if method == SELF_SIGNED_TLS_CLIENT_AUTH and "jwks_uri" not in metadata:
        return find_certificate_errors(metadata)
    if "jwks_uri" in metadata and jwks is not None:
        return {"jwks_uri": "Geef jwks of jwks_uri, niet allebei."}
    if "jwks_uri" in metadata:
        return {} if needed else {"jwks_uri": "Alleen een client met private_key_jwt heeft sleutels."}
    if jwks is None:
        return {"jwks": "Met private_key_jwt horen hier de publieke sleutels, of een jwks_uri."} if needed else {}
    if not needed:
        return {"jwks": "Alleen een client met private_key_jwt heeft sleutels."}
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MAX_KEYS:
        return {"jwks": f"Hier hoort een JWK Set met 1 tot {_MAX_KEYS} sleutels."}
    fault = next((fault for key in found if (fault := _check_key(key)) is not None), None)
    if fault is None and not _have_distinct_kids(found):
        fault = "Elke sleutel moet een eigen kid hebben."
    return {} if fault is None else {"jwks": fault}


def select_usable_keys(document: Any) -> dict[str, Any] | None:
    """Select the usable keys of a fetched JWK Set. None without one, or for an untrusted set.

    Keys for other uses and unknown members are dropped (RFC 7517 section 5). A set with a private key, or with two keys
    without distinct `kid`, is rejected as a whole.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > _MAX_KEYS or any(_has_private_member(key) for key in found):
        return None
    known = [_drop_other_members(key) for key in found if _is_supported_key_type(key)]
    fit = [key for key in known if _check_key(key) is None]
    return {"keys": fit} if fit and _have_distinct_kids(fit) else None


def _is_supported_key_type(key: Any) -> bool:
    return isinstance(key, dict) and isinstance(key.get("kty"), str) and key["kty"] in _PUBLIC_MEMBERS


def _has_private_member(key: Any) -> bool:
    return isinstance(key, dict) and bool(key.keys() & _PRIVATE_MEMBERS)


def _drop_other_members(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name in _PUBLIC_MEMBERS[key["kty"]]}


def _have_distinct_kids(keys: list[dict[str, Any]]) -> bool:
    kids = [key.get("kid") for key in keys]
    return len(keys) == 1 or (None not in kids and len(set(kids)) == len(kids))


def _check_key(key: Any) -> str | None:
    if not _is_supported_key_type(key):
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
    return _check_key_strength(key)


def _check_key_strength(key: dict[str, Any]) -> str | None:
    if key["kty"] == "EC":
        right = key.get("crv") == "P-256" and all(
            len(_decode_base64url(key.get(c))) == _COORDINATE_BYTES for c in ("x", "y")
        )
        return None if right else "Een EC-sleutel heeft kromme P-256 en de coordinaten x en y."
    size = len(_decode_base64url(key.get("n")).lstrip(b"\0"))
    if not _MIN_RSA_BYTES <= size <= _MAX_RSA_BYTES or not _decode_base64url(key.get("e")):
        return "Een RSA-sleutel heeft minstens 2048 en hoogstens 8192 bits."
    return None


def _decode_base64url(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2048 or not value.isascii():
        return b""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return b""
