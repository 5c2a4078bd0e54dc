"""Keys, metadata, client assertions and `authorization_details` of our clients."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from machtiging.kernel.clock import Clock
from tests.builders.login import ISSUER
from tests.builders.proof import an_rsa_key

REDIRECT = "https://app.voorbeeld.example/terug"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE = ISSUER + "/api/v1"


@dataclass(frozen=True)
class ClientKeys:
    """A client's key pair; `jwks` is what it registers."""

    private: ECKey | RSAKey
    alg: str

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self.private.as_dict(private=False), "kid": "app-1", "use": "sig", "alg": self.alg}]}


def make_client_keys(alg: str = "ES256") -> ClientKeys:
    """A fresh pair, or the one RSA key of this process."""
    return ClientKeys(ECKey.generate_key("P-256") if alg == "ES256" else an_rsa_key(2048), alg)


def signed(header: Mapping[str, Any], claims: Any, key: Any) -> str:
    """A compact JWS with exactly this header and these claims."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.serialize_compact(dict(header), payload, key, algorithms=[header["alg"]])


def assertion(keys: ClientKeys, client_id: str, clock: Clock, **changes: Any) -> str:
    """A client assertion. `header` changes header members; other changes are claims; None leaves one out."""
    now = int(clock.now().timestamp())
    header = {"alg": keys.alg, "kid": "app-1", "typ": "JWT"} | changes.pop("header", {})
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
    claims |= {"jti": secrets.token_urlsafe(16)} | changes
    return signed(
        {name: value for name, value in header.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
        keys.private,
    )


def code_client(keys: ClientKeys | None, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of a reading app; without keys a public one."""
    metadata: dict[str, Any] = {
        "client_name": "Leesapp",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "private_key_jwt" if keys else "none",
        "scope": "openid",
    }
    if keys:
        metadata["jwks"] = keys.jwks
    return metadata | changes


def agency_client(keys: ClientKeys, **changes: Any) -> dict[str, Any]:
    """RFC 7591 metadata of an agency's sending system."""
    metadata = {
        "client_name": "Postkamer",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": "aanleveringen:schrijven",
        "jwks": keys.jwks,
    }
    return metadata | changes


def detail(machtiging_id: object | None = None, *actions: str, **changes: Any) -> str:
    """authorization_details for a machtiging (None: the own box)."""
    one: dict[str, Any] = {"type": "berichtenbox"}
    if machtiging_id is not None:
        one["machtiging"] = str(machtiging_id)
    if actions:
        one["actions"] = list(actions)
    return json.dumps([one | changes])
