"""RFC 7636 as RFC 9700 wants it: S256, for every client, with no way down."""

from __future__ import annotations

from tests.builders.black_box import Pkce

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


async def test_row_9_no_client_gets_by_without_s256(oauth) -> None:
    for app in (await oauth.reading_app(), await oauth.public_app()):
        flow = await oauth.request(app)
        for change in DOWNGRADES:
            response = await flow.push(**change)
            assert (response.status_code, response.json()["error"]) == (400, "invalid_request"), change


async def test_row_10_a_wrong_or_missing_verifier_is_refused(oauth) -> None:
    flow = await oauth.flow()
    code, challenge = await flow.code(), flow.pkce.challenge
    for verifier in (None, "", "kort", "a" * 43, "a" * 129, "a" * 42 + "é", Pkce().verifier, challenge):
        response = await flow.redeem(await flow.unused(code), code_verifier=verifier)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant"), verifier
    assert (await flow.redeem(await flow.unused(code))).status_code == 200


async def test_the_right_verifier_gives_a_token_to_a_public_client_too(oauth) -> None:
    flow = await oauth.flow(await oauth.public_app())
    assert (await flow.redeem(await flow.code())).status_code == 200


async def test_a_code_whose_verifier_was_wrong_is_gone(oauth) -> None:
    flow = await oauth.flow()
    code = await flow.code()
    await flow.redeem(code, code_verifier="a" * 43)
    assert (await flow.redeem(code)).json()["error"] == "invalid_grant"
