"""Client metadata about certificates and sender-constrained tokens (RFC 8705, RFC 9449). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from machtiging.crypto import certificates
from machtiging.crypto.proofs import thumbprint
from machtiging.kernel.errors import InvalidInput, NotAuthenticated
from machtiging.oauth.client import BY_AUTHORITY, BY_ITSELF, CERTIFICATE_NAMES

DPOP_BOUND, CERTIFICATE_BOUND = "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"
MEMBERS = frozenset({DPOP_BOUND, CERTIFICATE_BOUND, *CERTIFICATE_NAMES})
_MOST = 10
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,500}")
_MAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,200}")


def faults_in(metadata: Mapping[str, Any]) -> dict[str, str | None]:
    """Find the errors in these members, by member; None for a correct one."""
    return {
        DPOP_BOUND: _fault_in_choice(metadata),
        CERTIFICATE_BOUND: None,
        **dict.fromkeys(CERTIFICATE_NAMES),
        **_faults_in_names(metadata),
    }


def _fault_in_choice(metadata: Mapping[str, Any]) -> str | None:
    both = metadata.get(DPOP_BOUND) is True and metadata.get(CERTIFICATE_BOUND) is True
    return f"Kies {DPOP_BOUND} of {CERTIFICATE_BOUND}, niet allebei." if both else None


def _faults_in_names(metadata: Mapping[str, Any]) -> dict[str, str]:
    given = [name for name in CERTIFICATE_NAMES if name in metadata]
    if metadata.get("token_endpoint_auth_method") != BY_AUTHORITY:
        return dict.fromkeys(given, f"Dit hoort bij {BY_AUTHORITY}.")
    if len(given) != 1:
        sentence = f"Geef met {BY_AUTHORITY} precies een van: {', '.join(CERTIFICATE_NAMES)}."
        return dict.fromkeys(given or CERTIFICATE_NAMES[:1], sentence)
    right = _is_a_name(given[0].removeprefix("tls_client_auth_"), metadata[given[0]])
    return {} if right else {given[0]: "Deze naam kan niet in een certificaat staan."}


def _is_a_name(kind: str, value: object) -> bool:
    if kind == "subject_dn":
        return certificates.is_name(value)
    if kind == "san_ip":
        return certificates.is_address(value)
    pattern = {"san_dns": _HOST, "san_uri": _URI, "san_email": _MAIL}[kind]
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def faults_in_certificates(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Find the errors in `jwks` of a client with self-signed certificates (RFC 8705 2.2.2)."""
    if metadata.get("token_endpoint_auth_method") != BY_ITSELF:
        return {}
    jwks = metadata.get("jwks")
    found = jwks.get("keys") if isinstance(jwks, dict) and jwks.keys() == {"keys"} else None
    if not isinstance(found, list) or not 0 < len(found) <= _MOST:
        return {"jwks": f"Hier hoort een JWK Set met 1 tot {_MOST} certificaten (x5c)."}
    if not all(_is_certified(key) for key in found):
        return {"jwks": "Elke sleutel is publiek en heeft in x5c precies het certificaat dat bij die sleutel hoort."}
    return {}


def _is_certified(key: object) -> bool:
    if not isinstance(key, dict) or key.keys() - {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "x5c"}:
        return False
    if not all(isinstance(value, str) and value.isprintable() for name, value in key.items() if name != "x5c"):
        return False
    try:
        certificate = registered(key)
        return certificate is not None and certificate.key_thumbprint() == thumbprint(key)
    except NotAuthenticated:
        return False


def registered(key: Mapping[str, Any]) -> certificates.Certificate | None:
    """Parse the certificate in a registered key; None without a readable one."""
    chain = key.get("x5c")
    if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], str):
        return None
    try:
        return certificates.read(base64.b64decode(chain[0], validate=True))
    except (InvalidInput, binascii.Error, ValueError):
        return None
