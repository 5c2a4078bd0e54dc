"""A reading app: ask a person for access, get a token, and read the letters of the person whom he represents."""

import base64
import hashlib
import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from client import API, ISSUER, Client
from joserfc import jwt
from joserfc.jwk import KeySet

REDIRECT_URI = "http://localhost:9001/terug"


def wait_for_redirect() -> dict[str, str]:
    """Answer one request at the redirect URI, and return its query."""
    received: dict[str, str] = {}

    class RedirectHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == urlsplit(REDIRECT_URI).path:
                received.update({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"You can close this window.")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", urlsplit(REDIRECT_URI).port or 80), RedirectHandler) as server:
        while not received:
            server.handle_request()
    return received


def get_tokens(app: Client, actions: list[str], **more: str) -> dict:
    """Ask a person for access to a box, and return the token response. `more` goes with the pushed request."""
    # 1. Push the request (RFC 9126). Only its reference goes through the browser.
    verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    request = {
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "authorization_details": json.dumps([{"type": "berichtenbox", "actions": actions}]),
    }
    pushed = app.post_form("/par", request | more, dpop=app.uses_dpop)

    # 2. The person logs in and decides. The answer comes back to our redirect URI.
    query = urlencode({"client_id": app.client_id, "request_uri": pushed["request_uri"]})
    print("Open this address in a browser:", f"{ISSUER}/authorize?{query}", flush=True)
    redirected = wait_for_redirect()
    if redirected.get("state") != state or redirected.get("iss") != ISSUER:
        sys.exit("This answer is not for our request.")
    if "error" in redirected:
        sys.exit(f"No access: {redirected['error']}")

    # 3. Exchange the code for a token.
    form = {"grant_type": "authorization_code", "code": redirected["code"], "redirect_uri": REDIRECT_URI}
    tokens = app.post_form("/token", form | {"code_verifier": verifier}, dpop=app.uses_dpop)
    check_id_token(app, tokens["id_token"], nonce)
    return tokens


def check_id_token(app: Client, id_token: str, nonce: str) -> None:
    """Check the ID token, and print what it says of the person. Raises JoseError."""
    keys = KeySet.import_key_set(app.http.get(f"{ISSUER}/jwks").json())
    person = jwt.decode(id_token, keys, algorithms=["PS256"]).claims
    exact = {"essential": True}
    rules = jwt.JWTClaimsRegistry(
        iss=exact | {"value": ISSUER}, aud=exact | {"value": app.client_id}, nonce=exact | {"value": nonce}, exp=exact
    )
    rules.validate(person)
    print("Level:", person["acr"])
    print("Represents somebody:", "represents" in person)


def read_newest_letter(app: Client, token: str) -> None:
    """Print for whom this token is, and the newest letter."""
    for machtiging in app.request("GET", f"{API}/machtigingen", token).json()["machtigingen"]:
        print("For:", machtiging["vertegenwoordigde"]["naam"], "as", machtiging["hoedanigheid"])
    letters = app.request("GET", f"{API}/berichten?aantal=5", token).json()["berichten"]
    newest = f"{API}/berichten/{letters[0]['berichtId']}"
    letter = app.request("GET", newest, token).json()
    print("Newest letter:", letter["onderwerp"], "from", letter["afzender"]["naam"])
    # What was not given is refused.
    refused = app.request("DELETE", newest, token)
    print("Delete:", refused.status_code, refused.json()["code"])


if __name__ == "__main__":
    reading_app = Client("reading-app")
    answer = get_tokens(reading_app, ["lijst", "lezen"])
    print("Token type:", answer["token_type"])
    print("Given:", json.dumps(answer["authorization_details"]))
    read_newest_letter(reading_app, answer["access_token"])
