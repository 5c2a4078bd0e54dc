"""Validation of client keys: public, supported, strong enough, with distinct `kid`. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from machtiging.kernel.errors import Message
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


def find_jwks_errors(metadata: Mapping[str, Any]) -> dict[str, Message]:
    """Find the error in `jwks`, or in its absence: at most one. `jwks_uri` may replace it."""
    method = metadata.get("token_endpoint_auth_method")
    jwks, needed = metadata.get("jwks"), method == PRIVATE_KEY_JWT
    if method == SELF_SIGNED_TLS_CLIENT_AUTH and "jwks_uri" not in metadata:
        return find_certificate_errors(metadata)
    if "jwks_uri" in metadata and jwks is not None:
        return {"jwks_uri": Message("metadata.jwks_or_uri")}
    if "jwks_uri" in metadata:
        return {} if needed else {"jwks_uri": Message("metadata.jwks_needs_private_key_jwt")}
    if jwks is None:
        return {"jwks": Message("metadata.jwks_missing")} if needed else {}
    if not needed:
        return {"jwks": Message("metadata.jwks_needs_private_key_jwt")}
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MAX_KEYS:
        return {"jwks": Message("metadata.jwks_count", {"max_keys": _MAX_KEYS})}
    fault = next((fault for key in found if (fault := _check_key(key)) is not None), None)
    if fault is None and not _have_distinct_kids(found):
        fault = Message("metadata.jwks_kid")
    return {} if fault is None else {"jwks": fault}


def select_usable_keys(document: Any) -> dict[str, Any] | None:
    """Select the usable keys of a fetched JWK Set. None without one, or for an untrusted set.

    Keys for other uses and unknown members are dropped (RFC 7517 section 5). A set with a private key, or with two keys
    without distinct `kid`, is rejected as a whole.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > _MAX_KEYS or any(_has_private_member(key) for key in found):
        return None
    supported_keys = [_drop_other_members(key) for key in found if _is_supported_key_type(key)]
    fit = [key for key in supported_keys if _check_key(key) is None]
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


def _check_key(key: Any) -> Message | None:
    if not _is_supported_key_type(key):
        return Message("metadata.jwks_key_type")
    kty = key["kty"]
    if key.keys() - _PUBLIC_MEMBERS[kty]:
        # A private key in a registration is compromised.
        return Message("metadata.jwks_members")
    if key.get("use", "sig") != "sig" or key.get("alg", _ALGORITHM[kty]) != _ALGORITHM[kty]:
        return Message("metadata.jwks_use")
    if key.get("key_ops", ["verify"]) != ["verify"]:
        return Message("metadata.jwks_key_ops")
    # Base64 decoding skips foreign characters, and PostgreSQL cannot store every JSON string.
    plain = all(isinstance(value, str) and value.isprintable() for name, value in key.items() if name != "key_ops")
    if not plain or len(key.get("kid", "")) > 128:
        return Message("metadata.jwks_text")
    return _check_key_strength(key)


def _check_key_strength(key: dict[str, Any]) -> Message | None:
    if key["kty"] == "EC":
        right = key.get("crv") == "P-256" and all(
            len(_decode_base64url(key.get(c))) == _COORDINATE_BYTES for c in ("x", "y")
        )
        return None if right else Message("metadata.jwks_ec")
    size = len(_decode_base64url(key.get("n")).lstrip(b"\0"))
    if not _MIN_RSA_BYTES <= size <= _MAX_RSA_BYTES or not _decode_base64url(key.get("e")):
        return Message("metadata.jwks_rsa")
    return None


def _decode_base64url(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2048 or not value.isascii():
        return b""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return b""
