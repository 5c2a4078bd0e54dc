"""Refresh with DPoP (RFC 9449 section 5): the token of a public client is bound to its key."""

import pytest

from tests.builders.client import make_authorization_details
from tests.builders.keys import KeyHolder
from tests.builders.messages import read_claims
from tests.builders.people import ISSUER
from tests.builders.rows import GRANTS
from tests.builders.tokens import REFRESHING, make_refresh_token_holder

TOKEN = ISSUER + "/token"


@pytest.fixture
def key_holder(clock):
    return KeyHolder(clock)


async def refresh(app, token: str, *proofs: str):
    form = {**app.credentials(), "grant_type": "refresh_token", "refresh_token": token}
    return await app.http.post("/token", data=form, headers=[("DPoP", proof) for proof in proofs])


async def first_tokens(oauth, key_holder) -> tuple:
    app = await oauth.register_public_app(grant_types=REFRESHING)
    flow = await oauth.request(app)
    flow.browser, flow.asks = await oauth.logged_in(), make_authorization_details()
    form = {
        "grant_type": "authorization_code",
        "code": await flow.code(),
        "redirect_uri": app.registration["redirect_uris"][0],
        "code_verifier": flow.pkce.verifier,
    }
    proof = {"DPoP": key_holder.proof("POST", TOKEN)}
    answer = await app.http.post("/token", data={**app.credentials(), **form}, headers=proof)
    assert answer.status_code == 200, answer.text
    return app, answer.json()


async def test_refresh_by_public_client_with_its_dpop_key_issues_bound_tokens(oauth, key_holder):
    app, first = await first_tokens(oauth, key_holder)
    answer = await refresh(app, first["refresh_token"], key_holder.proof("POST", TOKEN))
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert read_claims(answer.json()["access_token"])["cnf"] == {"jkt": key_holder.jkt}
    again = await refresh(app, answer.json()["refresh_token"], key_holder.proof("POST", TOKEN))
    assert again.status_code == 200


async def test_refresh_token_stolen_without_dpop_key_is_rejected_and_stays_valid(oauth, key_holder, clock):
    app, first = await first_tokens(oauth, key_holder)
    thief = KeyHolder(clock)
    for proofs in ([], [thief.proof("POST", TOKEN)]):
        answer = await refresh(app, first["refresh_token"], *proofs)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await GRANTS.count(oauth, GRANTS.c.ended_at.is_not(None)) == 0
    assert (await refresh(app, first["refresh_token"], key_holder.proof("POST", TOKEN))).status_code == 200


async def test_refresh_retried_with_dpop_nonce_is_not_reuse(oauth, key_holder):
    app, first = await first_tokens(oauth, key_holder)
    asked = await refresh(app, first["refresh_token"], key_holder.proof("POST", TOKEN, nonce=None))
    assert (asked.status_code, asked.json()["error"]) == (400, "use_dpop_nonce")
    answer = await refresh(
        app, first["refresh_token"], key_holder.proof("POST", TOKEN, nonce=asked.headers["DPoP-Nonce"])
    )
    assert answer.status_code == 200


async def test_refresh_by_confidential_client_with_new_dpop_key_is_accepted(oauth, key_holder, clock):
    holder = await make_refresh_token_holder(oauth)
    first = await refresh(holder.app, holder.refresh_token, key_holder.proof("POST", TOKEN))
    other = KeyHolder(clock)
    second = await refresh(holder.app, first.json()["refresh_token"], other.proof("POST", TOKEN))
    assert read_claims(second.json()["access_token"])["cnf"] == {"jkt": other.jkt}
