"""Token endpoint: requests that are rejected before any statement variant applies."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["client_credentials", "authorization_code", "refresh_token", "onzin"])
async def test_parameter_without_name_returns_400(oauth, kind) -> None:
    form = "grant_type=" + kind + "&=x&client_id=foo"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await oauth.connection().post("/token", content=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_unknown_client_is_rejected_for_every_grant_type(oauth) -> None:
    for kind in ("client_credentials", "authorization_code", "refresh_token"):
        answer = await oauth.connection().post("/token", data={"grant_type": kind, "client_id": "foo", "code": "x"})
        assert answer.status_code in (400, 401)
