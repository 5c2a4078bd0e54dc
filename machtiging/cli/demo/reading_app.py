"""The son's reading app. An OAuth client with PAR, PKCE and a token for one machtiging."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from machtiging.cli.demo.browser import Browser
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.narrator import check_step
from machtiging.cli.demo.oauth_client import DemoOAuthClient, build_public_jwks, generate_client_key

# No server listens there. The story reads the code from the redirect address.
REDIRECT_URI = "https://leesapp.example/terug"
APP_NAME = "Leesapp Voorbeeld"


def _compute_s256_challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@dataclass
class ReadingApp:
    """The app and its tokens."""

    environment: StoryEnvironment
    client: DemoOAuthClient
    token: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def register_app(cls, environment: StoryEnvironment, http: httpx.AsyncClient) -> ReadingApp:
        """Register the app as an OAuth client."""
        key = generate_client_key()
        metadata = {
            "client_name": APP_NAME,
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": "openid",
            "jwks": build_public_jwks(key),
        }
        return cls(
            environment, DemoOAuthClient(await environment.register_client(metadata), environment.issuer, http, key)
        )

    async def authorize_app(self, browser: Browser, **subject: str) -> str:
        """Obtain a token: PAR, consent in the browser, code exchange. Returns the text of the consent page.

        `subject` tells whose letters (RFC 9396): `machtiging` with an id, or `clienten` with `toegewezen`.
        """
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        pushed = await self._push_request(subject, _compute_s256_challenge(verifier), state)
        query = urlencode({"client_id": self.client.client_id, "request_uri": pushed})
        consent = await browser.open_page(f"{self.environment.issuer}/authorize?{query}")
        await browser.submit_form(consent.find_form("/authorize"), {"besluit": "akkoord"})
        code = self._extract_code(browser.url, state)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": verifier,
        }
        self.tokens = await self.client.post_form("/token", form, self.environment.now())
        self.token = str(self.tokens["access_token"])
        return consent.text

    async def _push_request(self, subject: dict[str, str], challenge: str, state: str) -> str:
        details = [{"type": "berichtenbox", **subject, "actions": ["lijst", "lezen", "downloaden"]}]
        form = {
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid",
            "state": state,
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "authorization_details": json.dumps(details),
        }
        answer = await self.client.post_form("/par", form, self.environment.now(), expected_status=201)
        return str(answer["request_uri"])

    def _extract_code(self, address: str, state: str) -> str:
        parameters = parse_qs(urlsplit(address).query)
        check_step(
            condition=address.startswith(REDIRECT_URI + "?"),
            expected=f"terug naar {REDIRECT_URI}",
            got=address.split("?")[0],
        )
        check_step(
            condition=parameters.get("state") == [state], expected="de eigen state terug", got=parameters.get("state")
        )
        check_step(
            condition=parameters.get("iss") == [self.environment.issuer],
            expected="iss van de dienst (RFC 9207)",
            got=parameters.get("iss"),
        )
        check_step(condition="code" in parameters, expected="een code", got=sorted(parameters))
        return parameters["code"][0]

    def decode_claims(self) -> dict[str, Any]:
        """Decode the claims of the access token without verification. The app only displays them."""
        middle = self.token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return claims

    async def get_resource(self, path: str) -> httpx.Response:
        """Send a GET request to the API."""
        return await self._send_request("GET", path)

    async def delete_resource(self, path: str) -> httpx.Response:
        """Send a DELETE request to the API."""
        return await self._send_request("DELETE", path)

    async def _send_request(self, method: str, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.http.request(method, self.environment.api_url + path, headers=headers)

    async def list_berichten(self) -> list[dict[str, Any]]:
        """Fetch the list of berichten, page after page. Raises StoryFailed."""
        path: str | None = "/berichten?aantal=100"
        found: list[dict[str, Any]] = []
        while path:
            response = await self.get_resource(path)
            received = f"{response.status_code}: {response.text[:300]}"
            check_step(condition=response.status_code == 200, expected="de lijst van brieven", got=received)
            body = response.json()
            found += body["berichten"]
            following = body["_links"].get("next")
            path = following["href"].removeprefix(self.environment.api_url) if following else None
        return found


def normalise_response(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Remove the parts of a response that differ per request: request id and date."""
    request_id = response.headers.get("x-request-id", "")
    headers = sorted((name, value) for name, value in response.headers.items() if name not in ("date", "x-request-id"))
    body = response.content
    return response.status_code, body.replace(request_id.encode(), b"") if request_id else body, headers
