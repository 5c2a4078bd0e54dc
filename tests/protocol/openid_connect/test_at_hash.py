"""`at_hash` (OpenID Connect Core 3.1.3.6): binds the ID token to its access token."""

from __future__ import annotations

import base64
import hashlib

import pytest
from authlib.oidc.core import ImplicitIDToken
from joserfc.errors import InvalidClaimError

from machtiging.oauth.openid.released_claims import build_at_hash
from tests.builders.ciba import register_ciba_desk
from tests.builders.flow import request_userinfo, start_login_flow, verify_jwt
from tests.builders.messages import read_claims
from tests.builders.tokens import make_refresh_token_holder


async def check(oauth, tokens, access_token: str | None = None) -> None:
    """Verify at_hash with Authlib, as a required claim. Raises JoseError."""
    header, told = await verify_jwt(oauth, tokens["id_token"])
    params = {"access_token": access_token or tokens["access_token"]}
    ImplicitIDToken(told, header, {}, params).validate_at_hash()


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
async def test_at_hash_matches_its_access_token_and_no_other(oauth, alg) -> None:
    flow = await start_login_flow(oauth, await oauth.register_reading_app(id_token_signed_response_alg=alg))
    first, second = await flow.tokens(), await flow.tokens()
    await check(oauth, first)
    with pytest.raises(InvalidClaimError, match="at_hash"):
        await check(oauth, first, second["access_token"])


async def test_at_hash_after_refresh_matches_the_new_access_token(oauth) -> None:
    holder = await make_refresh_token_holder(oauth)
    tokens = await holder.refreshed()
    await check(oauth, tokens)
    with pytest.raises(InvalidClaimError, match="at_hash"):
        await check(oauth, tokens, holder.access)


async def test_at_hash_in_ciba_id_token_matches(oauth) -> None:
    ciba_desk = await register_ciba_desk(oauth)
    await check(oauth, await ciba_desk.tokens(await ciba_desk.start_request()))


async def test_at_hash_is_the_left_half_of_the_hash_of_the_algorithm() -> None:
    for alg, named in (("RS256", "sha256"), ("PS256", "sha256"), ("ES256", "sha256"), ("ES384", "sha384")):
        whole = hashlib.new(named, b"een.toegangs.bewijs").digest()
        half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()
        assert build_at_hash("een.toegangs.bewijs", alg) == {"at_hash": half}


async def test_at_hash_is_absent_in_userinfo(oauth) -> None:
    flow = await start_login_flow(oauth)
    tokens = await flow.tokens()
    assert "at_hash" in read_claims(tokens["id_token"])
    assert "at_hash" not in (await request_userinfo(oauth, tokens["access_token"])).json()
