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
from machtiging.cli.demo.oauth_client import OAuthClient, new_key, public_jwks
from machtiging.cli.demo.telling import expect
from machtiging.cli.demo.world import World

# No server listens there. The story reads the code from the redirect address.
RETURN_TO = "https://leesapp.example/terug"
NAME = "Leesapp Voorbeeld"


def _digest(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@dataclass
class ReadingApp:
    """The app and its tokens."""

    world: World
    client: OAuthClient
    token: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def install(cls, world: World, http: httpx.AsyncClient) -> ReadingApp:
        """Register the app as an OAuth client."""
        key = new_key()
        metadata = {
            "client_name": NAME,
            "redirect_uris": [RETURN_TO],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": "openid",
            "jwks": public_jwks(key),
        }
        return cls(world, OAuthClient(await world.register(metadata), world.issuer, http, key))

    async def log_in(self, browser: Browser, machtiging_id: str) -> str:
        """Obtain a token for this machtiging: PAR, consent in the browser, code exchange. Returns the consent page."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        pushed = await self._push(machtiging_id, _digest(verifier), state)
        asked = urlencode({"client_id": self.client.client_id, "request_uri": pushed})
        consent = await browser.open(f"{self.world.issuer}/authorize?{asked}")
        await browser.submit(consent.form("/authorize"), {"besluit": "akkoord"})
        code = self._code_in(browser.url, state)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": RETURN_TO,
            "code_verifier": verifier,
        }
        self.tokens = await self.client.ask("/token", form, self.world.now())
        self.token = str(self.tokens["access_token"])
        return consent.text

    async def _push(self, machtiging_id: str, challenge: str, state: str) -> str:
        details = [{"type": "berichtenbox", "machtiging": machtiging_id, "actions": ["lijst", "lezen", "downloaden"]}]
        form = {
            "response_type": "code",
            "redirect_uri": RETURN_TO,
            "scope": "openid",
            "state": state,
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "authorization_details": json.dumps(details),
        }
        answer = await self.client.ask("/par", form, self.world.now(), wanted=201)
        return str(answer["request_uri"])

    def _code_in(self, address: str, state: str) -> str:
        told = parse_qs(urlsplit(address).query)
        expect(that=address.startswith(RETURN_TO + "?"), expected=f"terug naar {RETURN_TO}", got=address.split("?")[0])
        expect(that=told.get("state") == [state], expected="de eigen state terug", got=told.get("state"))
        expect(
            that=told.get("iss") == [self.world.issuer], expected="iss van de dienst (RFC 9207)", got=told.get("iss")
        )
        expect(that="code" in told, expected="een code", got=sorted(told))
        return told["code"][0]

    def claims(self) -> dict[str, Any]:
        """Decode the claims of the access token without verification. The app only displays them."""
        middle = self.token.split(".")[1]
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return said

    async def get(self, path: str) -> httpx.Response:
        """Send a GET request to the API."""
        return await self._send("GET", path)

    async def delete(self, path: str) -> httpx.Response:
        """Send a DELETE request to the API."""
        return await self._send("DELETE", path)

    async def _send(self, method: str, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.http.request(method, self.world.api + path, headers=headers)

    async def everything(self) -> list[dict[str, Any]]:
        """Fetch the list of berichten, page after page. Raises StoryFailed."""
        path: str | None = "/berichten?aantal=100"
        found: list[dict[str, Any]] = []
        while path:
            response = await self.get(path)
            got = f"{response.status_code}: {response.text[:300]}"
            expect(that=response.status_code == 200, expected="de lijst van brieven", got=got)
            body = response.json()
            found += body["berichten"]
            following = body["_links"].get("next")
            path = following["href"].removeprefix(self.world.api) if following else None
        return found


def anonymous(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Remove the parts of a response that differ per request: request id and date."""
    request_id = response.headers.get("x-request-id", "")
    headers = sorted((name, value) for name, value in response.headers.items() if name not in ("date", "x-request-id"))
    body = response.content
    return response.status_code, body.replace(request_id.encode(), b"") if request_id else body, headers
