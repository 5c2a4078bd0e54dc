"""A resource server: check a token of ours (RFC 9068) and its DPoP proof (RFC 9449), then ask if it still stands."""

import base64
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
from client import ISSUER, Client
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

RESOURCE = "http://localhost:9002/dossiers"
me = Client("resource-server")
# In your service: fetch the keys again, at most once in a minute, when a token has a `kid` that is not there.
keys = KeySet.import_key_set(httpx.get(f"{ISSUER}/jwks").json())
used_proofs: dict[str, float] = {}


class TokenRefused(Exception):
    """The token or its proof is not good. The message is the error for WWW-Authenticate."""


def check_token(token: str) -> dict:
    """Check an access token here, without a request. Returns its claims. Raises TokenRefused."""
    try:
        checked = jwt.decode(token, keys, algorithms=["PS256"])
        if checked.header.get("typ") != "at+jwt":
            raise TokenRefused("invalid_token")
        exact = {"essential": True}
        rules = jwt.JWTClaimsRegistry(
            iss=exact | {"value": ISSUER}, aud=exact | {"value": RESOURCE}, exp=exact, sub=exact, client_id=exact
        )
        rules.validate(checked.claims)
    except JoseError:
        raise TokenRefused("invalid_token") from None
    return checked.claims


def check_proof(proof: str | None, token: str, thumbprint: str) -> None:
    """Check that the caller has the key of the token. Raises TokenRefused."""
    try:
        header = jws.extract_compact((proof or "").encode()).headers()
        key = ECKey.import_key(header["jwk"])
        claims = jwt.decode(proof or "", key, algorithms=["ES256"]).claims
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        good = (
            header["typ"] == "dpop+jwt"
            and key.thumbprint() == thumbprint
            and (claims["htm"], claims["htu"], claims["ath"]) == ("GET", RESOURCE, digest)
            and abs(time.time() - claims["iat"]) < 60
            and claims["jti"] not in used_proofs
        )
    except (JoseError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise TokenRefused("invalid_dpop_proof")
    used_proofs[claims["jti"]] = time.time()  # in your service: in a store that all processes share, for two minutes


def introspect(token: str) -> dict:
    """Ask if the token still stands (RFC 7662). False at once after the machtiging or the consent ended."""
    return me.post_form("/introspect", {"token": token})


class Handler(BaseHTTPRequestHandler):
    """One resource, which says for whom the caller acts."""

    def do_GET(self) -> None:
        """Answer GET /dossiers."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            if urlsplit(self.path).path != urlsplit(RESOURCE).path or not token:
                raise TokenRefused("invalid_request")
            claims = check_token(token)
            if "cnf" in claims:
                check_proof(self.headers.get("DPoP"), token, claims["cnf"]["jkt"])
            if not introspect(token)["active"]:
                raise TokenRefused("invalid_token")
            self.respond(200, describe(claims))
        except TokenRefused as refused:
            challenge = f'{scheme or "Bearer"} error="{refused}"'
            self.respond(401, {"error": str(refused)}, {"WWW-Authenticate": challenge})

    def respond(self, status: int, body: dict, headers: dict[str, str] | None = None) -> None:
        """Send JSON."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def describe(claims: dict) -> dict:
    """Say who acts, for whom, and what was given. Decide on these three together."""
    represents = claims.get("represents")
    organisation = None
    if represents and "represents" in represents:  # an employee: the organisation is between him and the citizen
        organisation, represents = represents["sub"], represents["represents"]
    return {
        "acts": "for another" if represents else "for himself",
        "same person": bool(represents) and represents["sub"] == claims["sub"],
        "organisation": organisation,
        "level": claims["acr"].rsplit("/", 1)[-1],
        "actions": claims["authorization_details"][0]["actions"],
    }


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", urlsplit(RESOURCE).port or 80), Handler)
    print("Listening at", RESOURCE, flush=True)
    server.serve_forever()
