"""Certificates in the registered keys of a client with self-signed certificates (RFC 8705 section 2.2). Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from machtiging.crypto import certificates
from machtiging.crypto.proof_of_possession import jwk_thumbprint
from machtiging.kernel.errors import InvalidInput, Message, NotAuthenticated
from machtiging.oauth.client import SELF_SIGNED_TLS_CLIENT_AUTH

_MAX_CERTIFICATES = 10


def find_certificate_errors(metadata: Mapping[str, Any]) -> dict[str, Message]:
    """Find the errors in `jwks` of a client with self-signed certificates (RFC 8705 2.2.2)."""
    if metadata.get("token_endpoint_auth_method") != SELF_SIGNED_TLS_CLIENT_AUTH:
        return {}
    jwks = metadata.get("jwks")
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MAX_CERTIFICATES:
        return {"jwks": Message("metadata.certificates_count", {"max_certificates": _MAX_CERTIFICATES})}
    if not all(_matches_own_certificate(key) for key in found):
        return {"jwks": Message("metadata.certificates_of_keys")}
    return {}


def _matches_own_certificate(key: object) -> bool:
    if not isinstance(key, dict) or key.keys() - {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "x5c"}:
        return False
    if not all(isinstance(value, str) and value.isprintable() for name, value in key.items() if name != "x5c"):
        return False
    try:
        certificate = parse_registered_certificate(key)
        return certificate is not None and certificate.key_thumbprint() == jwk_thumbprint(key)
    except NotAuthenticated:
        return False


def parse_registered_certificate(key: Mapping[str, Any]) -> certificates.Certificate | None:
    """Parse the certificate in a registered key; None without a readable one."""
    chain = key.get("x5c")
    if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], str):
        return None
    try:
        return certificates.parse_certificate(base64.b64decode(chain[0], validate=True))
    except (InvalidInput, binascii.Error, ValueError):
        return None
