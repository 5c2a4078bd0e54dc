"""An OAuth client that authenticates with `private_key_jwt` (RFC 7523)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from machtiging.cli.demo.narrator import check_step

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 60


def generate_client_key() -> ECKey:
    """Create a P-256 signing key for the duration of the story."""
    return ECKey.generate_key("P-256", {"kid": secrets.token_urlsafe(8), "use": "sig", "alg": "ES256"})


@dataclass
class DemoOAuthClient:
    """A client of the authorization server."""

    client_id: str
    issuer: str
    http: httpx.AsyncClient
    key: ECKey = field(default_factory=generate_client_key)

    def build_client_assertion(self, at: datetime) -> dict[str, str]:
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

    async def post_form(
        self, endpoint: str, form: dict[str, str], at: datetime, *, expected_status: int = 200
    ) -> dict[str, Any]:
        """Post a form to an endpoint of the server. Raises StoryFailed on another status than `expected_status`."""
        response = await self.http.post(self.issuer + endpoint, data={**form, **self.build_client_assertion(at)})
        received = f"{response.status_code}: {response.text[:300]}"
        check_step(
            condition=response.status_code == expected_status, expected=f"{expected_status} op {endpoint}", got=received
        )
        answer: dict[str, Any] = response.json()
        return answer


def build_public_jwks(key: ECKey) -> dict[str, Any]:
    """Return the public key as a JWKS, for the registration."""
    return {"keys": [key.as_dict(private=False)]}
