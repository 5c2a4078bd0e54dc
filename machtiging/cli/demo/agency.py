"""An agency that registers as an OAuth client and delivers letters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import httpx

from machtiging.cli.demo.letters import Letter
from machtiging.cli.demo.oauth_client import OAuthClient, new_key, public_jwks
from machtiging.cli.demo.pdf import attachment
from machtiging.cli.demo.telling import expect
from machtiging.cli.demo.world import World
from machtiging.kernel.clock import AMSTERDAM, day_in_the_netherlands

SCOPE = "aanleveringen:schrijven"
_NINE = time(9)


@dataclass
class Agency:
    """A sending agency with its access token."""

    world: World
    client: OAuthClient
    token: str

    @classmethod
    async def join(cls, world: World, http: httpx.AsyncClient, name: str, oin: str) -> Agency:
        """Register a client bound to the OIN and obtain an access token."""
        key = new_key()
        metadata = {
            "client_name": name,
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": SCOPE,
            "jwks": public_jwks(key),
        }
        client = OAuthClient(await world.register(metadata, oin), world.issuer, http, key)
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        answer = await client.ask("/token", form, world.now())
        return cls(world, client, str(answer["access_token"]))

    async def deliver(self, letter: Letter, bsn: str, reference: str) -> str:
        """Deliver one letter with its PDF, twice, to prove idempotence. Returns its id. Raises StoryFailed."""
        response = await self._post(letter, bsn, reference)
        got = f"{response.status_code}: {response.text[:300]}"
        expect(that=response.status_code == 201, expected="201 op POST /api/v1/aanleveringen", got=got)
        again = await self._post(letter, bsn, reference)
        same = again.status_code == 200 and again.json() == response.json()
        expect(that=same, expected="dezelfde brief nog eens is dezelfde brief", got=again.text[:300])
        return str(response.json()["berichtId"])

    async def _post(self, letter: Letter, bsn: str, reference: str) -> httpx.Response:
        published_at = published(letter, self.world.now())
        bericht = {
            "ontvanger": {"type": "BSN", "waarde": bsn},
            "dienst": letter.dienst,
            "onderwerp": letter.onderwerp,
            "inhoud": letter.inhoud,
            "kenmerk": reference,
            "publicatietijdstip": published_at.isoformat(),
        }
        pdf = attachment(letter, letter.sender, published_at)
        parts = [
            ("bericht", (None, json.dumps(bericht).encode(), "application/json")),
            ("bijlage", (letter.file_name, pdf, "application/pdf")),
        ]
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.http.post(f"{self.world.api}/aanleveringen", files=parts, headers=headers)


def published(letter: Letter, now: datetime) -> datetime:
    """Return the publication time of a letter: 9:00 in Amsterdam, `days_ago` days back."""
    day = day_in_the_netherlands(now) - timedelta(days=letter.days_ago)
    return datetime.combine(day, _NINE, AMSTERDAM)
