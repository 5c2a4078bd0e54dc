"""An OAuth client that authenticates with `private_key_jwt` (RFC 7523)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from machtiging.cli.demo.telling import expect

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60


def new_key() -> ECKey:
    """Create a P-256 signing key for the duration of the story."""
    return ECKey.generate_key("P-256", {"kid": secrets.token_urlsafe(8), "use": "sig", "alg": "ES256"})


@dataclass
class OAuthClient:
    """A client of the authorization server."""

    client_id: str
    issuer: str
    http: httpx.AsyncClient
    key: ECKey = field(default_factory=new_key)

    def assertion(self, at: datetime) -> dict[str, str]:
        """Build the form fields of a client assertion. It expires after a minute."""
        now = int(at.timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        header = {"alg": "ES256", "kid": self.key.kid}
        signed = jwt.encode(header, claims, self.key, algorithms=["ES256"])
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed, "client_id": self.client_id}

    async def ask(self, endpoint: str, form: dict[str, str], at: datetime, *, wanted: int = 200) -> dict[str, Any]:
        """Post a form to an endpoint of the server. Raises StoryFailed on another status than `expected_status`."""
        response = await self.http.post(self.issuer + endpoint, data={**form, **self.assertion(at)})
        got = f"{response.status_code}: {response.text[:300]}"
        expect(that=response.status_code == wanted, expected=f"{wanted} op {endpoint}", got=got)
        answer: dict[str, Any] = response.json()
        return answer


def public_jwks(key: ECKey) -> dict[str, Any]:
    """Return the public key as a JWKS, for the registration."""
    return {"keys": [key.as_dict(private=False)]}
