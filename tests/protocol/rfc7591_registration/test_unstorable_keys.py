"""Keys that JSON allows and the database cannot store are rejected as invalid metadata."""

from __future__ import annotations

import json

import pytest

from tests.builders.client import create_invitation, make_app_metadata, make_bearer_header, make_client_keys

PAIR = make_client_keys()
KEY = PAIR.jwks["keys"][0]
UNFIT = [
    {"key_ops": ["\0"]},
    {"key_ops": "\ud800"},
    {"key_ops": {"verify": float("inf")}},
    {"key_ops": ["sign"]},
    {"kid": "\ud800"},
    {"x": KEY["x"] + "\0"},
    {"y": "\n" + KEY["y"]},
]


@pytest.mark.parametrize("change", UNFIT)
async def test_jwks_with_unstorable_value_is_rejected(production_oauth, change) -> None:
    metadata = make_app_metadata(PAIR) | {"jwks": {"keys": [KEY | change]}}
    body = json.dumps(metadata).replace("Infinity", "1e999").encode()
    headers = make_bearer_header(await create_invitation(production_oauth)) | {"content-type": "application/json"}
    answer = await production_oauth.connection().post("/register", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_jwks_with_key_ops_is_accepted(production_oauth) -> None:
    metadata = make_app_metadata(PAIR) | {"jwks": {"keys": [KEY | {"key_ops": ["verify"]}]}}
    headers = make_bearer_header(await create_invitation(production_oauth))
    assert (await production_oauth.connection().post("/register", json=metadata, headers=headers)).status_code == 201
