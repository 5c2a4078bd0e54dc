"""The state of the login simulator: signing key, client and issued codes. All in memory.

It forgets everything when it stops. Sessions at the service stay, as with a real broker.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import Clock
from machtiging.simulators.personas import Persona

ALGORITHM = "ES256"
CODE_VALID = timedelta(seconds=60)
_ID_TOKEN_VALID = timedelta(minutes=5)
_MOST_CODES = 10_000


@dataclass(frozen=True, slots=True)
class Client:
    """The only relying party of this broker. Its JWKS is at `<issuer>/jwks`."""

    client_id: str
    issuer: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Issued:
    """The login behind an authorization code."""

    persona: Persona
    assurance: Assurance
    nonce: str | None
    challenge: str
    at: datetime


@dataclass
class Provider:
    """The OpenID provider."""

    issuer: str
    client: Client
    clock: Clock
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    _codes: dict[str, Issued] = field(default_factory=dict)
    _assertions: dict[str, datetime] = field(default_factory=dict)

    def new_code(self, issued: Issued) -> str:
        """Issue an authorization code for this login."""
        self._forget_old(issued.at)
        code = secrets.token_urlsafe(32)
        self._codes[code] = issued
        return code

    def take_code(self, code: str, verifier: str) -> Issued | None:
        """Redeem a code once, within a minute, with its PKCE verifier (S256). Returns None if invalid."""
        issued = self._codes.pop(code, None)
        if issued is None or self.clock.now() >= issued.at + CODE_VALID:
            return None
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return issued if secrets.compare_digest(challenge, issued.challenge) else None

    def first_use(self, jti: str, until: datetime) -> bool:
        """Consume the jti of a client assertion. Returns false for a replay (RFC 7523 section 3)."""
        self._forget_old(self.clock.now())
        if jti in self._assertions:
            return False
        self._assertions[jti] = until
        return True

    def _forget_old(self, at: datetime) -> None:
        for code in [code for code, issued in self._codes.items() if at >= issued.at + CODE_VALID]:
            del self._codes[code]
        for jti in [jti for jti, until in self._assertions.items() if at >= until]:
            del self._assertions[jti]
        while len(self._codes) >= _MOST_CODES:
            del self._codes[next(iter(self._codes))]

    def id_token(self, issued: Issued) -> str:
        """Build the signed ID token of a login."""
        at = self.clock.now()
        claims: dict[str, Any] = {
            **issued.persona.claims(),
            "iss": self.issuer,
            "aud": self.client.client_id,
            "iat": int(at.timestamp()),
            "exp": int((at + _ID_TOKEN_VALID).timestamp()),
            "auth_time": int(issued.at.timestamp()),
            "acr": issued.assurance.acr,
        }
        if issued.nonce is not None:
            claims["nonce"] = issued.nonce
        header = {"alg": ALGORITHM, "kid": self.key.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])

    def jwks(self) -> dict[str, Any]:
        """Build the JWKS with the public key."""
        return {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}]}

    def metadata(self) -> dict[str, Any]:
        """Build the provider metadata (OpenID Connect Discovery 1.0 section 3)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [level.acr for level in Assurance],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["openid", "profile", "email"],
        }
