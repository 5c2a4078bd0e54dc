"""RFC 9728: protected resource metadata names the authorization server; challenges link to it."""

from __future__ import annotations

import re

import pytest

from tests.builders.applications import API_ISSUER
from tests.builders.letters import UWV, make_api_world
from tests.builders.people import ISSUER

METADATA_PATH = "/.well-known/oauth-protected-resource/api/v1"


async def test_resource_metadata_is_at_the_address_derived_from_the_api(oauth) -> None:
    answer = await oauth.connection().get(METADATA_PATH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told = answer.json()
    assert told["resource"] == ISSUER + "/api/v1"
    assert told["authorization_servers"] == [ISSUER]
    assert told["bearer_methods_supported"] == ["header"]
    assert told["authorization_details_types_supported"] == ["berichtenbox"]


async def test_resource_metadata_names_the_real_authorization_server(oauth) -> None:
    told = (await oauth.connection().get(METADATA_PATH)).json()
    server = (await oauth.connection().get("/.well-known/oauth-authorization-server")).json()
    assert server["issuer"] in told["authorization_servers"]
    assert set(told["scopes_supported"]) <= set(server["scopes_supported"])
    assert set(told["authorization_details_types_supported"]) == set(server["authorization_details_types_supported"])


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-protected-resource", METADATA_PATH + "/", METADATA_PATH + "/berichten"]
)
async def test_resource_metadata_of_other_path_returns_404(oauth, path) -> None:
    assert (await oauth.connection().get(path)).status_code == 404


@pytest.mark.parametrize("token", [None, "nep"])
async def test_challenge_401_links_to_resource_metadata(database, clock, token) -> None:
    world = await make_api_world(database, clock)
    async with world.client(token) as client:
        answer = await client.get("/api/v1/berichten")
    assert answer.status_code == 401
    (named,) = re.findall(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
    assert named == API_ISSUER + METADATA_PATH


async def test_challenge_403_links_to_resource_metadata(database, clock) -> None:
    world = await make_api_world(database, clock)
    async with world.client(await world.issue_token(oin=UWV)) as client:
        answer = await client.get("/api/v1/berichten")
    assert answer.status_code == 403
    assert "resource_metadata=" in answer.headers["www-authenticate"]
