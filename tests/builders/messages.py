"""OAuth messages read from outside: JWT parts, query parameters, PKCE. Imports nothing of the service."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc.jws import JWSRegistry

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def encode_base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return _read_part(token, 1)


def read_header(token: str) -> dict[str, Any]:
    """The header of a JWT, unverified."""
    return _read_part(token, 0)


def _read_part(token: str, number: int) -> dict[str, Any]:
    part = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def make_unsigned_jwt(header: Mapping[str, Any], claims: Mapping[str, Any], signature: str = "") -> str:
    """A compact JWS with any signature text, empty by default."""
    return ".".join([*(encode_base64url(json.dumps(part).encode()) for part in (header, claims)), signature])


def sign_raw(algorithm: str, signing_input: bytes, key: Any) -> bytes:
    """Sign bytes with a private key (RFC 7515 section 5.1), under any header.

    joserfc documents signing for whole tokens only, and refuses headers that the service must refuse too.
    """
    return JWSRegistry(algorithms=[algorithm]).get_alg(algorithm).sign(signing_input, key)


def read_query(url: str) -> dict[str, str]:
    """The query parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query))


def is_jwt(token: str) -> bool:
    return token.count(".") == 2


@dataclass(frozen=True)
class Pkce:
    """A verifier and its S256 challenge."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        return encode_base64url(hashlib.sha256(self.verifier.encode()).digest())
