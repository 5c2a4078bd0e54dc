"""An agency that registers as an OAuth client and delivers letters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import httpx

from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.letters import DemoLetter
from machtiging.cli.demo.narrator import check_step
from machtiging.cli.demo.oauth_client import DemoOAuthClient, build_public_jwks, generate_client_key
from machtiging.cli.demo.pdf import render_attachment
from machtiging.kernel.clock import AMSTERDAM, to_dutch_date

SCOPE = "aanleveringen:schrijven"
_NINE_O_CLOCK = time(9)


@dataclass
class DemoAgency:
    """A sending agency with its access token."""

    environment: StoryEnvironment
    client: DemoOAuthClient
    token: str

    @classmethod
    async def register_sender(
        cls, environment: StoryEnvironment, http: httpx.AsyncClient, name: str, oin: str
    ) -> DemoAgency:
        """Register a client bound to the OIN and obtain an access token."""
        key = generate_client_key()
        metadata = {
            "client_name": name,
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": SCOPE,
            "jwks": build_public_jwks(key),
        }
        client = DemoOAuthClient(await environment.register_client(metadata, oin), environment.issuer, http, key)
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        answer = await client.post_form("/token", form, environment.now())
        return cls(environment, client, str(answer["access_token"]))

    async def deliver_letter(self, letter: DemoLetter, bsn: str, reference: str) -> str:
        """Deliver one letter with its PDF, twice, to prove idempotence. Returns its id. Raises StoryFailed."""
        response = await self._post_letter(letter, bsn, reference)
        received = f"{response.status_code}: {response.text[:300]}"
        check_step(condition=response.status_code == 201, expected="201 op POST /api/v1/aanleveringen", got=received)
        again = await self._post_letter(letter, bsn, reference)
        same = again.status_code == 200 and again.json() == response.json()
        check_step(condition=same, expected="dezelfde brief nog eens is dezelfde brief", got=again.text[:300])
        return str(response.json()["berichtId"])

    async def deliver_once(self, letter: DemoLetter, number: str, reference: str, *, number_type: str = "BSN") -> bool:
        """Deliver one letter with its PDF. Returns False if it was there. Raises StoryFailed."""
        response = await self._post_letter(letter, number, reference, number_type)
        is_accepted = response.status_code in (200, 201)
        check_step(condition=is_accepted, expected="een afgeleverde brief", got=response.text[:300])
        return response.status_code == 201

    async def _post_letter(
        self, letter: DemoLetter, number: str, reference: str, number_type: str = "BSN"
    ) -> httpx.Response:
        published_at = publication_time(letter, self.environment.now())
        bericht = {
            "ontvanger": {"type": number_type, "waarde": number},
            "dienst": letter.dienst,
            "onderwerp": letter.onderwerp,
            "inhoud": letter.inhoud,
            "kenmerk": reference,
            "publicatietijdstip": published_at.isoformat(),
        }
        pdf = render_attachment(letter, letter.sender, published_at)
        parts = [
            ("bericht", (None, json.dumps(bericht).encode(), "application/json")),
            ("bijlage", (letter.file_name, pdf, "application/pdf")),
        ]
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.http.post(f"{self.environment.api_url}/aanleveringen", files=parts, headers=headers)


def publication_time(letter: DemoLetter, now: datetime) -> datetime:
    """Return the publication time of a letter: 9:00 in Amsterdam, `days_ago` days back."""
    day = to_dutch_date(now) - timedelta(days=letter.days_ago)
    return datetime.combine(day, _NINE_O_CLOCK, AMSTERDAM)
