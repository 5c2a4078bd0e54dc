"""Client metadata about certificates and sender-constrained tokens (RFC 8705, RFC 9449). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from machtiging.crypto import certificates
from machtiging.crypto.proof_of_possession import jwk_thumbprint
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.oauth.client import SELF_SIGNED_TLS_CLIENT_AUTH, TLS_CLIENT_AUTH, TLS_CLIENT_AUTH_MEMBERS

DPOP_BOUND_MEMBER, CERTIFICATE_BOUND_MEMBER = "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"
MEMBERS = frozenset({DPOP_BOUND_MEMBER, CERTIFICATE_BOUND_MEMBER, *TLS_CLIENT_AUTH_MEMBERS})
_MAX_CERTIFICATES = 10
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,500}")
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,200}")


def find_binding_errors(metadata: Mapping[str, Any]) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    return {
        DPOP_BOUND_MEMBER: _check_binding_choice(metadata),
        CERTIFICATE_BOUND_MEMBER: None,
        **dict.fromkeys(TLS_CLIENT_AUTH_MEMBERS),
        **_find_certificate_name_errors(metadata),
    }


def _check_binding_choice(metadata: Mapping[str, Any]) -> str | None:
    both = metadata.get(DPOP_BOUND_MEMBER) is True and metadata.get(CERTIFICATE_BOUND_MEMBER) is True
    return f"Kies {DPOP_BOUND_MEMBER} of {CERTIFICATE_BOUND_MEMBER}, niet allebei." if both else None


def _find_certificate_name_errors(metadata: Mapping[str, Any]) -> dict[str, str]:
    given = [name for name in TLS_CLIENT_AUTH_MEMBERS if name in metadata]
    if metadata.get("token_endpoint_auth_method") != TLS_CLIENT_AUTH:
        return dict.fromkeys(given, f"Dit hoort bij {TLS_CLIENT_AUTH}.")
    if len(given) != 1:
        sentence = f"Geef met {TLS_CLIENT_AUTH} precies een van: {', '.join(TLS_CLIENT_AUTH_MEMBERS)}."
        return dict.fromkeys(given or TLS_CLIENT_AUTH_MEMBERS[:1], sentence)
    right = _is_certificate_name(given[0].removeprefix("tls_client_auth_"), metadata[given[0]])
    return {} if right else {given[0]: "Deze naam kan niet in een certificaat staan."}


def _is_certificate_name(kind: str, value: object) -> bool:
    if kind == "subject_dn":
        return certificates.is_distinguished_name(value)
    if kind == "san_ip":
        return certificates.is_ip_address(value)
    pattern = {"san_dns": _HOST, "san_uri": _URI, "san_email": _EMAIL}[kind]
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def find_certificate_errors(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Find the errors in `jwks` of a client with self-signed certificates (RFC 8705 2.2.2)."""
    if metadata.get("token_endpoint_auth_method") != SELF_SIGNED_TLS_CLIENT_AUTH:
        return {}
    jwks = metadata.get("jwks")
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MAX_CERTIFICATES:
        return {"jwks": f"Hier hoort een JWK Set met 1 tot {_MAX_CERTIFICATES} certificaten (x5c)."}
    if not all(_matches_own_certificate(key) for key in found):
        return {"jwks": "Elke sleutel is publiek en heeft in x5c precies het certificaat dat bij die sleutel hoort."}
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
