"""Refreshing is registered beside the code (NL GOV OAuth 3.1.1, 3.1.9), and in no other way."""

import pytest

from machtiging.kernel.errors import InvalidInput
from tests.builders.refreshing import REFRESHING


async def test_beside_the_code_it_is_taken_and_kept(oauth):
    app = await oauth.reading_app(grant_types=REFRESHING)
    assert app.registration["grant_types"] == REFRESHING
    assert app.registration["response_types"] == ["code"]


@pytest.mark.parametrize(
    "types",
    [
        ["refresh_token"],
        ["refresh_token", "authorization_code"],
        ["authorization_code", "authorization_code"],
        ["authorization_code", "client_credentials"],
        ["client_credentials", "refresh_token"],
        ["authorization_code", "refresh_token", "client_credentials"],
        "authorization_code refresh_token",
    ],
)
async def test_anything_else_is_refused_by_name(oauth, types):
    with pytest.raises(InvalidInput) as refused:
        await oauth.reading_app(grant_types=types)
    assert "grant_types" in refused.value.fields


@pytest.mark.parametrize("scope", ["offline_access", "openid offline_access"])
async def test_there_is_no_scope_for_it(oauth, scope):
    with pytest.raises(InvalidInput) as refused:
        await oauth.reading_app(grant_types=REFRESHING, scope=scope)
    assert "scope" in refused.value.fields
