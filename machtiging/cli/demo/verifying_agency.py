"""An agency that asks, with its software, if somebody may act for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from machtiging.access.bearer import VERIFICATION_SCOPE
from machtiging.cli.demo.environment import StoryEnvironment
from machtiging.cli.demo.narrator import check_step
from machtiging.cli.demo.oauth_client import DemoOAuthClient, build_public_jwks, generate_client_key

AGENCY_NAME, AGENCY_OIN, DIENST = "Belastingdienst", "00000099000000003000", "inkomstenbelasting"


@dataclass
class DemoVerifier:
    """An agency with an access token for verifications."""

    environment: StoryEnvironment
    client: DemoOAuthClient
    token: str

    @classmethod
    async def register_verifier(cls, environment: StoryEnvironment, http: httpx.AsyncClient) -> DemoVerifier:
        """Register a client bound to the OIN and obtain an access token."""
        key = generate_client_key()
        metadata = {
            "client_name": f"{AGENCY_NAME} verificatie",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt",
            "scope": VERIFICATION_SCOPE,
            "jwks": build_public_jwks(key),
        }
        client_id = await environment.register_client(metadata, AGENCY_OIN)
        client = DemoOAuthClient(client_id, environment.issuer, http, key)
        form = {"grant_type": "client_credentials", "scope": VERIFICATION_SCOPE}
        answer = await client.post_form("/token", form, environment.now())
        return cls(environment, client, str(answer["access_token"]))

    async def ask(
        self, represented_bsn: str, helper_bsn: str, machtiging_id: str, as_of: datetime | None = None
    ) -> dict[str, Any]:
        """Ask if this helper may act for this person by this machtiging, now or then. Raises StoryFailed."""
        question: dict[str, Any] = {
            "dienst": DIENST,
            "doel": "behandelen",
            "vertegenwoordigde": {"type": "BSN", "waarde": represented_bsn},
            "gemachtigde": {"type": "BSN", "waarde": helper_bsn},
            "machtigingId": machtiging_id,
        }
        if as_of is not None:
            question["op"] = as_of.isoformat()
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.environment.api_url}/verificaties"
        response = await self.client.http.post(url, json={"verificaties": [question]}, headers=headers)
        received = f"{response.status_code}: {response.text[:300]}"
        check_step(condition=response.status_code == 200, expected="200 op POST /api/v1/verificaties", got=received)
        result: dict[str, Any] = response.json()["resultaten"][0]
        check_step(condition=result["resultaat"] == "beantwoord", expected="een antwoord", got=result)
        return result
