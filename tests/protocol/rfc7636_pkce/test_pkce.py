"""RFC 7636 under RFC 9700: S256 for every client, without downgrade."""

from __future__ import annotations

from tests.builders.messages import Pkce

DOWNGRADES = [
    {"code_challenge": None, "code_challenge_method": None},
    {"code_challenge": None},
    {"code_challenge_method": None},
    {"code_challenge_method": "plain"},
    {"code_challenge_method": "s256"},
    {"code_challenge": "a" * 42},
    {"code_challenge": "a" * 44},
    {"code_challenge": "a" * 42 + "~"},
    {"code_challenge": "a" * 42 + "é"},
]


async def test_row_9_downgrade_request_without_pkce_s256_is_rejected(oauth) -> None:
    for app in (await oauth.register_reading_app(), await oauth.register_public_app()):
        flow = await oauth.request(app)
        for change in DOWNGRADES:
            response = await flow.push(**change)
            assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), change


async def test_row_10_code_with_wrong_or_missing_verifier_is_rejected(oauth) -> None:
    flow = await oauth.start_flow()
    code, challenge = await flow.code(), flow.pkce.challenge
    for verifier in (None, "", "kort", "a" * 43, "a" * 129, "a" * 42 + "é", Pkce().verifier, challenge):
        response = await flow.redeem(await flow.unused(code), code_verifier=verifier)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant"), verifier
    assert (await flow.redeem(await flow.unused(code))).status_code == 200


async def test_public_client_with_right_verifier_gets_token(oauth) -> None:
    flow = await oauth.start_flow(await oauth.register_public_app())
    assert (await flow.redeem(await flow.code())).status_code == 200


async def test_code_with_wrong_verifier_is_consumed(oauth) -> None:
    flow = await oauth.start_flow()
    code = await flow.code()
    await flow.redeem(code, code_verifier="a" * 43)
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
