"""What every client of these examples needs: its key, its client_id, and signed proofs of both.

Needs httpx and joserfc, which the set-up of this repository installs.
"""

import base64
import hashlib
import json
import secrets
import sys
import time
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "http://localhost:8000"
API = ISSUER + "/api/v1"
# The keys and registrations of your clients. Never share the files with `key` in their name.
FOLDER = Path(".cache/guide")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Client:
    """A registered client of the authorization server. It authenticates with private_key_jwt (RFC 7523)."""

    def __init__(self, name: str) -> None:
        self.key = ECKey.import_key(json.loads((FOLDER / f"{name}.key.json").read_text()))
        self.registration = json.loads((FOLDER / f"{name}.client.json").read_text())
        self.client_id = self.registration["client_id"]
        self.http = httpx.Client(timeout=30)
        self.uses_dpop = self.registration.get("dpop_bound_access_tokens", False)
        self.dpop_key = ECKey.generate_key("P-256")
        self.dpop_nonce = ""

    def post_form(self, path: str, form: dict[str, str], *, dpop: bool = False) -> dict:
        """Send a form with a client assertion. Stops the program with the answer when the server refuses."""
        url = ISSUER + path
        for _ in range(2):
            headers = {"DPoP": self.dpop_proof("POST", url)} if dpop else {}
            answer = self.http.post(url, data=form | self.assertion(), headers=headers)
            if not self._is_nonce_new(answer):
                break
        if answer.is_error:
            sys.exit(f"{path} answered {answer.status_code}: {answer.text}")
        return answer.json()

    def assertion(self) -> dict[str, str]:
        """Make a new client assertion. One assertion is good for one request."""
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "jti": secrets.token_urlsafe(16)}
        signed = jwt.encode(
            {"alg": "ES256", "kid": self.key.kid},
            claims | {"iat": now, "exp": now + 60},
            self.key,
            algorithms=["ES256"],
        )
        return {"client_id": self.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}

    def dpop_proof(self, method: str, url: str, token: str = "") -> str:
        """Make a DPoP proof (RFC 9449). One proof is good for one request."""
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.dpop_key.as_dict(private=False)}
        claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": int(time.time())}
        if token:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if self.dpop_nonce:
            claims["nonce"] = self.dpop_nonce
        return jwt.encode(header, claims, self.dpop_key, algorithms=["ES256"])

    def request(self, method: str, url: str, token: str, body: dict | None = None) -> httpx.Response:
        """Send a request to an API with a token that is bound to the DPoP key."""
        for _ in range(2):
            proof = self.dpop_proof(method, url.partition("?")[0], token)
            headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
            answer = self.http.request(method, url, headers=headers, json=body)
            if not self._is_nonce_new(answer):
                break
        return answer

    def _is_nonce_new(self, answer: httpx.Response) -> bool:
        """Remember the nonce of the server. True: the request must be sent again with it (RFC 9449 section 8)."""
        self.dpop_nonce = answer.headers.get("DPoP-Nonce", self.dpop_nonce)
        return answer.is_error and answer.json().get("error") == "use_dpop_nonce"
