"""Registration of the refresh_token grant type (NL GOV OAuth 3.1.1, 3.1.9)."""

import pytest

from machtiging.kernel.errors import InvalidInput
from tests.builders.tokens import REFRESHING


async def test_registration_of_refresh_beside_code_is_accepted(oauth):
    app = await oauth.register_reading_app(grant_types=REFRESHING)
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
async def test_registration_of_other_grant_type_combinations_is_rejected(oauth, types):
    with pytest.raises(InvalidInput) as refused:
        await oauth.register_reading_app(grant_types=types)
    assert "grant_types" in refused.value.fields


@pytest.mark.parametrize("scope", ["offline_access", "openid offline_access"])
async def test_registration_of_offline_access_scope_is_rejected(oauth, scope):
    with pytest.raises(InvalidInput) as refused:
        await oauth.register_reading_app(grant_types=REFRESHING, scope=scope)
    assert "scope" in refused.value.fields
