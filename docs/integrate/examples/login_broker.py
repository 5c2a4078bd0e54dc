"""The smallest login broker that machtiging accepts: it logs in one person, without asking anything.

For practice only. It shows what your own broker has to do. Needs httpx and joserfc.
"""

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

ISSUER = "http://localhost:9003"
# The relying party: MACHTIGING_ISSUER and MACHTIGING_BROKER_CLIENT_ID of the installation.
SERVICE, CLIENT_ID = "http://localhost:8100", "machtiging"
REDIRECT_URI = SERVICE + "/inloggen/terug"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + "/token",
    "jwks_uri": ISSUER + "/jwks",
    "response_types_supported": ["code"],
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": ["ES256"],
    "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    "code_challenge_methods_supported": ["S256"],
    "authorization_response_iss_parameter_supported": True,
}
PERSON = {
    "sub": "a-subject-that-never-changes",
    "acr": "http://eidas.europa.eu/LoA/substantial",
    "bsn": "999990032",
    "name": "Dennis Brouwer",
    "birthdate": "1986-11-30",
    "email": "dennis.brouwer@post.example",
}
key = ECKey.generate_key("P-256", auto_kid=True)
codes: dict[str, dict[str, str]] = {}


def authorize(query: dict[str, str]) -> str:
    """Log the person in and return the address of the answer. Raises ValueError for another client."""
    if (query["client_id"], query["redirect_uri"], query["code_challenge_method"]) != (CLIENT_ID, REDIRECT_URI, "S256"):
        raise ValueError("client_id, redirect_uri or PKCE")
    code = secrets.token_urlsafe(32)
    codes[code] = query
    return REDIRECT_URI + "?" + urlencode({"code": code, "state": query["state"], "iss": ISSUER})


def redeem(form: dict[str, str]) -> dict:
    """Exchange a code for an ID token. Raises ValueError, KeyError or JoseError."""
    service_keys = KeySet.import_key_set(httpx.get(SERVICE + "/jwks").json())
    assertion = jwt.decode(form["client_assertion"], service_keys, algorithms=["ES256"]).claims
    if (assertion["iss"], assertion["sub"], assertion["aud"]) != (CLIENT_ID, CLIENT_ID, ISSUER):
        raise ValueError("client_assertion")
    if assertion["exp"] < time.time():
        raise ValueError("client_assertion has expired")
    query = codes.pop(form["code"])
    digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    if digest != query["code_challenge"]:
        raise ValueError("code_verifier")
    now = int(time.time())
    claims = PERSON | {"iss": ISSUER, "aud": CLIENT_ID, "nonce": query["nonce"], "iat": now, "exp": now + 300}
    header = {"alg": "ES256", "kid": key.kid}
    return {
        "access_token": secrets.token_urlsafe(16),
        "token_type": "Bearer",
        "id_token": jwt.encode(header, claims | {"auth_time": now}, key, algorithms=["ES256"]),
    }


class BrokerHandler(BaseHTTPRequestHandler):
    """The four addresses of the broker."""

    def do_GET(self) -> None:
        """Answer discovery, keys and the authorization endpoint."""
        url = urlsplit(self.path)
        documents = {
            "/.well-known/openid-configuration": METADATA,
            "/jwks": {"keys": [key.as_dict(private=False) | {"use": "sig", "alg": "ES256"}]},
        }
        if url.path in documents:
            return self.respond(200, documents[url.path])
        try:
            location = authorize({name: values[0] for name, values in parse_qs(url.query).items()})
        except (ValueError, KeyError) as error:
            return self.respond(400, {"error": "invalid_request", "error_description": str(error)})
        self.send_response(303)
        self.send_header("Location", location)
        return self.end_headers()

    def do_POST(self) -> None:
        """Answer the token endpoint."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            self.respond(200, redeem({name: values[0] for name, values in parse_qs(body).items()}))
        except (ValueError, KeyError, JoseError) as error:
            self.respond(400, {"error": "invalid_grant", "error_description": str(error)})

    def respond(self, status: int, document: dict) -> None:
        """Send JSON."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", urlsplit(ISSUER).port or 80), BrokerHandler)
    print("The broker listens at", ISSUER, flush=True)
    server.serve_forever()
